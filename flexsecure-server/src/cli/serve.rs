use std::{io, net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args, builder::BoolishValueParser};
use flexsecure_server::{Config, PublicUrl, Server, Smtp};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use super::{DatabaseArg, error::CliError, say};

#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// The address to listen on
    #[arg(long, env = "FLEXSECURE_LISTEN", default_value = "127.0.0.1:4000", value_name = "ADDR")]
    listen: SocketAddr,
    #[command(flatten)]
    database: DatabaseArg,
    /// The https address under which users reach this server: links begin with it
    #[arg(long, env = "FLEXSECURE_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,
    /// Show messages to everybody at /inbox (demonstrations and tests only)
    #[arg(
        long,
        env = "FLEXSECURE_INBOX",
        action = ArgAction::SetTrue,
        value_parser = BoolishValueParser::new()
    )]
    inbox: bool,
    /// The mail relay, smtp[s]://[user:password@]host[:port]
    #[arg(long, env = "FLEXSECURE_SMTP_URL", hide_env_values = true, value_name = "URL")]
    smtp_url: Option<SecretString>,
    /// The sender of e-mails
    #[arg(long, env = "FLEXSECURE_MAIL_FROM", value_name = "ADDR")]
    mail_from: Option<String>,
    /// A folder with texts, colours, a logo or templates of yours
    #[arg(long, env = "FLEXSECURE_PAGES", value_name = "DIR")]
    pages: Option<PathBuf>,
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        tracing_subscriber::fmt()
            .with_env_filter(
                EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")),
            )
            .with_writer(io::stderr)
            .init();
        let stop = stop_signal()?;
        let (address, inbox) = (self.listen, self.inbox);
        let server = Server::open(self.config()?).await?;
        let listen_error = |source| CliError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        if inbox && !address.ip().is_loopback() {
            tracing::warn!("--inbox shows every PIN and link to whoever reaches {address}");
        }
        say(format_args!("listening on http://{address}"))?;
        Ok(server.serve(listener, stop).await?)
    }

    fn config(self) -> Result<Config, CliError> {
        let public_url = self.public_url.ok_or(CliError::NoPublicUrl)?;
        let public_url = PublicUrl::parse(&public_url).map_err(CliError::PublicUrl)?;
        let mut config = self.database.config(public_url).inbox(self.inbox);
        if let Some(folder) = self.pages {
            config = config.pages(folder);
        }
        match (self.smtp_url, self.mail_from) {
            (Some(url), Some(from)) => {
                let smtp = Smtp::new(url.expose_secret(), &from).map_err(CliError::Smtp)?;
                Ok(config.delivery(smtp))
            }
            (Some(_), None) => Err(CliError::NoSender),
            (None, _) if self.inbox => Ok(config),
            (None, _) => Err(CliError::NoDelivery),
        }
    }
}

/// Listens from now on, so that a signal during start-up is not lost.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static, CliError> {
    Ok(async {
        let _interrupted = tokio::signal::ctrl_c().await;
    })
}
