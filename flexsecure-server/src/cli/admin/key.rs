use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use flexsecure_server::{ApiKey, ApiKeySecret, KeyRequest, Scopes};

use super::{AccountArg, moment};
use crate::cli::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an API key; it is printed this once
    Create {
        name: String,
        /// What it is for, once for each: authenticate unless it is said
        #[arg(long, value_name = "SCOPE")]
        scope: Vec<ScopeWord>,
        /// The only system it is for
        #[arg(long, value_name = "NAME")]
        system: Option<String>,
        /// Refuse it after so many days
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        expires_in_days: Option<u64>,
        #[command(flatten)]
        account: AccountArg,
    },
    /// List API keys, without their secrets
    List {
        #[command(flatten)]
        account: AccountArg,
    },
    /// Show an API key, without its secret
    Show {
        name: String,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Make another API key of that name; the old one is good for another 24 hours
    Rotate {
        name: String,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Refuse an API key from now on, and those that it replaced
    Revoke {
        name: String,
        #[command(flatten)]
        account: AccountArg,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ScopeWord {
    /// Starts and checks
    Authenticate,
    /// Reads what is administered
    #[value(name = "admin:read")]
    AdminRead,
    /// Changes what is administered
    #[value(name = "admin:write")]
    AdminWrite,
}

impl KeyCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create { name, scope, system, expires_in_days, account } => {
                let mut request = KeyRequest::new(&name);
                if !scope.is_empty() {
                    request = request.scopes(Scopes {
                        authenticate: scope.contains(&ScopeWord::Authenticate),
                        admin_read: scope.contains(&ScopeWord::AdminRead),
                        admin_write: scope.contains(&ScopeWord::AdminWrite),
                    });
                }
                if let Some(system) = system {
                    request = request.system(system);
                }
                if let Some(days) = expires_in_days {
                    request = request.life(Duration::from_secs(days.saturating_mul(DAY)));
                }
                print(&account, &account.open().await?.create(request).await?)
            }
            Self::List { account } => {
                for key in account.open().await?.keys().await? {
                    account.show(&key, line)?;
                }
                Ok(())
            }
            Self::Show { name, account } => {
                let key = account.open().await?.key(&name).await?;
                account.show(&key, line)
            }
            Self::Rotate { name, account } => {
                print(&account, &account.open().await?.rotate_key(&name).await?)
            }
            Self::Revoke { name, account } => {
                account.open().await?.revoke_key(&name).await?;
                account.done("revoked", &name)
            }
        }
    }
}

fn print(account: &AccountArg, secret: &ApiKeySecret) -> Result<(), CliError> {
    let key = serde_json::json!({ "key": secret.expose() });
    account.show(&key, |_| secret.expose().to_owned())
}

fn line(key: &ApiKey) -> String {
    format!(
        "{}\tfsk_{}\t{}\tsystem {}\tcreated {}\texpires {}\tlast used {}\treplaced {}\trevoked {}",
        key.name,
        key.prefix,
        key.scopes,
        key.system.as_deref().unwrap_or("-"),
        moment(Some(key.created_at)),
        moment(key.expires_at),
        moment(key.last_used_at),
        moment(key.replaced_at),
        moment(key.revoked_at),
    )
}

const DAY: u64 = 24 * 60 * 60;
