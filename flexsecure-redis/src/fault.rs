use flexsecure_core::store::StoreError;
use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why the server did not do what it was asked. It says nothing of keys, records or credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It may or may not have happened.
    #[error("no answer within the time limit")]
    TimedOut,
    /// It may or may not have happened.
    #[error("no connection to the server: {0}")]
    Disconnected(std::io::ErrorKind),
    /// It did not happen.
    #[error("the server refuses, saying {code}")]
    Refused { code: String },
    /// It was not even tried.
    #[error("not asked, because there was no answer lately")]
    Resting,
    /// Somebody else's data is in the place of ours, or this is another kind of server.
    #[error("the answer is none to the question")]
    Unexpected,
    /// The operating system gave none.
    #[error("no randomness")]
    NoRandomness,
}

impl Fault {
    /// Whether another try may do better, and tells what came of the first.
    pub(crate) const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::TimedOut | Self::Disconnected(_))
    }

    pub(crate) fn is(&self, refusal: &str) -> bool {
        matches!(self, Self::Refused { code } if code == refusal)
    }

    /// Whether it tells of a server that cannot serve just now.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::TimedOut | Self::Disconnected(_) => true,
            Self::Refused { code } => code != "OOM" && code != "WRONGTYPE" && code != "NOSCRIPT",
            Self::Resting | Self::Unexpected | Self::NoRandomness => false,
        }
    }

    /// What the operator has to do about it, if that is known.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let Self::Refused { code } = self else { return None };
        match code.as_str() {
            "NOPERM" => Some("grant the user what the README of flexsecure-redis lists"),
            "WRONGPASS" | "NOAUTH" => {
                Some("set the user and password of the URL to those of the server")
            }
            "NOPROTO" => Some("turn local copies off for a server that does not speak RESP3"),
            "READONLY" => Some("name the primary in the URL, not a replica"),
            _ => None,
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::TimedOut;
        }
        let refused = |code: &str| Self::Refused { code: code.to_owned() };
        let kind = error.kind();
        if kind == ErrorKind::AuthenticationFailed {
            refused("WRONGPASS")
        } else if kind == ErrorKind::RESP3NotSupported {
            refused("NOPROTO")
        } else if kind == ErrorKind::Server(ServerErrorKind::ResponseError) {
            Self::of_text(&error)
        } else if let Some(code) = error.code() {
            Self::Refused { code: word(code) }
        } else if kind == ErrorKind::Parse || kind == ErrorKind::UnexpectedReturnType {
            Self::Unexpected
        } else {
            Self::Disconnected(io_kind(&error))
        }
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        if fault.is("OOM") { Self::Full } else { Self::Unavailable(Box::new(fault)) }
    }
}

impl Fault {
    /// Some servers put the code of what went wrong in a script into the text.
    fn of_text(error: &RedisError) -> Self {
        let text = error.detail().unwrap_or_default();
        let code = ["NOPERM", "WRONGTYPE", "OOM", "READONLY"].into_iter();
        let mut code = code.filter(|code| text.contains(code));
        let is_acl = || text.contains("The user executing the script").then_some("NOPERM");
        Self::Refused { code: code.next().or_else(is_acl).unwrap_or("ERR").to_owned() }
    }
}

fn io_kind(error: &RedisError) -> std::io::ErrorKind {
    let source = std::error::Error::source(error);
    let source = source.and_then(|source| source.downcast_ref::<std::io::Error>());
    source.map_or(std::io::ErrorKind::NotConnected, std::io::Error::kind)
}

/// What the server sends is not trusted to be a word.
fn word(code: &str) -> String {
    code.chars().filter(char::is_ascii_uppercase).take(32).collect()
}
