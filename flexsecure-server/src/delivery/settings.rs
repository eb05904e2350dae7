use std::{
    fs::File,
    io::{self, Read},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use url::{Host, Url};

/// A file that settings of a provider name can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsFileError {
    /// It is missing, too long, no text, or may not be read.
    #[error("{} can't be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There is nothing in it.
    #[error("{} is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Which of the two counts is not known.
    #[error("{name} and {name}_file can't both be set")]
    Both {
        /// The setting.
        name: &'static str,
    },
}

/// A secret from the configuration, or from the file that it names instead.
pub(super) fn secret(
    name: &'static str,
    value: Option<SecretString>,
    file: Option<&Path>,
) -> Result<Option<SecretString>, SettingsFileError> {
    match (value, file) {
        (Some(_), Some(_)) => Err(SettingsFileError::Both { name }),
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => secret_file(path).map(Some),
        (None, None) => Ok(None),
    }
}

/// The only line of a file: what an editor puts after it is no part of it.
pub(super) fn secret_file(path: &Path) -> Result<SecretString, SettingsFileError> {
    let mut text = read(path)?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() {
        return Err(SettingsFileError::Empty { path: path.to_owned() });
    }
    Ok(SecretString::from(text))
}

/// Certificates in PEM.
pub(super) fn certificate_file(path: &Path) -> Result<String, SettingsFileError> {
    read(path)
}

fn read(path: &Path) -> Result<String, SettingsFileError> {
    let unreadable = |source| SettingsFileError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    let mut text = String::new();
    let read = file.take(LARGEST).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read < LARGEST) {
        Ok(text)
    } else {
        Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large")))
    }
}

/// Whether a URL stays on this machine. Only there may it do without TLS.
pub(super) fn is_loopback(url: &Url) -> bool {
    // The host of a non-special scheme stays a text: an address has to be parsed out of it.
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

/// In bytes. A company's bundle of certificates is below it.
const LARGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn only_loopback_may_do_without_tls() {
        let loopback = |url| is_loopback(&Url::parse(url).unwrap());
        for url in [
            "smtp://127.0.0.1:25",
            "smtp://localhost",
            "smtp://[::1]:2525",
            "smtp://127.9.9.9",
            "http://localhost:80",
            "http://127.0.0.1",
        ] {
            assert!(loopback(url), "{url}");
        }
        for url in [
            "smtp://mail.example.com",
            "smtp://localhost.example.com",
            "smtp://10.0.0.1",
            "smtp://127.0.0.1.example.com",
            "http://0.0.0.0",
            "http://169.254.169.254",
        ] {
            assert!(!loopback(url), "{url}");
        }
    }

    #[test]
    fn a_secret_comes_from_one_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, " se cret \r\n").unwrap();
        let read = secret("password", None, Some(&path)).unwrap().unwrap();
        assert_eq!(read.expose_secret(), " se cret ");
        assert!(secret("password", None, None).unwrap().is_none());
        let both = secret("password", Some("x".into()), Some(&path)).unwrap_err().to_string();
        assert_eq!(both, "password and password_file can't both be set");
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(secret_file(&path), Err(SettingsFileError::Empty { .. })));
        std::fs::write(&path, vec![b'x'; 1024 * 1024]).unwrap();
        assert!(matches!(secret_file(&path), Err(SettingsFileError::Unreadable { .. })));
        let missing = folder.path().join("nothing");
        assert!(matches!(secret_file(&missing), Err(SettingsFileError::Unreadable { .. })));
    }
}
