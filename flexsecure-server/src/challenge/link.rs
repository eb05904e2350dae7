use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::secret::{Purpose, ServerKey};

/// What makes a link unguessable: 256 bits, URL-safe.
///
/// Derived like the PIN, so that a message sent again carries the same link. The database holds its SHA-256 only.
pub(crate) struct LinkToken(SecretString);

impl LinkToken {
    pub(crate) fn derive(key: &ServerKey, nonce: &[u8]) -> Self {
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(key.mac(Purpose::Link, &[nonce]))))
    }

    /// Whatever came in the path of a request.
    pub(crate) fn submitted(text: String) -> Self {
        Self(SecretString::from(text))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.expose()).into()
    }
}

impl fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkToken([REDACTED])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T28
    #[test]
    fn it_is_256_bits_that_fit_in_a_path() {
        let key = ServerKey::for_tests("k", 1);
        let token = LinkToken::derive(&key, b"nonce");
        assert_eq!(token.expose().len(), 43);
        assert!(token.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_ne!(token.expose(), LinkToken::derive(&key, b"other").expose());
        assert_eq!(token.hash(), LinkToken::submitted(token.expose().to_owned()).hash());
        assert!(!format!("{token:?}").contains(token.expose()));
    }
}
