use std::{io, path::PathBuf};

use super::source::Source;

/// What is wrong with the configuration, in words that say where, and never repeat a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    #[error("the configuration file {path} can't be read")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path}:{line}: {reason}")]
    File { path: PathBuf, line: usize, reason: String },
    #[error(
        "the environment has {name}, which is no setting of this server: correct or unset it (`flexsecure-server serve --help` lists them)"
    )]
    UnknownVariable { name: String },
    #[error("the environment's {name} is not valid text")]
    NotText { name: String },
    #[error("`{key}` ({source_of}) can't be used: {reason}")]
    Value { key: &'static str, source_of: Source, reason: String },
    #[error("`{key}` and `{key}_file` are both set ({one} and {other}): keep one of them")]
    Both { key: &'static str, one: Source, other: Source },
    #[error("`{key}_file` ({source_of}): the file {path} can't be read")]
    SecretFile { key: &'static str, source_of: Source, path: PathBuf, source: io::Error },
    #[error("`{key}_file` ({source_of}): the file {path} is empty")]
    EmptySecret { key: &'static str, source_of: Source, path: PathBuf },
    #[error(
        "set --public-url (FLEXSECURE_PUBLIC_URL, `public_url` in the file) to the address under which users reach this server, like https://auth.example.com"
    )]
    NoPublicUrl,
    #[error("`tls` needs both `certificate` and `key`, and `{missing}` is not set")]
    HalfTls { missing: &'static str },
    #[error(
        "set --mail-from (FLEXSECURE_MAIL_FROM, `from` of the [[mail]] entry) to the sender's address, as there is a mail relay ({source_of})"
    )]
    NoSender { source_of: Source },
    #[error("there is a second provider called `{name}` ({source_of}): give it another `name`")]
    SameName { name: String, source_of: Source },
    #[error(
        "set --smtp-url (FLEXSECURE_SMTP_URL, `url` of the [[mail]] entry) to the mail relay, as there is a sender or a password for one"
    )]
    NoRelay,
    #[error(
        "set --smtp-url and --mail-from (FLEXSECURE_SMTP_URL, FLEXSECURE_MAIL_FROM, [[mail]] or [[sms]] in the file) to send messages, or --inbox (FLEXSECURE_INBOX) to show them to everybody"
    )]
    NoDelivery,
}
