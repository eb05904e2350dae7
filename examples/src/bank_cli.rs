//! A client of the bank, whichever framework it is on. What step-up adds to it is the `Prompt` in
//! `terminal.rs`, and that requests go through a `StepUpClient`.

mod calls;
mod terminal;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use flexsecure_core::client::{ClientError, StepUpClient};
use reqwest::{Client, Url};

use self::terminal::{Absence, Terminal};

/// Asks a demo bank for something, and asks you for a proof if the bank wants one.
#[derive(Debug, Parser)]
#[command(name = "bank-cli", after_help = EXIT_CODES)]
struct Arguments {
    /// Where the bank is.
    #[arg(long, default_value = "http://127.0.0.1:3000")]
    url: Url,
    /// Who to log in as.
    #[arg(long)]
    user: String,
    /// Fail instead of waiting until a link is approved.
    #[arg(long)]
    no_wait: bool,
    #[command(subcommand)]
    wish: Wish,
}

#[derive(Debug, Subcommand)]
enum Wish {
    /// Tell how much there is.
    Balance,
    /// List the account statements.
    Statements,
    /// Send money to somebody.
    Transfer {
        /// Who gets it.
        to: String,
        /// How much, such as 250 or 99.99.
        amount: String,
    },
}

/// Why a wish did not come true.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Absent(Absence),
    #[error(transparent)]
    StepUp(#[from] ClientError),
    #[error("{0}")]
    Bank(String),
    #[error("the bank's answer makes no sense")]
    Malformed,
    #[error("the operating system refuses to run this")]
    Io(#[from] io::Error),
}

/// Carries out what the arguments of this process say.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return failure(&error.into()),
    };
    // A question that is still open is waited for when the runtime ends: it gives the terminal its
    // echo back.
    match runtime.block_on(run(&arguments)) {
        Ok(result) => match writeln!(io::stdout(), "{result}") {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error.into()),
        },
        Err(error) => failure(&error),
    }
}

async fn run(arguments: &Arguments) -> Result<String, CliError> {
    let terminal = Arc::new(Terminal::new(!arguments.no_wait));
    let http = Client::builder().user_agent(concat!("bank-cli/", env!("CARGO_PKG_VERSION")));
    let client = StepUpClient::new(http, Arc::clone(&terminal))?; // step-up
    let outcome = tokio::select! {
        outcome = calls::carry_out(arguments, &client) => outcome,
        never = terminal.draw() => match never {},
    };
    terminal.clear();
    match (outcome, terminal.absence()) {
        (Err(CliError::StepUp(ClientError::Cancelled)), Some(absence)) => {
            Err(CliError::Absent(absence))
        }
        (outcome, _) => outcome,
    }
}

impl From<reqwest::Error> for CliError {
    fn from(error: reqwest::Error) -> Self {
        Self::StepUp(error.into())
    }
}

impl CliError {
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Absent(_) => 3,
            Self::StepUp(
                ClientError::Cancelled
                | ClientError::Over(_)
                | ClientError::Unprovable
                | ClientError::RefusedAgain,
            ) => 4,
            Self::StepUp(_) | Self::Bank(_) | Self::Malformed | Self::Io(_) => 1,
        }
    }
}

/// One sentence on standard error.
fn failure(error: &CliError) -> ExitCode {
    let mut sentence = format!("bank-cli: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        sentence += &format!(": {cause}");
        source = cause.source();
    }
    // There is nobody left to tell.
    let _ = writeln!(io::stderr(), "{sentence}");
    ExitCode::from(error.exit_code())
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the bank does not do it, or is not there; 2 the arguments make no sense;
3 it takes a person, and there is none at the terminal; 4 the person did not prove who they are";
