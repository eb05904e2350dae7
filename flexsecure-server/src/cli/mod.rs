//! The command line: parses, calls the library, prints.

mod admin;
mod error;
mod serve;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

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
    /// What users want to reach
    #[command(subcommand)]
    System(admin::SystemCommand),
    /// Who can be asked
    #[command(subcommand)]
    User(admin::UserCommand),
    /// Who may call the v1 API
    #[command(subcommand)]
    Key(admin::KeyCommand),
}

/// Where the data is.
#[derive(Args, Clone, Debug)]
struct DatabaseArg {
    /// The database file; the server's keys are in a file beside it
    #[arg(long, env = "FLEXSECURE_DATABASE", default_value = "flexsecure.db", value_name = "PATH")]
    database: PathBuf,
}

pub(crate) async fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(command) => command.run().await,
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
