use clap::Subcommand;
use flexsecure_server::DatabaseLocation;
use secrecy::{ExposeSecret as _, SecretString};

use super::{error::CliError, say, settings::is_postgres};

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy a database into an empty one, also while it is served: to change from SQLite to PostgreSQL, to back it up
    /// into a file, or to restore it from one
    Copy {
        /// What to copy: a file, or postgres://user:password@host/database
        #[arg(long, value_name = "PATH|URL")]
        from: SecretString,
        /// Where to: a file that is not there yet, or an empty database
        #[arg(long, value_name = "PATH|URL")]
        to: SecretString,
    },
}

impl StoreCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Copy { from, to } => {
                for (table, rows) in location(&from).copy_to(&location(&to)).await? {
                    say(format_args!("{rows:>12}  {table}"))?;
                }
                say("copied and counted; the file with the server's keys has to go with it")
            }
        }
    }
}

fn location(text: &SecretString) -> DatabaseLocation {
    let text = text.expose_secret();
    if is_postgres(text) { DatabaseLocation::postgres(text) } else { DatabaseLocation::file(text) }
}
