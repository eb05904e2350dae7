use std::{error::Error, io, net::SocketAddr};

use flexsecure_server::{
    DirectoryError, ImportError, MetricsError, OpenError, PagesError, ServeError, ServerKeysError,
    TlsError, TransferError,
};

use super::settings::SettingsError;

/// Why a command failed, in words that say what to set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
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
    #[error(
        "set --tls-certificate and --tls-key (`certificate` and `key` below [tls] in the file) to files that can be used"
    )]
    Tls(#[source] TlsError),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    ServerKeys(#[from] ServerKeysError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("{count} of these would keep the server from working")]
    Unwell { count: usize },
    #[error("stopped at once, by a second signal")]
    Interrupted,
    #[error("nothing can be printed")]
    Output(#[source] io::Error),
    #[error("no signal handler can be set up")]
    Signal(#[source] io::Error),
}

impl From<OpenError> for CliError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Pages(error) => Self::Pages(error),
            OpenError::Keys(error) => Self::ServerKeys(error),
            OpenError::Tls(error) => Self::Tls(error),
            error @ (OpenError::NoDelivery
            | OpenError::Database { .. }
            | OpenError::TemporaryFolder(_)
            | _) => Self::Open(error),
        }
    }
}

impl CliError {
    /// The error and what caused it, on one line.
    pub(crate) fn sentence(&self) -> String {
        sentence(self)
    }
}

/// The error and what caused it, on one line.
pub(super) fn sentence(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        sentence.push_str(": ");
        sentence.push_str(&error.to_string());
        source = error.source();
    }
    sentence
}
