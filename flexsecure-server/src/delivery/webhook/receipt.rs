use axum::http::HeaderMap;
use serde::Deserialize;

use super::signature::{SigningSecret, Unverified, verify};
use crate::{UnixMillis, delivery::provider::is_reference};

/// What a gateway tells of a message that it has taken.
///
/// It comes as a request of Standard Webhooks whose body is
/// `{"type":"message.delivered","data":{"reference":"…"}}`, or `message.failed`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Receipt {
    /// What the gateway called the message when it [took](super::super::Accepted) it, or else what the authority
    /// called it. 1 to 128 visible ASCII characters.
    pub reference: String,
    /// Whether it has arrived.
    pub status: ReceiptStatus,
}

/// Whether a message has arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReceiptStatus {
    /// The user has it.
    Delivered,
    /// The user will not get it.
    Failed,
}

impl Receipt {
    /// Reads a request that says it is a receipt, which may come from anybody and more than once.
    ///
    /// `secrets` are those that count: while one is exchanged, both. `now` is the present moment.
    ///
    /// # Errors
    /// It was not signed with any of `secrets`, is more than five minutes old or from the future, or tells nothing.
    pub fn verify(
        secrets: &[SigningSecret],
        headers: &HeaderMap,
        body: &[u8],
        now: UnixMillis,
    ) -> Result<Self, ReceiptError> {
        verify(secrets, headers, body, now).map_err(|unverified| match unverified {
            Unverified::Headers => ReceiptError::Headers,
            Unverified::Time => ReceiptError::Time,
            Unverified::Signature => ReceiptError::Signature,
        })?;
        let event: Event = serde_json::from_slice(body).map_err(|_| ReceiptError::Body)?;
        let status = match event.kind.as_str() {
            "message.delivered" => ReceiptStatus::Delivered,
            "message.failed" => ReceiptStatus::Failed,
            _ => return Err(ReceiptError::Body),
        };
        let reference = event.data.reference;
        if is_reference(&reference) {
            Ok(Self { reference, status })
        } else {
            Err(ReceiptError::Body)
        }
    }
}

/// Why a request is no receipt. Whoever sent it need not know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// One of `webhook-id`, `webhook-timestamp` and `webhook-signature` is missing, there twice or malformed.
    #[error("the headers of the receipt are incomplete or malformed")]
    Headers,
    /// It was repeated by somebody who has seen it, or a clock is wrong.
    #[error("the receipt is not from the last five minutes")]
    Time,
    /// It was made or changed by somebody without the secret, or the secrets of the two sides differ.
    #[error("the receipt is not signed with a secret that is known")]
    Signature,
    /// It is another event, or not the JSON that is expected.
    #[error("the receipt must say message.delivered or message.failed, and of which reference")]
    Body,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: EventData,
}

#[derive(Deserialize)]
struct EventData {
    reference: String,
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{super::sign, *};

    const NOW: UnixMillis = UnixMillis::new(1_700_000_000_000);

    fn read(body: &str) -> Result<Receipt, ReceiptError> {
        let text = format!("whsec_{}", STANDARD.encode([7; 32]));
        let secret = SigningSecret::parse(&text).unwrap();
        let signed = sign(&secret, "receipt-1", NOW, body.as_bytes());
        let headers = signed
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(&value).unwrap()));
        Receipt::verify(&[secret], &headers.into_iter().collect(), body.as_bytes(), NOW)
    }

    #[test]
    fn a_receipt_tells_of_one_message() {
        for (kind, status) in
            [("delivered", ReceiptStatus::Delivered), ("failed", ReceiptStatus::Failed)]
        {
            let body = format!(
                r#"{{"type":"message.{kind}","timestamp":"x","data":{{"reference":"R","more":1}}}}"#
            );
            assert_eq!(read(&body), Ok(Receipt { reference: "R".to_owned(), status }));
        }
    }

    #[test]
    fn anything_else_is_none() {
        for body in [
            "",
            "{}",
            r#"{"type":"message.delivered"}"#,
            r#"{"type":"message.delivered","data":{}}"#,
            r#"{"type":"message.delivered","data":{"reference":""}}"#,
            r#"{"type":"message.delivered","data":{"reference":"a b"}}"#,
            r#"{"type":"message.delivered","data":{"reference":1}}"#,
            r#"{"type":"message.opened","data":{"reference":"R"}}"#,
            r#"{"data":{"reference":"R"}}"#,
        ] {
            assert_eq!(read(body), Err(ReceiptError::Body), "{body}");
        }
        let unsigned = Receipt::verify(&[], &HeaderMap::new(), b"{}", NOW);
        assert_eq!(unsigned, Err(ReceiptError::Headers));
    }
}
