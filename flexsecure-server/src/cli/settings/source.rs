use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a value came from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    Default,
    File { path: PathBuf, line: usize },
    Environment(String),
    Flag(&'static str),
}

impl Source {
    /// The folder that a relative path is relative to, if not the current one.
    pub(super) fn folder(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => path.parent(),
            Self::Default | Self::Environment(_) | Self::Flag(_) => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value, and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Sourced<T> {
    pub(crate) value: T,
    pub(crate) source: Source,
}

impl<T> Sourced<T> {
    pub(super) fn default(value: T) -> Self {
        Self { value, source: Source::Default }
    }

    pub(super) fn try_map<U, E>(
        self,
        map: impl FnOnce(T, &Source) -> Result<U, E>,
    ) -> Result<Sourced<U>, E> {
        Ok(Sourced { value: map(self.value, &self.source)?, source: self.source })
    }
}
