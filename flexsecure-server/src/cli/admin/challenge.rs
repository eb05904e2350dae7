use clap::Subcommand;
use flexsecure_server::{ChallengeTimeline, MessageTimeline};

use super::{AccountArg, moment};
use crate::cli::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum ChallengeCommand {
    /// Show how far a challenge has come, for a day after it ran out
    Show {
        txn: String,
        #[command(flatten)]
        account: AccountArg,
    },
}

impl ChallengeCommand {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Show { txn, account } => {
                let challenge = account.open().await?.challenge(&txn).await?;
                account.show(&challenge, readable)
            }
        }
    }
}

fn readable(challenge: &ChallengeTimeline) -> String {
    let mut text = format!(
        "{}\t{}\t{}\t{}\t{}\tstarted {}\topened {}\tended {}",
        challenge.txn,
        challenge.system,
        challenge.auth_id,
        challenge.method,
        challenge.state,
        moment(Some(challenge.started_at)),
        moment(challenge.opened_at),
        moment(challenge.ended_at),
    );
    for message in &challenge.messages {
        text.push('\n');
        text.push_str(&sent(message));
    }
    text
}

fn sent(message: &MessageTimeline) -> String {
    format!(
        "  {}\t{}\t{}\tby {}\tqueued {}\taccepted {}\tdelivered {}",
        message.kind,
        message.channel,
        message.state,
        message.provider.as_deref().unwrap_or("-"),
        moment(Some(message.queued_at)),
        moment(message.accepted_at),
        moment(message.delivered_at),
    )
}
