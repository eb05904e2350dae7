use std::{io, net::SocketAddr};

use clap::Args;
use flexsecure_server::{Metrics, Server};
use tokio::{net::TcpListener, sync::oneshot};
use tracing_subscriber::EnvFilter;

use super::{
    error::CliError,
    say,
    settings::{Flags, LogFormat},
    signals::Signals,
};

#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    flags: Flags,
}

impl Serve {
    /// Until a signal says to stop and that is done, or a second one comes.
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let settings = self.flags.settings()?;
        start_log(settings.log.value);
        let mut signals = Signals::listen().map_err(CliError::Signal)?;
        let config = settings.config()?;
        let metrics = match &settings.metrics_listen {
            Some(address) => Some((Metrics::install()?, listen(address.value).await?)),
            None => None,
        };
        let server = Server::open(config).await?;
        let listener = listen(settings.listen.value).await?;
        let address = local_address(&listener, settings.listen.value)?;
        if settings.inbox.value && !address.ip().is_loopback() {
            tracing::warn!("--inbox shows every PIN and link to whoever reaches {address}");
        }
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        say(format_args!("listening on {scheme}://{address}"))?;
        if let Some((metrics, listener)) = metrics {
            let address = local_address(&listener, address)?;
            say(format_args!("metrics on http://{address}/metrics"))?;
            tokio::spawn(async move { metrics.serve(listener, std::future::pending()).await });
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = server.serve(listener, async { drop(stopped.await) });
        let until_second = async {
            signals.stop(|| reload(&server)).await;
            drop(stop);
            signals.stop(|| reload(&server)).await;
        };
        tokio::select! {
            served = serving => Ok(served?),
            () = until_second => Err(CliError::Interrupted),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|source| CliError::Listen { address, source })
}

fn local_address(listener: &TcpListener, asked: SocketAddr) -> Result<SocketAddr, CliError> {
    listener.local_addr().map_err(|source| CliError::Listen { address: asked, source })
}

fn reload(server: &Server) {
    match server.reload() {
        Ok(()) => tracing::info!("server keys and TLS certificate were read again"),
        Err(error) => {
            let source = std::error::Error::source(&error);
            tracing::error!(error = %error, source, "what could not be read again stays as it was");
        }
    }
}

/// To standard error; what is printed for people and programs goes to standard output.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
}
