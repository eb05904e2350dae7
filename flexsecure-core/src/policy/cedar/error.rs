use std::fmt;
use std::io;
use std::path::PathBuf;

/// Rules can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CedarError {
    /// The file can't be read: it is not there, or not ours to read.
    #[error("{} can't be read", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The rules don't parse, don't fit the schema, or have an annotation that says nothing.
    #[error(transparent)]
    Refused(#[from] RefusedRules),
    /// The app itself names a route, a system or an attribute that can't be one.
    #[error("{name:?} can't be {role}")]
    Vocabulary {
        /// What it names.
        name: String,
        /// What it names it as.
        role: &'static str,
    },
    /// The rules came as text, so there is no file to read again.
    #[error("these rules are not from a file")]
    NotFromAFile,
    /// Only inside a Tokio runtime a file can be watched.
    #[error("a file is watched inside a Tokio runtime, and there is none")]
    NoRuntime,
}

/// Rules that were refused, with all that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RefusedRules {
    /// Where the rules are from.
    pub(super) origin: String,
    pub(super) faults: Vec<Fault>,
}

impl RefusedRules {
    /// What is wrong, in the order in which it stands there.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

/// `FILE:LINE:COLUMN: MESSAGE`, a line for each fault.
impl fmt::Display for RefusedRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.faults.iter().enumerate() {
            let separator = if number > 0 { "\n" } else { "" };
            write!(f, "{separator}{}:{fault}", self.origin)?;
        }
        Ok(())
    }
}

/// Something that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Fault {
    /// At the byte numbered `offset` of `text`.
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline.saturating_add(1));
        let in_line = before.get(line_start..).unwrap_or_default();
        Self {
            line: before.matches('\n').count().saturating_add(1),
            column: in_line.chars().count().saturating_add(1),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}
