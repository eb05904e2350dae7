//! The command line: parses, calls the library, prints.

mod admin;
mod error;
mod serve;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use flexsecure_server::{Config, PublicUrl};
use secrecy::SecretString;

use self::error::CliError;

/// The self-hosted FlexSecure authority.
#[derive(Debug, Parser)]
#[command(name = "flexsecure-server", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the v1 API and approvals
    Serve(Box<serve::Serve>),
    /// Tenants: each has systems, users and keys of its own
    #[command(subcommand)]
    Account(admin::AccountCommand),
    /// What users want to reach
    #[command(subcommand)]
    System(admin::SystemCommand),
    /// Who can be asked
    #[command(subcommand)]
    User(admin::UserCommand),
    /// Who may call the APIs
    #[command(subcommand)]
    Key(admin::KeyCommand),
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
struct DatabaseArg {
    /// The database file, with the server's keys in a file beside it, or postgres://user:password@host/database
    #[arg(
        long,
        env = "FLEXSECURE_DATABASE",
        hide_env_values = true,
        default_value = "flexsecure.db",
        value_name = "PATH|URL"
    )]
    database: Database,
    /// The file with the server's keys, for a database of PostgreSQL: the same on each server
    #[arg(
        long,
        env = "FLEXSECURE_SERVER_KEYS",
        default_value = "flexsecure.keys",
        value_name = "PATH"
    )]
    server_keys: PathBuf,
}

impl DatabaseArg {
    fn config(self, public_url: PublicUrl) -> Config {
        match self.database {
            Database::File(path) => Config::new(path, public_url),
            Database::Postgres(url) => Config::postgres(url, self.server_keys, public_url),
        }
    }
}

#[derive(Clone, Debug)]
enum Database {
    File(PathBuf),
    Postgres(SecretString),
}

impl From<OsString> for Database {
    fn from(text: OsString) -> Self {
        match text.to_str() {
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Self::Postgres(url.into())
            }
            _ => Self::File(text.into()),
        }
    }
}

pub(crate) async fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(command) => command.run().await,
        Command::Account(command) => command.run().await,
        Command::System(command) => command.run().await,
        Command::User(command) => command.run().await,
        Command::Key(command) => command.run().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere left to say that this failed.
            let _unsaid = writeln!(io::stderr(), "flexsecure-server: {}", error.sentence());
            ExitCode::FAILURE
        }
    }
}

fn say(line: impl std::fmt::Display) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(CliError::Output)
}
