use std::collections::HashSet;
use std::fmt;

use super::OperationSource;
use crate::Operation;
use crate::body::BodyKind;
use crate::operation::json::{NoValue, Object};
use crate::operation::{Place, Value, form};
use crate::policy::bodiless;
use crate::policy::{Defect, Facts};

/// An operation that is made of a request: a text with `{placeholders}`, and the fields that it is
/// bound to, be they shown or not.
///
/// 1. The digest covers the text with its placeholders filled in, the method, the matched route, the
///    path as it was sent, and every field: the same fields at another route are another operation.
/// 2. What is not selected is not bound: the rest of a body, and the query. Select all that the
///    handler acts upon.
/// 3. A field that is missing, there more than once, or no text, number or boolean refuses the
///    request (400, `body-malformed`) before anybody is asked. So does a body that is not what its
///    content type says, or that has a name twice in any of its objects.
/// 4. A placeholder shows a field's canonical text: `250` for the number `250.00`. What would be longer
///    than [`Operation::MAX_CHARS`] is refused, because nobody could see all that they approve.
/// 5. Texts are compared as they are, without Unicode normalisation.
///
/// The handler should read the body by its content type, as axum's `Json` and `Form` do and actix's: one
/// that takes JSON for what is declared as a form reads something else than what was approved.
#[derive(Clone)]
#[must_use]
pub struct OperationTemplate {
    text: Vec<Segment>,
    fields: Vec<(Place, Box<str>)>,
    body: Option<Body>,
}

#[derive(Clone)]
enum Segment {
    Literal(Box<str>),
    /// The field at this place in the list.
    Field(usize),
}

/// Which bodies the fields are read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Only(BodyKind),
    Either,
}

/// A template without its check; made by [`OperationTemplate::text`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TemplateBuilder {
    text: String,
    fields: Vec<(Place, Box<str>)>,
    bodies: Vec<Body>,
}

/// A template that no request could fill in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// The text has a placeholder for which no field was selected.
    #[error(
        "the text names {{{name}}}, and no field is called so: select it with path, query, json, form or fields"
    )]
    UnknownPlaceholder {
        /// What stands between the braces.
        name: String,
    },
    /// A brace has no counterpart.
    #[error("the text has a brace without its counterpart: write two of it to show one")]
    Brace,
    /// Two fields have one name, so that nobody could tell which one a placeholder means.
    #[error("the field {name:?} is selected twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A field has no name.
    #[error("a field has an empty name")]
    Nameless,
    /// A body is JSON or a form.
    #[error(
        "fields are selected from JSON and from a form: `fields` takes them from whichever is sent"
    )]
    TwoBodies,
    /// The text alone is longer than what is shown.
    #[error("the text is longer than {} characters", Operation::MAX_CHARS)]
    TooLong,
}

impl OperationTemplate {
    /// An operation that the user is shown as `text`, where `{name}` is the value of a field, and `{{`
    /// and `}}` are braces.
    pub fn text(text: &str) -> TemplateBuilder {
        TemplateBuilder { text: text.to_owned(), fields: Vec::new(), bodies: Vec::new() }
    }
}

impl TemplateBuilder {
    /// Selects parts of the path that the matched route has names for.
    pub fn path<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.select(Place::Path, names)
    }

    /// Selects parameters of the query.
    pub fn query<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.select(Place::Query, names)
    }

    /// Selects members of the JSON object that the body has to be.
    pub fn json<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.body(Body::Only(BodyKind::Json), names)
    }

    /// Selects fields of the form that the body has to be.
    pub fn form<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.body(Body::Only(BodyKind::Form), names)
    }

    /// Selects fields of a body that is JSON or a form, as its content type says.
    pub fn fields<'n>(self, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.body(Body::Either, names)
    }

    /// The template.
    ///
    /// # Errors
    ///
    /// [`TemplateError`] if no request could fill it in.
    pub fn build(self) -> Result<OperationTemplate, TemplateError> {
        let mut known = HashSet::new();
        for (_, name) in &self.fields {
            if name.is_empty() {
                return Err(TemplateError::Nameless);
            }
            if !known.insert(name) {
                return Err(TemplateError::Twice { name: name.to_string() });
            }
        }
        let body = self.bodies.first().copied();
        if self.bodies.iter().any(|other| Some(*other) != body) {
            return Err(TemplateError::TwoBodies);
        }
        let text = segments(&self.text, &self.fields)?;
        let literals = text.iter().map(|segment| match segment {
            Segment::Literal(text) => text.chars().count(),
            Segment::Field(_) => 0,
        });
        if literals.sum::<usize>() > Operation::MAX_CHARS {
            return Err(TemplateError::TooLong);
        }
        Ok(OperationTemplate { text, fields: self.fields, body })
    }

    fn body<'n>(mut self, body: Body, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.bodies.push(body);
        self.select(Place::Body, names)
    }

    fn select<'n>(mut self, place: Place, names: impl IntoIterator<Item = &'n str>) -> Self {
        self.fields.extend(names.into_iter().map(|name| (place, name.into())));
        self
    }
}

fn segments(text: &str, fields: &[(Place, Box<str>)]) -> Result<Vec<Segment>, TemplateError> {
    let (mut segments, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, brace) = rest.split_at(at);
        literal.push_str(before);
        if let Some(after) = brace.strip_prefix("{{") {
            literal.push('{');
            rest = after;
        } else if let Some(after) = brace.strip_prefix("}}") {
            literal.push('}');
            rest = after;
        } else {
            let named = brace.strip_prefix('{').and_then(|brace| brace.split_once('}'));
            let (name, after) = named.ok_or(TemplateError::Brace)?;
            let field = fields.iter().position(|(_, field)| **field == *name);
            let unknown = || TemplateError::UnknownPlaceholder { name: name.to_owned() };
            segments.push(Segment::Literal(std::mem::take(&mut literal).into()));
            segments.push(Segment::Field(field.ok_or_else(unknown)?));
            rest = after;
        }
    }
    literal.push_str(rest);
    segments.push(Segment::Literal(literal.into()));
    Ok(segments)
}

impl OperationSource for OperationTemplate {
    fn operation(&self, facts: &Facts<'_>) -> Result<Operation, Defect> {
        let values = self.values(facts)?;
        let mut text = String::new();
        for segment in &self.text {
            text.push_str(match segment {
                Segment::Literal(literal) => literal,
                Segment::Field(at) => values.get(*at).map_or("", Value::as_text),
            });
        }
        if text.chars().count() > Operation::MAX_CHARS {
            return Err(Defect::malformed("What is to be approved is too long to be shown."));
        }
        let (path, _) = facts.path().split_once('?').unwrap_or((facts.path(), ""));
        let mut operation = Operation::new(&text)
            .bind(Place::Request, "method", &facts.method().into())
            .bind(Place::Request, "path", &path.into());
        if let Some(route) = facts.matched_route() {
            operation = operation.bind(Place::Request, "route", &(&*route).into());
        }
        for ((place, name), value) in self.fields.iter().zip(&values) {
            operation = operation.bind(*place, name, value);
        }
        Ok(operation)
    }

    fn reads_body(&self) -> bool {
        self.body.is_some()
    }
}

impl OperationTemplate {
    /// The values of all fields, in their order.
    fn values(&self, facts: &Facts<'_>) -> Result<Vec<Value<'static>>, Defect> {
        let (_, query) = facts.path().split_once('?').unwrap_or_default();
        let body = self.body.map(|expected| Selected::of(facts, expected)).transpose()?;
        let value = |(place, name): &(Place, Box<str>)| match place {
            Place::Path => path_parameter(facts, name),
            Place::Query => form::value(query, name).map_err(|why| refused("parameter", name, why)),
            Place::Body | Place::Request | Place::App => match &body {
                Some(Selected::Json(object)) => object.value(name),
                Some(Selected::Form(pairs)) => form::value(pairs, name),
                None => Err(NoValue::Missing),
            }
            .map_err(|why| refused("field", name, why)),
        };
        self.fields.iter().map(value).collect()
    }
}

/// A body to select fields from.
enum Selected<'b> {
    Json(Object<'b>),
    Form(&'b str),
}

impl<'b> Selected<'b> {
    fn of(facts: &Facts<'b>, expected: Body) -> Result<Self, Defect> {
        let Some(body) = facts.body() else {
            bodiless::warn();
            return Err(Defect::denied());
        };
        let kind = facts.body_kind()?.filter(|kind| match expected {
            Body::Only(only) => *kind == only,
            Body::Either => true,
        });
        let kind = kind.ok_or_else(|| Defect::unsupported(expected.content_types()))?;
        match kind {
            BodyKind::Json => Object::parse(body).map(Self::Json).ok_or_else(|| {
                Defect::malformed("Send one JSON object, with no name twice in it.")
            }),
            BodyKind::Form => std::str::from_utf8(body)
                .map(Self::Form)
                .map_err(|_| Defect::malformed("Send a form in UTF-8.")),
        }
    }
}

impl Body {
    const fn content_types(self) -> &'static str {
        match self {
            Self::Only(BodyKind::Json) => "Send application/json.",
            Self::Only(BodyKind::Form) => "Send application/x-www-form-urlencoded.",
            Self::Either => "Send application/json or application/x-www-form-urlencoded.",
        }
    }
}

fn path_parameter(facts: &Facts<'_>, name: &str) -> Result<Value<'static>, Defect> {
    let mut values = facts.path_parameters(name);
    match (values.pop(), values.is_empty()) {
        (Some(value), true) => Ok(value.into()),
        (Some(_), false) => Err(refused("part of the path", name, NoValue::Twice)),
        (None, _) => {
            tracing::error!(
                target: "flexsecure::policy",
                name,
                route = facts.matched_route().as_deref(),
                "the matched route is not known here, or has no parameter of this name"
            );
            Err(refused("part of the path", name, NoValue::Missing))
        }
    }
}

/// Only our own names are repeated to a client.
fn refused(what: &str, name: &str, why: NoValue) -> Defect {
    Defect::malformed(format!("The {what} {name:?} {why}."))
}

impl fmt::Debug for OperationTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationTemplate")
            .field("fields", &self.fields)
            .field("body", &self.body)
            .finish_non_exhaustive()
    }
}
