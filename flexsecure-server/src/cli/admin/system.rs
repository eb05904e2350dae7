use clap::Subcommand;
use flexsecure_server::{Policies, System};

use super::{AccountArg, Switch};
use crate::cli::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Add a system; without --pin or --passwordless both policies are on
    Add {
        name: String,
        /// Turn the Pin policy on
        #[arg(long)]
        pin: bool,
        /// Turn the Passwordless policy on
        #[arg(long)]
        passwordless: bool,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Add a system, or make the one of that name as this one is
    Put {
        name: String,
        #[arg(long)]
        pin: Switch,
        #[arg(long)]
        passwordless: Switch,
        /// Whether a check has to name its challenge
        #[arg(long, default_value = "off")]
        requires_txn: Switch,
        #[command(flatten)]
        account: AccountArg,
    },
    /// List systems and their policies
    List {
        #[command(flatten)]
        account: AccountArg,
    },
    /// Show a system
    Show {
        name: String,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Switch the policies of a system
    Policy {
        name: String,
        #[arg(long)]
        pin: Option<Switch>,
        #[arg(long)]
        passwordless: Option<Switch>,
        /// Whether a check has to name its challenge
        #[arg(long)]
        requires_txn: Option<Switch>,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Delete a system with its assignments, its challenges and the keys that are for it alone
    Delete {
        name: String,
        #[command(flatten)]
        account: AccountArg,
    },
}

impl SystemCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add { name, pin, passwordless, account } => {
                let policies = if pin || passwordless {
                    Policies::new(pin, passwordless)
                } else {
                    Policies::both()
                };
                account.open().await?.add_system(&name, policies).await?;
                account.done("added system", &name)
            }
            Self::Put { name, pin, passwordless, requires_txn, account } => {
                let mut system =
                    System::new(&name, Policies::new(pin.is_on(), passwordless.is_on()));
                system.requires_txn = requires_txn.is_on();
                let change = account.open().await?.put_system(system).await?;
                account.done(&format!("{} system", change.as_str()), &name)
            }
            Self::List { account } => {
                for system in account.open().await?.systems().await? {
                    account.show(&system, line)?;
                }
                Ok(())
            }
            Self::Show { name, account } => {
                let system = account.open().await?.system(&name).await?;
                account.show(&system, line)
            }
            Self::Policy { name, pin, passwordless, requires_txn, account } => {
                if pin.is_none() && passwordless.is_none() && requires_txn.is_none() {
                    return Err(CliError::NoPolicy);
                }
                let directory = account.open().await?;
                let [pin, passwordless] =
                    [pin, passwordless].map(|switch| switch.map(Switch::is_on));
                directory.set_policies(&name, pin, passwordless).await?;
                if let Some(requires_txn) = requires_txn {
                    directory.require_txn(&name, requires_txn.is_on()).await?;
                }
                account.done("switched policies of", &name)
            }
            Self::Delete { name, account } => {
                account.open().await?.delete_system(&name).await?;
                account.done("deleted system", &name)
            }
        }
    }
}

fn line(system: &System) -> String {
    let Policies { pin, passwordless, .. } = system.policies;
    let [pin, passwordless] = [pin, passwordless].map(Switch::from);
    let txn = if system.requires_txn { "\trequires txn" } else { "" };
    format!("{}\tpin {pin}\tpasswordless {passwordless}{txn}", system.name)
}
