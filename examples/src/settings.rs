//! What the environment says; each wrong value is answered with one sentence that says what to set.

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use flexsecure_core::Method;

/// How one node is run.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// `BANK_ADDR`: where the bank listens.
    pub address: SocketAddr,
    /// Who authenticates its users.
    pub authority: AuthoritySetting,
    /// `BANK_SECRET`: what session cookies are signed with.
    pub secret: Option<String>,
    /// `REDIS_URL`: where all nodes keep flows and elevations; in the memory of this one if it is
    /// not set.
    pub redis: Option<String>,
    /// `STEP_UP_DEFAULT_METHOD`: what to expect of an authority that tells nobody's method.
    pub default_method: Method,
    /// `STEP_UP_PAGES`: a folder with what is to be different about the step-up page.
    pub pages: Option<String>,
}

/// Who authenticates the bank's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it is in this process or it is not")]
pub enum AuthoritySetting {
    /// One in this process, listening at `AUTHORITY_ADDR`.
    Embedded(SocketAddr),
    /// The one that `FLEXSECURE_URL` and `FLEXSECURE_API_KEY` name.
    Remote,
}

/// A variable of the environment that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// It is not a socket address.
    #[error("set {name} to an IP address and a port, such as {example}; {value:?} is none")]
    Address {
        /// The variable.
        name: &'static str,
        /// A value that makes sense.
        example: SocketAddr,
        /// Its value.
        value: String,
    },
    /// The inbox of the embedded authority would be open to other machines.
    #[error(
        "set AUTHORITY_ADDR to a loopback address such as 127.0.0.1:4000: the embedded authority shows its messages to everybody who reaches it"
    )]
    ExposedAuthority,
    /// It is neither of the two methods.
    #[error("set STEP_UP_DEFAULT_METHOD to `passwordless` or `pin`; {value:?} is neither")]
    Method {
        /// Its value.
        value: String,
    },
    /// It is not UTF-8.
    #[error("set {name} to UTF-8 text, or not at all")]
    NotText {
        /// The variable.
        name: &'static str,
    },
}

impl Settings {
    /// What the environment of this process says.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::read(std::env::var_os)
    }

    /// The same of any environment; a variable that is empty counts as unset.
    fn read(variable: impl Fn(&'static str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let text = |name| match variable(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
            Some(Err(_)) => Err(SettingsError::NotText { name }),
        };
        let address = |name, port| {
            let example = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            text(name)?.map_or(Ok(example), |value| {
                value.parse().map_err(|_| SettingsError::Address { name, example, value })
            })
        };
        let is_remote = text("FLEXSECURE_URL")?.is_some() || text("FLEXSECURE_API_KEY")?.is_some();
        let authority = if is_remote {
            AuthoritySetting::Remote
        } else {
            let address = address("AUTHORITY_ADDR", 4000)?;
            if !address.ip().is_loopback() {
                return Err(SettingsError::ExposedAuthority);
            }
            AuthoritySetting::Embedded(address)
        };
        let default_method = match text("STEP_UP_DEFAULT_METHOD")?.as_deref() {
            None | Some("passwordless") => Method::Passwordless,
            Some("pin") => Method::Pin,
            Some(value) => return Err(SettingsError::Method { value: value.to_owned() }),
        };
        Ok(Self {
            address: address("BANK_ADDR", 3000)?,
            authority,
            secret: text("BANK_SECRET")?,
            redis: text("REDIS_URL")?,
            default_method,
            pages: text("STEP_UP_PAGES")?,
        })
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address)
            .field("authority", &self.authority)
            .field("default_method", &self.default_method)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn nothing_has_to_be_set() {
        let settings = read(&[("REDIS_URL", "")]).unwrap();
        assert_eq!(settings.address.to_string(), "127.0.0.1:3000");
        let authority = AuthoritySetting::Embedded("127.0.0.1:4000".parse().unwrap());
        assert_eq!((settings.authority, settings.secret), (authority, None));
        assert_eq!((settings.default_method, settings.pages), (Method::Passwordless, None));
    }

    #[test]
    fn another_authority_replaces_the_embedded_one() {
        for name in ["FLEXSECURE_URL", "FLEXSECURE_API_KEY"] {
            assert_eq!(read(&[(name, "x")]).unwrap().authority, AuthoritySetting::Remote);
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_in_one_sentence_that_names_the_variable() {
        for (name, value) in [
            ("BANK_ADDR", "localhost"),
            ("AUTHORITY_ADDR", "4000"),
            ("AUTHORITY_ADDR", "0.0.0.0:4000"),
            ("STEP_UP_DEFAULT_METHOD", "sms"),
        ] {
            let sentence = read(&[(name, value)]).unwrap_err().to_string();
            assert!(sentence.contains(name) && !sentence.contains('\n'), "{sentence}");
        }
    }
}
