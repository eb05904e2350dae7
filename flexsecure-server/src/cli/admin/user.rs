use clap::{Args, Subcommand};
use flexsecure_server::{Channel, Method, NewUser, User, UserFilter};

use super::{AccountArg, import::ImportArgs, listed};
use crate::cli::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user with e-mail addresses, SMS numbers or both
    Add(PutArgs),
    /// Add a user, or replace the contacts and the locale of the one there is
    Put(PutArgs),
    /// List users and what they are assigned
    List {
        /// Only those whose authid begins so
        #[arg(long, default_value = "", value_name = "TEXT")]
        prefix: String,
        /// Only those that are disabled (true), or only those that are not (false)
        #[arg(long)]
        disabled: Option<bool>,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Show a user
    Show(UserArg),
    /// Put a user for each line of a CSV file or a file of JSON lines
    Import(ImportArgs),
    /// Give a user systems, each with this method: all of them, or none
    Assign {
        auth_id: String,
        #[arg(required = true, value_name = "SYSTEM")]
        systems: Vec<String>,
        /// pin or passwordless
        #[arg(long)]
        method: Method,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Take a system from a user
    Unassign {
        auth_id: String,
        system: String,
        #[command(flatten)]
        account: AccountArg,
    },
    /// Refuse a user from now on
    Disable(UserArg),
    /// Let a disabled user be asked again
    Enable(UserArg),
    /// Forget a user's wrong answers: a method that they had disabled is enabled again
    Forgive(UserArg),
    /// Delete a user with all that is about him; the audit trail stays
    Delete(UserArg),
}

#[derive(Args, Debug)]
pub(crate) struct UserArg {
    auth_id: String,
    #[command(flatten)]
    account: AccountArg,
}

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    auth_id: String,
    /// Once for each address; they are tried in order, before numbers
    #[arg(long, value_name = "ADDRESS")]
    email: Vec<String>,
    /// In the form +41790000001, once for each
    #[arg(long, value_name = "NUMBER")]
    sms: Vec<String>,
    /// Try numbers before addresses
    #[arg(long)]
    sms_first: bool,
    /// The language of messages, like de
    #[arg(long, default_value = "", value_name = "TAG")]
    locale: String,
    #[command(flatten)]
    account: AccountArg,
}

impl PutArgs {
    fn user(&self) -> NewUser {
        let user = NewUser::new(&self.auth_id).locale(&self.locale);
        let emails = |user| self.email.iter().fold(user, |user: NewUser, one| user.email(one));
        let numbers = |user| self.sms.iter().fold(user, |user: NewUser, one| user.sms(one));
        if self.sms_first { emails(numbers(user)) } else { numbers(emails(user)) }
    }
}

impl UserCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Add(put) => {
                put.account.open().await?.add_user(put.user()).await?;
                put.account.done("added user", &put.auth_id)
            }
            Self::Put(put) => {
                let change = put.account.open().await?.put_user(put.user()).await?;
                put.account.done(&format!("{} user", change.as_str()), &put.auth_id)
            }
            Self::List { prefix, disabled, account } => list(prefix, disabled, &account).await,
            Self::Show(UserArg { auth_id, account }) => {
                let user = account.open().await?.user(&auth_id).await?;
                account.show(&user, line)
            }
            Self::Import(import) => import.run().await,
            Self::Assign { auth_id, systems, method, account } => {
                let systems: Vec<_> = systems.iter().map(String::as_str).collect();
                account.open().await?.assign(&auth_id, &systems, method).await?;
                let all = systems.join(", ");
                account.done("assigned", &format!("{auth_id} {method} on {all}"))
            }
            Self::Unassign { auth_id, system, account } => {
                account.open().await?.unassign(&auth_id, &system).await?;
                account.done("unassigned", &format!("{auth_id} on {system}"))
            }
            Self::Disable(UserArg { auth_id, account }) => {
                account.open().await?.disable(&auth_id).await?;
                account.done("disabled", &auth_id)
            }
            Self::Enable(UserArg { auth_id, account }) => {
                account.open().await?.enable(&auth_id).await?;
                account.done("enabled", &auth_id)
            }
            Self::Forgive(UserArg { auth_id, account }) => {
                account.open().await?.forgive(&auth_id).await?;
                account.done("forgave", &auth_id)
            }
            Self::Delete(UserArg { auth_id, account }) => {
                account.open().await?.delete_user(&auth_id).await?;
                account.done("deleted user", &auth_id)
            }
        }
    }
}

/// Page by page: there may be millions.
async fn list(
    prefix: String,
    disabled: Option<bool>,
    account: &AccountArg,
) -> Result<(), CliError> {
    let directory = account.open().await?;
    let mut filter = UserFilter::default();
    filter.prefix = prefix;
    filter.disabled = disabled;
    let mut cursor = None;
    loop {
        let page = directory.users_page(&filter, cursor.as_deref(), PAGE).await?;
        for user in &page.items {
            account.show(user, line)?;
        }
        if page.next.is_none() {
            return Ok(());
        }
        cursor = page.next;
    }
}

fn line(user: &User) -> String {
    let assignments: Vec<_> = user
        .assignments
        .iter()
        .map(|assignment| format!("{}={}", assignment.system, assignment.method))
        .collect();
    format!(
        "{}\t{}\t{}\t{}\t{}",
        user.auth_id,
        if user.disabled { "disabled" } else { "enabled" },
        addresses(user, Channel::Email),
        addresses(user, Channel::Sms),
        listed(&assignments),
    )
}

fn addresses(user: &User, channel: Channel) -> String {
    let of_channel = user.contacts.iter().filter(|contact| contact.channel == channel);
    listed(&of_channel.map(|contact| contact.address.clone()).collect::<Vec<_>>())
}

const PAGE: usize = 500;
