use std::{
    fmt,
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use tempfile::NamedTempFile;

use super::{RandomnessError, random_bytes};

/// The keys of the server, oldest first; the last one is used for what is made now.
///
/// They live in a file of their own (`ID KEY` a line) so that a copy of the database alone yields neither PIN nor link
/// nor API key. An older key is kept for what was made with it: rotation is appending a line.
pub(crate) struct ServerKeys {
    older: Vec<ServerKey>,
    current: ServerKey,
}

impl ServerKeys {
    /// Reads the key file, or makes one where there is none and `may_create` is set.
    pub(crate) fn open(path: &Path, may_create: bool) -> Result<Self, ServerKeysError> {
        match Self::read(path) {
            Err(ServerKeysError::Missing { .. }) if may_create => {
                Self::create(path)?;
                Self::read(path)
            }
            result => result,
        }
    }

    pub(crate) fn current(&self) -> &ServerKey {
        &self.current
    }

    pub(crate) fn find(&self, id: &str) -> Option<&ServerKey> {
        std::iter::once(&self.current).chain(&self.older).find(|key| key.id == id)
    }

    fn read(path: &Path) -> Result<Self, ServerKeysError> {
        let io_error = |source| ServerKeysError::Io { path: path.to_owned(), source };
        let mut text = String::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_string(&mut text).map_err(io_error)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ServerKeysError::Missing { path: path.to_owned() });
            }
            Err(error) => return Err(io_error(error)),
        };
        let text = SecretString::from(text);
        let malformed = || ServerKeysError::Malformed { path: path.to_owned() };
        let mut older = text
            .expose_secret()
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| ServerKey::parse(line).ok_or_else(malformed))
            .collect::<Result<Vec<_>, _>>()?;
        let current = older.pop().ok_or_else(malformed)?;
        Ok(Self { older, current })
    }

    /// Whole or not at all, readable by its owner only; of two processes that create it, the first one wins.
    fn create(path: &Path) -> Result<(), ServerKeysError> {
        let io_error = |source| ServerKeysError::Io { path: path.to_owned(), source };
        let id = URL_SAFE_NO_PAD.encode(random_bytes::<6>()?);
        let key = SecretString::from(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?));
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => Path::new("."),
        };
        let mut file = NamedTempFile::new_in(folder).map_err(io_error)?;
        writeln!(file, "{id} {}", key.expose_secret()).map_err(io_error)?;
        file.as_file().sync_all().map_err(io_error)?;
        match file.persist_noclobber(path) {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(io_error(error.error)),
        }
    }
}

#[cfg(test)]
impl ServerKeys {
    pub(crate) fn for_tests() -> Self {
        Self { older: Vec::new(), current: ServerKey::for_tests("k", 1) }
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeys").field("current", &self.current).finish_non_exhaustive()
    }
}

/// One key, from which everything secret is derived.
pub(crate) struct ServerKey {
    id: String,
    key: SecretBox<Vec<u8>>,
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

    fn parse(line: &str) -> Option<Self> {
        let (id, key) = line.trim().split_once(' ')?;
        let key = URL_SAFE_NO_PAD.decode(key.trim()).ok()?;
        (key.len() >= 32).then(|| Self { id: id.to_owned(), key: SecretBox::new(Box::new(key)) })
    }

    #[cfg(test)]
    pub(crate) fn for_tests(id: &str, byte: u8) -> Self {
        Self { id: id.to_owned(), key: SecretBox::new(Box::new(vec![byte; 32])) }
    }
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

/// Why the file with the server keys can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerKeysError {
    /// The database already holds API keys, so a new file would make all of them invalid: restore it from a backup.
    #[error("the key file {path} is missing, but the database was made with one: restore it")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It was edited, or it is another file.
    #[error(
        "the key file {path} is malformed: each line must be an id and a base64 key of 32 bytes"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// It can't be read, or its folder not be written; most often a matter of permissions.
    #[error("the key file {path} can't be opened or created")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There was nothing to make a key of.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_created_file_is_read_again_and_an_appended_line_becomes_current() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let first = ServerKeys::open(&path, true).unwrap();
        let old = first.current().id().to_owned();
        let mac = first.current().mac(Purpose::Pin, &[b"n"]);

        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(&format!("next {}\n", URL_SAFE_NO_PAD.encode([7; 32])));
        std::fs::write(&path, text).unwrap();

        let rotated = ServerKeys::open(&path, false).unwrap();
        assert_eq!(rotated.current().id(), "next");
        assert_eq!(rotated.find(&old).unwrap().mac(Purpose::Pin, &[b"n"]), mac);
    }

    #[test]
    fn a_missing_or_malformed_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        assert!(matches!(ServerKeys::open(&path, false), Err(ServerKeysError::Missing { .. })));
        for text in ["", "id", "id short", "id !!!!"] {
            std::fs::write(&path, text).unwrap();
            let opened = ServerKeys::open(&path, true);
            assert!(matches!(opened, Err(ServerKeysError::Malformed { .. })), "{text:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_reads_the_file() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        ServerKeys::open(&path, true).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn purposes_parts_and_keys_are_kept_apart() {
        let key = ServerKey::for_tests("a", 1);
        let macs = [
            key.mac(Purpose::Pin, &[b"ab", b"c"]),
            key.mac(Purpose::Pin, &[b"a", b"bc"]),
            key.mac(Purpose::Link, &[b"ab", b"c"]),
            ServerKey::for_tests("a", 2).mac(Purpose::Pin, &[b"ab", b"c"]),
        ];
        for (i, left) in macs.iter().enumerate() {
            assert!(macs.iter().skip(i + 1).all(|right| left != right));
        }
    }

    #[test]
    fn debug_tells_no_key() {
        let key = ServerKey::for_tests("a", 0x41);
        assert!(!format!("{key:?}").contains("65"));
    }
}
