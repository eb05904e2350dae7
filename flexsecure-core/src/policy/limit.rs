use std::fmt;

use super::{Decision, Facts, Policy};
use crate::body::BodyKind;
use crate::operation::json::Object;
use crate::operation::{Decimal, form};

/// The rule `then`, for requests in which the number that `field` names is greater than `limit`.
///
/// A number that is not there, is there twice, or cannot be read as a [`Decimal`] counts as greater:
/// what nobody can read must not be waved through. So does one from a body that no layer reads; such a
/// rule belongs into one that does.
///
/// ```
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Field, Rules, above};
/// # fn rules() -> Result<Rules, flexsecure_core::operation::NotADecimal> {
/// let bank = || Requirement::system("bank");
/// let policy = Rules::open()
///     .raise("above 100", above("100".parse()?, Field::Body("amount"), bank()))
///     .raise("above 5000", above("5000".parse()?, Field::Body("amount"), bank().pin()));
/// # Ok(policy)
/// # }
/// ```
pub fn above<P: Policy>(limit: Decimal, field: Field, then: P) -> Above<P> {
    Above { limit, field, then }
}

/// Where a request has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Field {
    /// A part of the path that the matched route calls so.
    Path(&'static str),
    /// A parameter of the query.
    Query(&'static str),
    /// A field of a JSON object or a form.
    Body(&'static str),
}

impl Field {
    fn number(self, facts: &Facts<'_>) -> Option<Decimal> {
        match self {
            Self::Path(name) => match facts.path_parameters(name).as_slice() {
                [only] => only.parse().ok(),
                _ => None,
            },
            Self::Query(name) => facts.query(name)?.parse().ok(),
            Self::Body(name) => {
                let body = facts.body()?;
                let value = match facts.body_kind().ok()?? {
                    BodyKind::Json => Object::parse(body)?.value(name).ok()?,
                    BodyKind::Form => form::value(std::str::from_utf8(body).ok()?, name).ok()?,
                };
                value.as_text().parse().ok()
            }
        }
    }
}

/// A rule for numbers above a limit; made by [`above`].
#[derive(Clone)]
#[must_use]
pub struct Above<P> {
    limit: Decimal,
    field: Field,
    then: P,
}

impl<P: Policy> Policy for Above<P> {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        let is_small = self.field.number(facts).is_some_and(|number| number <= self.limit);
        if is_small { Decision::Abstain } else { self.then.decide(facts) }
    }

    fn reads_body(&self) -> bool {
        matches!(self.field, Field::Body(_)) || self.then.reads_body()
    }
}

impl<P> fmt::Debug for Above<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, field, .. } = self;
        f.debug_struct("Above").field("limit", limit).field("field", field).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::body::WithBody;
    use crate::{Identity, PlainRequest, Requirement, Timestamp};

    fn is_above(field: Field, path: &str, body: Option<(&str, &str)>) -> bool {
        let rule = above("100".parse().unwrap(), field, Requirement::system("bank"));
        let headers = body.map(|(kind, _)| [("content-type", kind)]);
        let headers = headers.as_ref().map_or(&[][..], |headers| headers);
        let request = PlainRequest { method: "POST", path, headers };
        let bytes = Bytes::from(body.map_or("", |(_, text)| text).to_owned());
        let read = WithBody::new(&request, &bytes);
        let identity = Identity::new("alice", "session");
        let now = Timestamp::from_millis(0);
        let facts = match body {
            Some(_) => Facts::new(&read, &identity, now),
            None => Facts::new(&request, &identity, now),
        };
        matches!(rule.decide(&facts), Decision::Require(_))
    }

    #[test]
    fn a_number_is_compared_to_the_last_digit() {
        for (number, expected) in [
            ("100", false),
            ("100.00", false),
            ("1e2", false),
            ("99.999999999999999999999", false),
            ("100.0000000000000000000001", true),
            ("-101", false),
            ("101", true),
            ("1000", true),
            ("20", false),
        ] {
            let path = format!("/?amount={number}");
            assert_eq!(is_above(Field::Query("amount"), &path, None), expected, "{number}");
            let json = format!("{{\"amount\":{number}}}");
            let body = Some(("application/json", &*json));
            assert_eq!(is_above(Field::Body("amount"), "/", body), expected, "{number}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_above_every_limit() {
        for path in ["/", "/?amount=", "/?amount=1&amount=2", "/?amount=ten", "/?amount=0x1"] {
            assert!(is_above(Field::Query("amount"), path, None), "{path}");
        }
        for (kind, text) in [
            ("application/json", "{}"),
            ("application/json", "{\"amount\":1,\"amount\":1000}"),
            ("application/json", "{\"amount\":[1]}"),
            ("application/json", "{\"amount\":1"),
            ("application/x-www-form-urlencoded", "amount=1&amount=1000"),
            ("text/plain", "amount=1"),
        ] {
            assert!(is_above(Field::Body("amount"), "/", Some((kind, text))), "{text}");
        }
        assert!(is_above(Field::Body("amount"), "/?amount=1", None), "nobody read a body");
        assert!(is_above(Field::Path("amount"), "/1", None), "no route was matched");
        let form = Some(("application/x-www-form-urlencoded", "amount=1"));
        assert!(!is_above(Field::Body("amount"), "/", form));
    }
}
