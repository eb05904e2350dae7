use std::{fmt, time::Duration};

use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha256;

use crate::{UnixMillis, secret::is_same};

/// A secret that two sides share to sign with: `whsec_` and 24 to 64 bytes in base64.
pub struct SigningSecret(SecretBox<Vec<u8>>);

impl SigningSecret {
    /// Takes a secret as it is written in a configuration.
    ///
    /// # Errors
    /// It does not begin with `whsec_`, is no base64, or has fewer than 24 or more than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, SigningSecretError> {
        let text = text.strip_prefix(MARK).ok_or(SigningSecretError)?;
        let key = STANDARD.decode(text).map_err(|_| SigningSecretError)?;
        if (24..=64).contains(&key.len()) {
            Ok(Self(SecretBox::new(Box::new(key))))
        } else {
            Err(SigningSecretError)
        }
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("any length is valid");
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([REDACTED])")
    }
}

/// It is no secret to sign with.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a signing secret must be whsec_ and 24 to 64 bytes in base64")]
#[non_exhaustive]
pub struct SigningSecretError;

/// The headers of a request with this body.
pub(in crate::delivery) fn sign(
    secret: &SigningSecret,
    id: &str,
    now: UnixMillis,
    body: &[u8],
) -> [(&'static str, String); 3] {
    let timestamp = seconds(now).to_string();
    let signature = STANDARD.encode(secret.mac(id, &timestamp, body));
    [(ID, id.to_owned()), (TIMESTAMP, timestamp), (SIGNATURE, format!("{VERSION},{signature}"))]
}

/// Why a request counts for nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unverified {
    /// A header is missing, there twice or malformed.
    Headers,
    /// It was made too long ago, or later than now.
    Time,
    Signature,
}

/// Whether a request was made by somebody who has one of `secrets`, within five minutes before or after `now`, and has
/// not been changed since. While a secret is exchanged, there are two.
pub(super) fn verify(
    secrets: &[SigningSecret],
    headers: &HeaderMap,
    body: &[u8],
    now: UnixMillis,
) -> Result<(), Unverified> {
    let id = only(headers, ID).ok_or(Unverified::Headers)?;
    let timestamp = only(headers, TIMESTAMP).ok_or(Unverified::Headers)?;
    let signatures = only(headers, SIGNATURE).ok_or(Unverified::Headers)?;
    if id.is_empty() || id.len() > LONGEST_HEADER || signatures.len() > LONGEST_HEADER {
        return Err(Unverified::Headers);
    }
    let is_number = timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let made: i64 = timestamp.parse().ok().filter(|_| is_number).ok_or(Unverified::Headers)?;
    if made.abs_diff(seconds(now)) > TOLERANCE.as_secs() {
        return Err(Unverified::Time);
    }
    let signatures: Vec<_> = signatures
        .split(' ')
        .filter_map(|signature| signature.split_once(','))
        .filter(|(version, _)| *version == VERSION)
        .filter_map(|(_, signature)| STANDARD.decode(signature).ok())
        .collect();
    // All of them are compared, so that time tells nothing.
    let is_right = secrets.iter().fold(false, |right, secret| {
        let mac = secret.mac(id, timestamp, body);
        let matches = |signature: &Vec<u8>| is_same(&mac, signature);
        right | signatures.iter().fold(false, |right, signature| right | matches(signature))
    });
    if is_right { Ok(()) } else { Err(Unverified::Signature) }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

const fn seconds(time: UnixMillis) -> i64 {
    time.as_millis().div_euclid(1_000)
}

const MARK: &str = "whsec_";
const VERSION: &str = "v1";
const ID: &str = "webhook-id";
const TIMESTAMP: &str = "webhook-timestamp";
const SIGNATURE: &str = "webhook-signature";
const TOLERANCE: Duration = Duration::from_secs(300);
/// In bytes.
const LONGEST_HEADER: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;

    /// A vector of the reference implementations.
    const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    const MESSAGE: &str = "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk";
    const MADE: UnixMillis = UnixMillis::new(1_649_367_553_000);
    const BODY: &[u8] = br#"{"email":"test@example.com","username":"test_user"}"#;
    const EXPECTED: &str = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";

    const OTHER: &str = "v1,R3PTzyfHASBKHH98a7yexTwaJ4yNIcGhFQc1yuN+BPU=";

    fn secret() -> SigningSecret {
        SigningSecret::parse(SECRET).unwrap()
    }

    fn headers(signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, MESSAGE.parse().unwrap());
        headers.insert(TIMESTAMP, "1649367553".parse().unwrap());
        headers.insert(SIGNATURE, signature.parse().unwrap());
        headers
    }

    fn verified(headers: &HeaderMap) -> Result<(), Unverified> {
        verify(&[secret()], headers, BODY, MADE)
    }

    #[test]
    fn a_signature_is_that_of_the_reference_implementations() {
        let signed = sign(&secret(), MESSAGE, MADE, BODY);
        let expected = [(ID, MESSAGE), (TIMESTAMP, "1649367553"), (SIGNATURE, EXPECTED)];
        assert_eq!(signed, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(verified(&headers(EXPECTED)), Ok(()));
    }

    #[test]
    fn one_of_several_signatures_has_to_be_right() {
        assert_eq!(verified(&headers(&format!("v2,x {OTHER} v1a,y {EXPECTED}"))), Ok(()));
        for wrong in [
            OTHER,
            "",
            "v1",
            "v1,",
            &EXPECTED[..8],
            &EXPECTED[3..],
            &EXPECTED.replace("v1,", "v2,"),
            &EXPECTED.replace("tZ1", "tZ2"),
            &format!("{OTHER},{EXPECTED}"),
        ] {
            assert_eq!(verified(&headers(wrong)), Err(Unverified::Signature), "{wrong}");
        }
    }

    #[test]
    fn one_of_several_secrets_has_to_be_right() {
        let other =
            || SigningSecret::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))).unwrap();
        let headers = headers(EXPECTED);
        let with = |secrets: &[SigningSecret]| verify(secrets, &headers, BODY, MADE);
        assert_eq!(with(&[other(), secret()]), Ok(()));
        assert_eq!(with(&[other()]), Err(Unverified::Signature));
        assert_eq!(with(&[]), Err(Unverified::Signature));
    }

    #[test]
    fn whatever_is_signed_can_not_be_changed() {
        let mut changed = headers(EXPECTED);
        changed.insert(ID, "msg_2".parse().unwrap());
        assert_eq!(verified(&changed), Err(Unverified::Signature));
        let mut changed = headers(EXPECTED);
        changed.insert(TIMESTAMP, "1649367554".parse().unwrap());
        assert_eq!(verified(&changed), Err(Unverified::Signature));
        let headers = headers(EXPECTED);
        assert_eq!(verify(&[secret()], &headers, b"{}", MADE), Err(Unverified::Signature));
    }

    #[test]
    fn five_minutes_are_tolerated_either_way() {
        let at = |seconds: i64| {
            let now = UnixMillis::new(MADE.as_millis() + seconds * 1_000);
            verify(&[secret()], &headers(EXPECTED), BODY, now)
        };
        assert_eq!([at(-300), at(0), at(300)], [Ok(()); 3]);
        assert_eq!([at(-301), at(301), at(-1_649_367_553)], [Err(Unverified::Time); 3]);
    }

    #[test]
    fn a_header_is_there_once_and_well_formed() {
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut missing = headers(EXPECTED);
            missing.remove(name);
            assert_eq!(verified(&missing), Err(Unverified::Headers), "{name}");
            let mut twice = headers(EXPECTED);
            let value = twice[name].clone();
            twice.append(name, value);
            assert_eq!(verified(&twice), Err(Unverified::Headers), "{name}");
        }
        for wrong in ["", "x", "+1649367553", "-1", "1649367553.0", "99999999999999999999"] {
            let mut headers = headers(EXPECTED);
            headers.insert(TIMESTAMP, wrong.parse().unwrap());
            assert_eq!(verified(&headers), Err(Unverified::Headers), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_not_shown() {
        let of = |length| format!("whsec_{}", STANDARD.encode(vec![1; length]));
        assert!(SigningSecret::parse(&of(24)).is_ok() && SigningSecret::parse(&of(64)).is_ok());
        let short = [of(23), of(65), of(0), String::new()];
        for bad in short.iter().map(String::as_str).chain([&SECRET[6..], "whsec_!", "whsec_"]) {
            assert_eq!(SigningSecret::parse(bad).unwrap_err(), SigningSecretError, "{bad}");
        }
        assert_eq!(format!("{:?}", secret()), "SigningSecret([REDACTED])");
    }
}
