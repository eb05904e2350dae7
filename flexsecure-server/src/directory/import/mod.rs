//! Users by the file: each line is what putting one user says.
//!
//! | file | role |
//! | --- | --- |
//! | `table`, `json_lines` | what a line says |
//! | `run` | in which order lines are looked at and written |
//! | `report` | what became of them |

mod json_lines;
mod report;
mod run;
mod table;
#[cfg(test)]
mod tests;

use std::{io, str::FromStr};

use serde::Serialize;
use utoipa::ToSchema;

pub use self::report::csv_report;
use super::{Change, DirectoryError, NewUser};

/// How users are written down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ImportFormat {
    /// RFC 4180, UTF-8, with a first line that names the columns.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

impl FromStr for ImportFormat {
    type Err = UnknownFormat;

    /// From the end of a file's name: `csv`, `jsonl` or `ndjson`.
    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" | "ndjson" => Ok(Self::JsonLines),
            _ => Err(UnknownFormat),
        }
    }
}

/// It is neither `csv` nor `jsonl` nor `ndjson`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the format is neither csv nor jsonl nor ndjson")]
#[non_exhaustive]
pub struct UnknownFormat;

/// What to do with the lines.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Import {
    /// Writes nothing, and reports what would become of each line.
    pub dry_run: bool,
    /// Writes the lines that can be. Without, nothing is written if any line is refused.
    pub skip_refused: bool,
    /// No longer ones than so many lines: 1,000,000 unless it is less.
    pub(crate) most_lines: Option<u64>,
}

impl Import {
    /// See the fields.
    #[must_use]
    pub const fn new(dry_run: bool, skip_refused: bool) -> Self {
        Self { dry_run, skip_refused, most_lines: None }
    }
}

/// What became of all lines.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Imported {
    /// Whether anything may have been written. False for a dry run, and if a line was refused that was not to be
    /// skipped: the numbers then say what would have become of the lines.
    pub written: bool,
    /// How many users there were not.
    pub created: u64,
    /// How many users are others now.
    pub updated: u64,
    /// How many users were like that already.
    pub unchanged: u64,
    /// How many lines were refused.
    pub refused: u64,
}

impl Imported {
    fn count(&mut self, outcome: LineOutcome) {
        let counter = match outcome {
            LineOutcome::Created => &mut self.created,
            LineOutcome::Updated => &mut self.updated,
            LineOutcome::Unchanged => &mut self.unchanged,
            LineOutcome::Refused => &mut self.refused,
        };
        *counter = counter.saturating_add(1);
    }
}

/// What became of one line.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct ImportedLine {
    /// Its number in the file, from 1 on; of several lines, in CSV, the first.
    pub line: u64,
    /// The `authid` it is about, as far as it can be read.
    #[serde(rename = "authid", skip_serializing_if = "Option::is_none")]
    pub auth_id: Option<String>,
    /// What became of it.
    pub outcome: LineOutcome,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of one line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LineOutcome {
    /// There was no such user.
    Created,
    /// The user is another one now.
    Updated,
    /// The user was like that already: nothing was written.
    Unchanged,
    /// It can't be.
    Refused,
}

impl LineOutcome {
    /// `created`, `updated`, `unchanged` or `refused`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl From<Change> for LineOutcome {
    fn from(change: Change) -> Self {
        match change {
            Change::Created => Self::Created,
            Change::Updated => Self::Updated,
            Change::Unchanged => Self::Unchanged,
        }
    }
}

/// Why an import ended before its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It can't be read, or is not there.
    #[error("the file can't be read")]
    Read(#[source] io::Error),
    /// The first line has to name them.
    #[error(
        "the first line has no column `{column}`: it names the columns, of which {KNOWN} are known"
    )]
    MissingColumn {
        /// Which one.
        column: &'static str,
    },
    /// It is misspelled, or twice there.
    #[error(
        "the first line names a column that is unknown or there twice, the {position}th: {KNOWN} are known"
    )]
    BadColumn {
        /// Its place, from 1 on.
        position: usize,
    },
    /// A quotation mark that opens a cell and none that closes it can be a reason.
    #[error("line {line} is longer than 256 KiB: a closing quotation mark may be missing")]
    LineTooLong {
        /// Its number, from 1 on.
        line: u64,
    },
    /// Split the file.
    #[error("there are more than {most} lines: split the file")]
    TooManyLines {
        /// How many there may be.
        most: u64,
    },
    /// The report can't be written.
    #[error("the report can't be written")]
    Report(#[source] io::Error),
    /// The database failed. Lines that were reported as written before are; the file can be imported again.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// What one line says.
#[derive(Debug)]
struct Line {
    number: u64,
    auth_id: Option<String>,
    /// Or why it can't be.
    user: Result<NewUser, String>,
}

/// What gives lines, one after the other.
trait Lines: Send {
    fn next_line(&mut self) -> Result<Option<Line>, ImportError>;
}

const KNOWN: &str = "authid, email, sms, locale, disabled and assignments";

/// A longer line is none.
const LONGEST_LINE: usize = 256 * 1024;
