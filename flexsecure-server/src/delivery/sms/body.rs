use std::fmt;

use flexsecure_core::page::TemplateError;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value, filters, value::Serde};
use serde::Serialize;
use url::form_urlencoded;

/// What a request says, with what is to be filled in.
///
/// A value can only be put out through the filter `json` or `form`: nobody's text can add to the request.
pub(super) struct BodyTemplate(Environment<'static>);

/// What a template is filled in with.
#[derive(Clone, Serialize)]
pub(super) struct BodyValues<'a> {
    pub(super) to: &'a str,
    pub(super) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<&'a str>,
    pub(super) reference: &'a str,
    pub(super) language: &'a str,
}

impl BodyTemplate {
    pub(super) fn parse(source: String) -> Result<Self, TemplateError> {
        // Nothing that would take a value for put out well, such as the filter `safe`.
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_filter("json", json);
        environment.add_filter("form", form);
        environment.add_filter("replace", filters::replace);
        environment.add_test("defined", minijinja::tests::is_defined);
        environment.set_formatter(|out, _, value| {
            if !value.is_safe() {
                let detail = "every value needs the filter json or form";
                return Err(Error::new(ErrorKind::InvalidOperation, detail));
            }
            out.write_str(value.as_str().unwrap_or_default()).map_err(Error::from)
        });
        environment.add_template_owned(NAME, source)?;
        Ok(Self(environment))
    }

    pub(super) fn render(&self, values: &BodyValues<'_>) -> Result<String, TemplateError> {
        Ok(self.0.get_template(NAME)?.render(Value::from(Serde(values)))?)
    }
}

impl fmt::Debug for BodyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyTemplate").finish_non_exhaustive()
    }
}

/// A JSON string, with its quotation marks.
fn json(value: String) -> Value {
    Value::from_safe_string(serde_json::Value::String(value).to_string())
}

/// A value of `application/x-www-form-urlencoded`.
fn form(value: &str) -> Value {
    Value::from_safe_string(form_urlencoded::byte_serialize(value.as_bytes()).collect())
}

const NAME: &str = "body";

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: BodyValues<'_> = BodyValues {
        to: "+41790000001",
        text: "a\"b\\ {{ to }}\n@host #12345678&x=1 é",
        from: None,
        reference: "r-1",
        language: "en",
    };

    fn rendered(source: &str) -> Result<String, String> {
        let template = BodyTemplate::parse(source.to_owned()).map_err(|error| error.to_string())?;
        template.render(&VALUES).map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_stays_inside_its_value() {
        let json = rendered(r#"{"to":{{ to | json }},"text":{{ text|json }}}"#).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json, serde_json::json!({"to": VALUES.to, "text": VALUES.text}));
        let form = rendered("To={{ to | form }}&Body={{ text | form }}&x=2").unwrap();
        let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let expected = [("To", VALUES.to), ("Body", VALUES.text), ("x", "2")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn nothing_is_put_out_as_it_is() {
        for source in [
            "{{ text }}",
            "{{ to }}",
            "{{ text | upper }}",
            "{{ text | json | upper }}",
            "{{ text | json | replace('a', text) }}",
            "{{ text | json ~ text }}",
            "{{ 'constant' }}",
            "{{ text | safe }}",
            "{% autoescape 'none' %}{{ text }}{% endautoescape %}",
            "{% set x = text %}{{ x }}",
            "{% for c in [text] %}{{ c }}{% endfor %}",
            "{% set x %}{{ text }}{% endset %}{{ x }}",
            "{% macro m(x) %}{{ x }}{% endmacro %}{{ m(text) }}",
        ] {
            assert!(rendered(source).is_err(), "{source}: {:?}", rendered(source));
        }
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        for source in ["{{ from | json }}", "{{ pin | json }}", "{{ text | xml }}", "{% if %}"] {
            assert!(rendered(source).is_err(), "{source}");
        }
        assert_eq!(rendered("{% if from is defined %}x{% endif %}").unwrap(), "");
    }
}
