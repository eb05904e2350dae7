use clap::Subcommand;
use flexsecure_server::Account;

use super::{AccountArg, OutputArg, listed, moment};
use crate::cli::{DatabaseArg, error::CliError};

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Make an account
    Create {
        name: String,
        #[command(flatten)]
        database: DatabaseArg,
        #[command(flatten)]
        output: OutputArg,
    },
    /// List accounts
    List {
        #[command(flatten)]
        database: DatabaseArg,
        #[command(flatten)]
        output: OutputArg,
    },
    /// Show what is set for an account
    Show {
        #[command(flatten)]
        account: AccountArg,
    },
    /// Say to which countries an account may send SMS, and how many a day
    Set {
        /// A dialling prefix like +41, once for each; those that are not named are taken away
        #[arg(long, value_name = "PREFIX", conflicts_with = "no_sms")]
        sms_country: Vec<String>,
        /// Send no SMS anywhere
        #[arg(long)]
        no_sms: bool,
        /// How many SMS a day (UTC)
        #[arg(long, value_name = "NUMBER")]
        sms_daily_budget: Option<u32>,
        #[command(flatten)]
        account: AccountArg,
    },
}

impl AccountCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create { name, database, output } => {
                let account = database.open().await?.create_account(&name).await?;
                output.show(&account.settings().await?, |_| format!("created account {name}"))
            }
            Self::List { database, output } => {
                for account in database.open().await?.accounts().await? {
                    output.show(&account, line)?;
                }
                Ok(())
            }
            Self::Show { account } => {
                let settings = account.open().await?.settings().await?;
                account.show(&settings, line)
            }
            Self::Set { sms_country, no_sms, sms_daily_budget, account } => {
                if sms_country.is_empty() && !no_sms && sms_daily_budget.is_none() {
                    return Err(CliError::NoLimit);
                }
                let directory = account.open().await?;
                let countries: Vec<_> = sms_country.iter().map(String::as_str).collect();
                let countries = (no_sms || !countries.is_empty()).then_some(&countries[..]);
                directory.set_sms_limits(countries, sms_daily_budget).await?;
                account.show(&directory.settings().await?, line)
            }
        }
    }
}

fn line(account: &Account) -> String {
    format!(
        "{}\tsms to {}\tsms a day {}\tcreated {}",
        account.name,
        listed(&account.sms_countries),
        account.sms_daily_budget,
        moment(Some(account.created_at)),
    )
}
