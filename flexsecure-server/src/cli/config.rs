use clap::Subcommand;

use super::{error::CliError, say, settings::Flags};

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print what holds, without secrets, and where each value came from; fail if it can't be used
    Check(Box<Flags>),
}

impl ConfigCommand {
    #[expect(clippy::unused_async, reason = "mail can only be set up within a runtime")]
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let Self::Check(flags) = self;
        let settings = flags.settings()?;
        say(format_args!("{}", settings.to_string().trim_end()))?;
        let _config = settings.config()?;
        Ok(())
    }
}
