//! Fields of a JSON object, read so that every parser would read the same.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Decimal, Value};

/// An object whose members have names of their own, at every depth.
pub(crate) struct Object<'t>(BTreeMap<String, &'t RawValue>);

/// Why a body or a query has no value for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoValue {
    #[error("is missing")]
    Missing,
    #[error("is there more than once")]
    Twice,
    #[error("is not a text, a number or a boolean")]
    NotScalar,
    #[error("is a number with too many digits")]
    TooLong,
    #[error("is not valid UTF-8")]
    NotText,
}

impl<'t> Object<'t> {
    /// Nothing unless `body` is one JSON object in UTF-8, with no name twice in any object of it, and
    /// nested no deeper than 127 levels.
    pub(crate) fn parse(body: &'t [u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        // Of a name that is there twice, some parsers take the first value and some the last.
        serde_json::from_str::<Unambiguous>(text).ok()?;
        serde_json::from_str(text).ok().map(Self)
    }

    /// The value of `name`, if it is a text, a number or a boolean.
    pub(crate) fn value(&self, name: &str) -> Result<Value<'static>, NoValue> {
        let raw = self.0.get(name).ok_or(NoValue::Missing)?.get();
        match raw.bytes().next() {
            Some(b'"') => {
                let text: String = serde_json::from_str(raw).map_err(|_| NoValue::NotText)?;
                Ok(text.into())
            }
            Some(b'-' | b'0'..=b'9') => {
                raw.parse::<Decimal>().map(Value::from).map_err(|_| NoValue::TooLong)
            }
            Some(b't') => Ok(true.into()),
            Some(b'f') => Ok(false.into()),
            _ => Err(NoValue::NotScalar),
        }
    }
}

/// Any JSON value in which no object has a name twice.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unambiguous {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name is there twice"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
}
