use std::fmt;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::secret::random_bytes;

/// The name of one request, in its answer and in every line of the log about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The one that a trusted proxy gave it, if that is well-formed.
    pub(super) fn given(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(&HEADER).iter();
        let (Some(only), None) = (given.next(), given.next()) else { return None };
        is_well_formed(only.as_bytes()).then(|| Self(only.clone()))
    }

    /// 128 random bits. Without randomness it has no name, which is better than no answer.
    pub(super) fn random() -> Self {
        let bytes = random_bytes::<16>().unwrap_or_default();
        let hex = format!("{:032x}", u128::from_be_bytes(bytes));
        Self(HeaderValue::try_from(hex).unwrap_or_else(|_| HeaderValue::from_static("-")))
    }

    pub(super) fn header(self) -> (HeaderName, HeaderValue) {
        (HEADER, self.0)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.to_str().unwrap_or("-"))
    }
}

/// Nothing that could forge a line of a log, or fill one.
fn is_well_formed(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=64).contains(&id.len()) && id.iter().all(is_plain)
}

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_and_single_one_is_kept() {
        let given = |ids: &[&str]| {
            let mut headers = HeaderMap::new();
            for id in ids {
                headers.append(HEADER, id.parse().unwrap());
            }
            RequestId::given(&headers).map(|id| id.to_string())
        };
        assert_eq!(given(&["0af7-65.C_1"]).as_deref(), Some("0af7-65.C_1"));
        let long = "a".repeat(65);
        for bad in [&[][..], &[""], &["a b"], &["a\"b"], &["a", "b"], &[&long]] {
            assert_eq!(given(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn two_are_never_alike() {
        assert_ne!(RequestId::random(), RequestId::random());
        assert_eq!(RequestId::random().to_string().len(), 32);
    }
}
