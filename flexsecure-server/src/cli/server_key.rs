use clap::Subcommand;
use flexsecure_server::{list_server_keys, rotate_server_keys};

use super::{DatabaseArg, error::CliError, say};

#[derive(Debug, Subcommand)]
pub(crate) enum ServerKeyCommand {
    /// Add a key, used for all that is made from now on; what was made before keeps its own
    Rotate(DatabaseArg),
    /// List ids and dates, the newest first; never the keys
    List(DatabaseArg),
}

impl ServerKeyCommand {
    pub(crate) fn run(self) -> Result<(), CliError> {
        match self {
            Self::Rotate(file) => {
                let id = rotate_server_keys(file.settings()?.server_key_file())?;
                say(format_args!(
                    "added server key {id}: running servers take it up by themselves, at once on SIGHUP"
                ))
            }
            Self::List(file) => {
                for key in list_server_keys(file.settings()?.server_key_file())? {
                    let created = key.created.map_or_else(|| "-".to_owned(), |at| at.to_string());
                    let use_of = if key.is_current { "current" } else { "kept" };
                    say(format_args!("{}\tcreated {created}\t{use_of}", key.id))?;
                }
                Ok(())
            }
        }
    }
}
