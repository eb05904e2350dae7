use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;

use crate::secret::{RandomnessError, random_bytes};

/// One key, from which everything secret is derived.
pub(crate) struct ServerKey {
    id: String,
    key: SecretBox<Vec<u8>>,
    created: Option<Timestamp>,
}

impl ServerKey {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// HMAC-SHA-256 over the purpose and `data`: what is made for one purpose says nothing about another.
    pub(crate) fn mac(&self, purpose: Purpose, data: &[&[u8]]) -> [u8; 32] {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.key.expose_secret()).expect("any length is valid");
        mac.update(purpose.label());
        for part in data {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    pub(super) fn created(&self) -> Option<Timestamp> {
        self.created
    }

    /// A line of the file: `ID KEY` or `ID KEY MOMENT`.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (id, key, created) = (words.next()?, words.next()?, words.next());
        if words.next().is_some() {
            return None;
        }
        let key = SecretBox::new(Box::new(URL_SAFE_NO_PAD.decode(key).ok()?));
        let created = match created {
            Some(moment) => Some(moment.parse().ok()?),
            None => None,
        };
        (key.expose_secret().len() >= 32).then(|| Self { id: id.to_owned(), key, created })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(id: &str, byte: u8) -> Self {
        Self { id: id.to_owned(), key: SecretBox::new(Box::new(vec![byte; 32])), created: None }
    }
}

/// The id and the line of a new key, with the end of the line.
pub(super) fn mint(now: Timestamp) -> Result<(String, SecretString), RandomnessError> {
    let id = URL_SAFE_NO_PAD.encode(random_bytes::<6>()?);
    let key = SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
    let moment = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let line = SecretString::from(format!("{id} {} {moment}\n", key.expose_secret()));
    Ok((id, line))
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a MAC is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    ApiKey,
    Link,
    Pin,
    PinComparison,
    MessageReference,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::ApiKey => b"flexsecure api key v1\0",
            Self::Link => b"flexsecure link v1\0",
            Self::Pin => b"flexsecure pin v1\0",
            Self::PinComparison => b"flexsecure pin comparison v1\0",
            Self::MessageReference => b"flexsecure message reference v1\0",
        }
    }
}
