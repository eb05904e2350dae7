use std::{error::Error, io, net::SocketAddr};

use flexsecure_server::{
    DirectoryError, ImportError, OpenError, PagesError, PublicUrlError, ServeError, SmtpConfigError,
};

/// Why a command failed, in words that say what to set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(
        "set --public-url (FLEXSECURE_PUBLIC_URL) to the address under which users reach this server, like https://auth.example.com"
    )]
    NoPublicUrl,
    #[error("--public-url (FLEXSECURE_PUBLIC_URL) can't be used")]
    PublicUrl(#[source] PublicUrlError),
    #[error(
        "set --smtp-url and --mail-from (FLEXSECURE_SMTP_URL, FLEXSECURE_MAIL_FROM) to send messages, or --inbox (FLEXSECURE_INBOX) to show them to everybody"
    )]
    NoDelivery,
    #[error("set --mail-from (FLEXSECURE_MAIL_FROM) to the sender's address, as --smtp-url is set")]
    NoSender,
    #[error("--smtp-url or --mail-from (FLEXSECURE_SMTP_URL, FLEXSECURE_MAIL_FROM) can't be used")]
    Smtp(#[source] SmtpConfigError),
    #[error("--listen (FLEXSECURE_LISTEN) {address} can't be listened on")]
    Listen { address: SocketAddr, source: io::Error },
    #[error(
        "say which policies to switch: --pin on|off, --passwordless on|off or --requires-txn on|off"
    )]
    NoPolicy,
    #[error(
        "say what to set: --sms-country PREFIX or --no-sms, --sms-daily-budget NUMBER, or both"
    )]
    NoLimit,
    #[error("say what the file is: --format csv or --format jsonl")]
    ImportFormat,
    #[error(
        "{refused} lines are refused and nothing is written: correct them, or give --skip-refused"
    )]
    ImportRefused { refused: u64 },
    #[error("the import has not ended")]
    Import(#[from] ImportError),
    #[error(
        "set --database (FLEXSECURE_DATABASE) to a file or a PostgreSQL database that can be used"
    )]
    Open(#[source] OpenError),
    #[error("set --pages (FLEXSECURE_PAGES) to a folder that can be used")]
    Pages(#[source] PagesError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("nothing can be printed")]
    Output(#[source] io::Error),
    #[error("no signal handler can be set up")]
    Signal(#[source] io::Error),
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        if let OpenError::Pages(error) = error {
            return Self::Pages(error);
        }
        Self::Open(error)
    }
}

impl CliError {
    /// The error and what caused it, on one line.
    pub(crate) fn sentence(&self) -> String {
        let mut sentence = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            sentence.push_str(": ");
            sentence.push_str(&error.to_string());
            source = error.source();
        }
        sentence
    }
}
