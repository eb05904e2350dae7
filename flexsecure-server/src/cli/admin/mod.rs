//! What `/v1/admin` can do, from the command line: beside the server or without one.

mod account;
mod challenge;
mod import;
mod key;
mod system;
mod user;

use std::fmt;

use clap::{Args, ValueEnum};
use flexsecure_server::{Directory, UnixMillis};
use jiff::Timestamp;
use serde::Serialize;

pub(super) use self::{
    account::AccountCommand, challenge::ChallengeCommand, key::KeyCommand, system::SystemCommand,
    user::UserCommand,
};
use super::{DatabaseArg, error::CliError, say};

/// Whose directory it is, and how it is printed.
#[derive(Args, Debug)]
pub(crate) struct AccountArg {
    #[command(flatten)]
    database: DatabaseArg,
    /// The account whose systems, users and keys are meant
    #[arg(long, default_value = "default", value_name = "NAME")]
    account: String,
    #[command(flatten)]
    output: OutputArg,
}

/// How it is printed.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct OutputArg {
    /// Print JSON, one object a line
    #[arg(long)]
    json: bool,
}

impl AccountArg {
    async fn open(&self) -> Result<Directory, CliError> {
        Ok(self.database.open().await?.existing_account(&self.account).await?)
    }

    /// What there is, in JSON or as it is read.
    fn show<T: Serialize>(
        &self,
        item: &T,
        line: impl FnOnce(&T) -> String,
    ) -> Result<(), CliError> {
        self.output.show(item, line)
    }

    /// What was done, in a sentence.
    fn done(&self, did: &str, what: &str) -> Result<(), CliError> {
        let sentence = format!("{did} {what}");
        let done = serde_json::json!({ "done": did, "name": what });
        self.output.show(&done, |_| sentence)
    }
}

impl OutputArg {
    fn show<T: Serialize>(self, item: &T, line: impl FnOnce(&T) -> String) -> Result<(), CliError> {
        if self.json {
            say(serde_json::to_string(item).map_err(|error| CliError::Output(error.into()))?)
        } else {
            say(line(item))
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

impl Switch {
    fn is_on(self) -> bool {
        matches!(self, Self::On)
    }
}

impl From<bool> for Switch {
    fn from(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "on" } else { "off" })
    }
}

fn moment(moment: Option<UnixMillis>) -> String {
    moment
        .and_then(|moment| Timestamp::from_millisecond(moment.as_millis()).ok())
        .map_or_else(|| "-".to_owned(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { words.join(",") }
}
