//! The body of a request, as far as a framework read it, and what the bank makes of it.

use bytes::Bytes;
use serde::Deserialize;

use crate::reply::BankError;

/// How much of a body is read, in bytes.
pub const MAX_BODY: usize = 16 * 1024;

/// A body with the content type it came with; whether it is any good is found out when it is read.
#[derive(Clone, Debug)]
pub struct Sent {
    content_type: String,
    body: Result<Bytes, BankError>,
}

/// A body that is of a type understood here.
#[derive(Clone, Debug)]
pub(crate) enum Fields<'a> {
    Json(Json<'a>),
    Form(Form),
}

/// A body that says it is JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a>(&'a [u8]);

/// The fields of a form.
#[derive(Clone, Debug)]
pub(crate) struct Form(Vec<(String, String)>);

impl Sent {
    /// What a framework has read: `body` is an error if it could not be.
    #[must_use]
    pub fn new(content_type: Option<&[u8]>, body: Result<Bytes, BankError>) -> Self {
        let content_type = content_type.map(String::from_utf8_lossy).unwrap_or_default();
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        Self { content_type: kind.to_ascii_lowercase(), body }
    }

    /// The fields in it.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, BankError> {
        let body = self.body.as_ref().map_err(|error| *error)?;
        if self.is_form() {
            Ok(Fields::Form(Form::parse(body)))
        } else if self.content_type == "application/json" {
            Ok(Fields::Json(Json(body)))
        } else {
            Err(BankError::ContentTypeUnsupported)
        }
    }

    /// The one field of `{"user":"alice"}` or `user=alice`.
    pub(crate) fn user(&self) -> Result<String, BankError> {
        #[derive(Deserialize)]
        struct Body {
            user: String,
        }
        match self.fields()? {
            Fields::Json(json) => {
                json.parse("send {\"user\":\"alice\"}").map(|body: Body| body.user)
            }
            Fields::Form(form) => form.one("user").map(str::to_owned),
        }
    }

    /// A form as it was sent, byte by byte, so that it can be sent once more.
    #[must_use]
    pub fn form(&self) -> Option<Bytes> {
        self.body.as_ref().ok().filter(|_| self.is_form()).cloned()
    }

    /// Whether a form sent it.
    pub(crate) fn is_form(&self) -> bool {
        self.content_type == "application/x-www-form-urlencoded"
    }
}

impl<'a> Json<'a> {
    /// The value in it; `example` is what to send instead of what is none.
    pub(crate) fn parse<T: Deserialize<'a>>(self, example: &'static str) -> Result<T, BankError> {
        serde_json::from_slice(self.0).map_err(|_| BankError::Invalid(example))
    }
}

impl Form {
    /// The fields of a form, or of the query of a URL.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The value of `name`.
    ///
    /// One that is there twice is refused: what is asked for has to be what is done.
    pub(crate) fn one(&self, name: &str) -> Result<&str, BankError> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => Err(BankError::Invalid("a field is missing")),
        }
    }

    /// The value of `name`, if it is there at all.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<&str>, BankError> {
        let mut values = self.0.iter().filter(|(known, _)| known == name);
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(|(_, value)| value.as_str())),
            _ => Err(BankError::Invalid("a field is there twice")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(content_type: &str, body: Result<&'static str, BankError>) -> Sent {
        let body = body.map(|text| Bytes::from_static(text.as_bytes()));
        Sent::new(Some(content_type.as_bytes()), body)
    }

    #[test]
    fn a_form_can_be_sent_once_more_byte_by_byte() {
        let kind = "Application/X-WWW-Form-Urlencoded; charset=utf-8";
        let text = "to=b%6Fb+%3C&amount=250&to=";
        assert_eq!(sent(kind, Ok(text)).form().as_deref(), Some(text.as_bytes()));
        assert_eq!(sent("application/json", Ok("{}")).form(), None);
        assert_eq!(sent(kind, Err(BankError::BodyTooLarge)).form(), None);
    }
}
