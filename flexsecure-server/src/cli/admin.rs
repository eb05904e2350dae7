use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use flexsecure_server::{Channel, Method, NewUser, Policies, UnixMillis, User};
use jiff::Timestamp;

use super::{DatabaseArg, error::CliError, say};

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
        database: DatabaseArg,
    },
    /// List systems and their policies
    List {
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// Switch the policies of a system
    Policy {
        name: String,
        #[arg(long)]
        pin: Option<Switch>,
        #[arg(long)]
        passwordless: Option<Switch>,
        #[command(flatten)]
        database: DatabaseArg,
    },
}

impl SystemCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add { name, pin, passwordless, database } => {
                let policies = if pin || passwordless {
                    Policies::new(pin, passwordless)
                } else {
                    Policies::both()
                };
                database.open().await?.add_system(&name, policies).await?;
                say(format_args!("added system {name}"))
            }
            Self::List { database } => {
                for system in database.open().await?.systems().await? {
                    let Policies { pin, passwordless, .. } = system.policies;
                    let [pin, passwordless] = [pin, passwordless].map(Switch::from);
                    say(format_args!("{}\tpin {pin}\tpasswordless {passwordless}", system.name))?;
                }
                Ok(())
            }
            Self::Policy { name, pin, passwordless, database } => {
                if pin.is_none() && passwordless.is_none() {
                    return Err(CliError::NoPolicy);
                }
                let directory = database.open().await?;
                let [pin, passwordless] =
                    [pin, passwordless].map(|switch| switch.map(Switch::is_on));
                directory.set_policies(&name, pin, passwordless).await?;
                say(format_args!("switched policies of {name}"))
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user with an e-mail address, an SMS number or both
    Add {
        auth_id: String,
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// In the form +41790000001
        #[arg(long, value_name = "NUMBER")]
        sms: Option<String>,
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// List users and what they are assigned
    List {
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// Give a user systems, each with this method
    Assign {
        auth_id: String,
        #[arg(required = true, value_name = "SYSTEM")]
        systems: Vec<String>,
        /// pin or passwordless
        #[arg(long)]
        method: Method,
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// Refuse a user from now on
    Disable(UserArg),
    /// Let a disabled user be asked again
    Enable(UserArg),
}

#[derive(Args, Debug)]
pub(crate) struct UserArg {
    auth_id: String,
    #[command(flatten)]
    database: DatabaseArg,
}

impl UserCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add { auth_id, email, sms, database } => {
                let mut user = NewUser::new(&auth_id);
                if let Some(email) = email {
                    user = user.email(email);
                }
                if let Some(number) = sms {
                    user = user.sms(number);
                }
                database.open().await?.add_user(user).await?;
                say(format_args!("added user {auth_id}"))
            }
            Self::List { database } => {
                for user in database.open().await?.users().await? {
                    let assignments: Vec<_> = user
                        .assignments
                        .iter()
                        .map(|assignment| format!("{}={}", assignment.system, assignment.method))
                        .collect();
                    say(format_args!(
                        "{}\t{}\t{}\t{}\t{}",
                        user.auth_id,
                        if user.disabled { "disabled" } else { "enabled" },
                        address(&user, Channel::Email),
                        address(&user, Channel::Sms),
                        if assignments.is_empty() { "-".to_owned() } else { assignments.join(",") },
                    ))?;
                }
                Ok(())
            }
            Self::Assign { auth_id, systems, method, database } => {
                let systems: Vec<_> = systems.iter().map(String::as_str).collect();
                database.open().await?.assign(&auth_id, &systems, method).await?;
                say(format_args!("assigned {auth_id} {method} on {}", systems.join(", ")))
            }
            Self::Disable(UserArg { auth_id, database }) => {
                database.open().await?.disable(&auth_id).await?;
                say(format_args!("disabled {auth_id}"))
            }
            Self::Enable(UserArg { auth_id, database }) => {
                database.open().await?.enable(&auth_id).await?;
                say(format_args!("enabled {auth_id}"))
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make an API key; it is printed this once
    Create {
        name: String,
        /// Refuse it after so many days
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=3650))]
        expires_in_days: Option<u64>,
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// List API keys, without their secrets
    List {
        #[command(flatten)]
        database: DatabaseArg,
    },
    /// Refuse an API key from now on
    Revoke {
        name: String,
        #[command(flatten)]
        database: DatabaseArg,
    },
}

impl KeyCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create { name, expires_in_days, database } => {
                let directory = database.open().await?;
                let key = match expires_in_days {
                    Some(days) => {
                        let life = Duration::from_secs(days.saturating_mul(24 * 60 * 60));
                        directory.create_expiring_key(&name, life).await?
                    }
                    None => directory.create_key(&name).await?,
                };
                say(key.expose())
            }
            Self::List { database } => {
                for key in database.open().await?.keys().await? {
                    say(format_args!(
                        "{}\tfsk_{}\tcreated {}\texpires {}\tlast used {}\trevoked {}",
                        key.name,
                        key.prefix,
                        moment(Some(key.created_at)),
                        moment(key.expires_at),
                        moment(key.last_used_at),
                        moment(key.revoked_at),
                    ))?;
                }
                Ok(())
            }
            Self::Revoke { name, database } => {
                database.open().await?.revoke_key(&name).await?;
                say(format_args!("revoked {name}"))
            }
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

impl std::fmt::Display for Switch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_on() { "on" } else { "off" })
    }
}

fn address(user: &User, channel: Channel) -> &str {
    let first = user.contacts.iter().find(|contact| contact.channel == channel);
    first.map_or("-", |contact| &contact.address)
}

fn moment(moment: Option<UnixMillis>) -> String {
    moment
        .and_then(|moment| Timestamp::from_millisecond(moment.as_millis()).ok())
        .map_or_else(|| "-".to_owned(), |moment| moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}
