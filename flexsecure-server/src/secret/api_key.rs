use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Purpose, RandomnessError, ServerKey, is_same, random_bytes};

/// An API key, shown this once: the server keeps only a MAC of it.
#[derive(Clone)]
pub struct ApiKeySecret(SecretString);

impl ApiKeySecret {
    /// The value of the `apikey` header.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for ApiKeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKeySecret([REDACTED])")
    }
}

/// A new key: `fsk_`, ten characters to find it by, 256 random bits, and a checksum that tells a mistyped or cut key
/// from a wrong one without asking anybody.
pub(crate) fn mint() -> Result<ApiKeySecret, RandomnessError> {
    let prefix = hex(&random_bytes::<5>()?);
    let secret = URL_SAFE_NO_PAD.encode(random_bytes::<32>()?);
    let body = format!("{MARK}{prefix}_{secret}");
    Ok(ApiKeySecret(SecretString::from(format!("{body}{}", checksum(&body)))))
}

/// A key as it came, known to be well-formed and not yet known to be right.
#[derive(Clone, Copy)]
pub(crate) struct ApiKeyParts<'a> {
    pub(crate) prefix: &'a str,
    whole: &'a str,
}

impl<'a> ApiKeyParts<'a> {
    pub(crate) fn parse(whole: &'a str) -> Option<Self> {
        let (body, sum) = whole.split_at_checked(whole.len().checked_sub(CHECKSUM_LENGTH)?)?;
        let (prefix, _) = body.strip_prefix(MARK)?.split_once('_')?;
        (checksum(body) == sum).then_some(Self { prefix, whole })
    }

    pub(crate) fn mac(&self, key: &ServerKey) -> [u8; 32] {
        key.mac(Purpose::ApiKey, &[self.whole.as_bytes()])
    }

    pub(crate) fn matches(&self, key: &ServerKey, mac: &[u8]) -> bool {
        is_same(&self.mac(key), mac)
    }
}

fn checksum(body: &str) -> String {
    hex(Sha256::digest(body).get(..CHECKSUM_LENGTH / 2).unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const MARK: &str = "fsk_";
const CHECKSUM_LENGTH: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_key_is_well_formed_and_matches_only_itself() {
        let server = ServerKey::for_tests("k", 1);
        let (one, other) = (mint().unwrap(), mint().unwrap());
        let one = ApiKeyParts::parse(one.expose()).unwrap();
        let other = ApiKeyParts::parse(other.expose()).unwrap();
        assert_eq!(one.prefix.len(), 10);
        assert!(one.matches(&server, &one.mac(&server)));
        assert!(!other.matches(&server, &one.mac(&server)));
        assert!(!one.matches(&ServerKey::for_tests("k", 2), &one.mac(&server)));
    }

    #[test]
    fn a_changed_character_is_noticed_without_a_look_up() {
        let key = mint().unwrap();
        for at in 0..key.expose().len() {
            let mut wrong = key.expose().as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'x' { b'y' } else { b'x' };
            assert!(ApiKeyParts::parse(std::str::from_utf8(&wrong).unwrap()).is_none());
        }
        for wrong in ["", "fsk_", "fsk_é", "éééééé", "fsk__"] {
            assert!(ApiKeyParts::parse(wrong).is_none());
        }
    }

    #[test]
    fn debug_tells_nothing() {
        assert_eq!(format!("{:?}", mint().unwrap()), "ApiKeySecret([REDACTED])");
    }
}
