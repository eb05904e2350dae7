use std::borrow::Cow;

use super::Decimal;

/// The value of a field: a text, a number or a boolean, which are never the same as one another.
///
/// `"250"` and `250` differ because a handler may tell them apart; to ask once more is the safe side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value<'v>(Kind<'v>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<'v> {
    Text(Cow<'v, str>),
    Number(Decimal),
    Boolean(bool),
}

impl Value<'_> {
    /// The canonical text: what a placeholder shows, and what the digest covers.
    #[must_use]
    pub fn as_text(&self) -> &str {
        match &self.0 {
            Kind::Text(text) => text,
            Kind::Number(number) => number.as_str(),
            Kind::Boolean(true) => "true",
            Kind::Boolean(false) => "false",
        }
    }

    pub(super) const fn tag(&self) -> u8 {
        match self.0 {
            Kind::Text(_) => b's',
            Kind::Number(_) => b'n',
            Kind::Boolean(_) => b'b',
        }
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self(Kind::Text(Cow::Borrowed(text)))
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self(Kind::Text(Cow::Borrowed(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self(Kind::Text(Cow::Owned(text)))
    }
}

impl From<bool> for Value<'_> {
    fn from(is_so: bool) -> Self {
        Self(Kind::Boolean(is_so))
    }
}

impl From<Decimal> for Value<'_> {
    fn from(number: Decimal) -> Self {
        Self(Kind::Number(number))
    }
}

impl From<u64> for Value<'_> {
    fn from(number: u64) -> Self {
        Self(Kind::Number(number.into()))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self(Kind::Number(number.into()))
    }
}
