use std::io;

/// Why there is no server, or no answer from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No `postgres` and `initdb` in any of the places that were looked at.
    #[error(
        "PostgreSQL is missing: install the Debian package `postgresql`, or put the folder of \
         `initdb` and `postgres` into PATH"
    )]
    NotInstalled,
    /// Root may not run PostgreSQL, and there is nobody to run it as.
    #[error("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")]
    NoAccount,
    /// A program of PostgreSQL ended with a failure; this is what it said.
    #[error("{program}: {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it wrote to its standard error.
        said: String,
    },
    /// The server ended before it took connections; usually its log says why.
    #[error("the PostgreSQL server did not start:\n{log}")]
    NotStarted {
        /// What it logged.
        log: String,
    },
    /// A name of a database that would need quoting.
    #[error(
        "{name:?} is no name for a database: use 1 to 63 small letters, digits and underscores, \
         with a letter first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The shell beside the server was killed, and with it what could stop or start the server.
    #[error("the shell that watches over the PostgreSQL server is gone")]
    Shell,
    /// The operating system refused something, such as a full disk.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// What it said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
