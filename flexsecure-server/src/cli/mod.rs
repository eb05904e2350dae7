//! The command line: parses, calls the library, prints.

mod admin;
mod config;
mod doctor;
mod error;
mod serve;
mod server_key;
mod settings;
mod signals;
mod store;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use flexsecure_server::Directory;
use secrecy::SecretString;

use self::{
    error::CliError,
    settings::{ConfigArg, Database, Flags, Settings},
};

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
    /// What is configured
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Say what would keep the server from working, and what to do about it
    Doctor(Box<doctor::Doctor>),
    /// The keys from which PINs and links are derived
    #[command(subcommand)]
    ServerKey(server_key::ServerKeyCommand),
    /// The database as a whole
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Tenants: each has systems, users and keys of its own
    #[command(subcommand)]
    Account(admin::AccountCommand),
    /// What users want to reach
    #[command(subcommand)]
    System(admin::SystemCommand),
    /// Who can be asked
    #[command(subcommand)]
    User(admin::UserCommand),
    /// What became of those who were asked
    #[command(subcommand)]
    Challenge(admin::ChallengeCommand),
    /// Who may call the APIs
    #[command(subcommand)]
    Key(admin::KeyCommand),
}

/// Where the data is. Environment and configuration file count here as they do for the server.
#[derive(Args, Clone, Debug)]
struct DatabaseArg {
    #[command(flatten)]
    file: ConfigArg,
    /// The database: a file, or postgres://user:password@host/database [env: FLEXSECURE_DATABASE,
    /// FLEXSECURE_DATABASE_FILE] [default: flexsecure.db]
    #[arg(long, value_name = "PATH|URL")]
    database: Option<SecretString>,
    /// The file with the server's keys [env: FLEXSECURE_SERVER_KEYS] [default: the database's name and .keys, or flexsecure.keys]
    #[arg(long, value_name = "PATH")]
    server_keys: Option<String>,
}

impl DatabaseArg {
    fn settings(&self) -> Result<Settings, CliError> {
        let flags = Flags {
            file: self.file.clone(),
            database: self.database.clone(),
            server_keys: self.server_keys.clone(),
            ..Flags::default()
        };
        Ok(flags.settings()?)
    }

    async fn open(&self) -> Result<Directory, CliError> {
        let settings = self.settings()?;
        let keys = settings.server_key_file();
        Ok(match &settings.database.value {
            Database::File(file) => Directory::open_with_keys(file, keys).await?,
            Database::Postgres(url) => Directory::open_postgres(url.expose(), keys).await?,
        })
    }
}

pub(crate) async fn run() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(command) => command.run().await,
        Command::Config(command) => command.run().await,
        Command::Doctor(command) => command.run().await,
        Command::ServerKey(command) => command.run(),
        Command::Store(command) => command.run().await,
        Command::Account(command) => command.run().await,
        Command::System(command) => command.run().await,
        Command::User(command) => command.run().await,
        Command::Challenge(command) => command.run().await,
        Command::Key(command) => command.run().await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.sentence()),
    }
}

pub(crate) fn failed(sentence: &str) -> ExitCode {
    // There is nowhere left to say that this failed.
    let _unsaid = writeln!(io::stderr(), "flexsecure-server: {sentence}");
    ExitCode::FAILURE
}

fn say(line: impl std::fmt::Display) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(CliError::Output)
}
