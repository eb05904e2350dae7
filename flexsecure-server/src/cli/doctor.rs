use clap::Args;
use flexsecure_server::{Config, Finding, Verdict};
use tokio::net::TcpListener;

use super::{
    error::CliError,
    say,
    settings::{Flags, Settings},
};

#[derive(Args, Debug)]
pub(crate) struct Doctor {
    #[command(flatten)]
    flags: Flags,
}

impl Doctor {
    /// One line a check. It goes on after what failed, as far as there is something to look at.
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let settings = match self.flags.settings() {
            Ok(settings) => settings,
            Err(error) => {
                say(Finding::failed("settings", &error, "nothing else could be checked"))?;
                return Err(CliError::Unwell { count: 1 });
            }
        };
        let mut findings = Vec::new();
        match settings.config_without_delivery() {
            Ok(config) => findings.extend(examine(&settings, config).await),
            Err(error) => {
                findings.push(Finding::failed("settings", &error, "little else could be checked"));
            }
        }
        for file in &settings.secret_files {
            findings.push(Finding::of_secret_file("secret", file));
        }
        findings.extend(exposure(&settings));
        findings.extend(port(&settings).await);
        for finding in &findings {
            say(finding)?;
        }
        let failed = |finding: &&Finding| finding.verdict == Verdict::Failed;
        match findings.iter().filter(failed).count() {
            0 => Ok(()),
            count => Err(CliError::Unwell { count }),
        }
    }
}

/// How messages go may be wrong alone: the rest is looked at all the same.
async fn examine(settings: &Settings, config: Config) -> Vec<Finding> {
    match settings.with_delivery(config.clone()) {
        Ok(config) => {
            let mut findings = vec![Finding::ok("settings", "complete")];
            findings.extend(config.examine().await);
            findings
        }
        Err(error) => {
            let mut findings = vec![Finding::failed("delivery", &error, "nobody would be asked")];
            findings.extend(config.examine().await);
            findings
        }
    }
}

/// What strangers could reach.
fn exposure(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_public = !settings.listen.value.ip().is_loopback();
    if is_public && settings.inbox.value {
        let told =
            format!("/inbox shows every PIN and link to whoever reaches {}", settings.listen.value);
        findings.push(Finding::warning("inbox", told, "turn `inbox` off"));
    }
    if is_public && settings.tls.is_none() {
        let told = format!("{} speaks plain HTTP", settings.listen.value);
        findings.push(Finding::warning("listen", told, "set [tls], or let only a proxy reach it"));
    }
    let metrics = settings.metrics_listen.as_ref();
    if let Some(listen) = metrics.filter(|listen| !listen.value.ip().is_loopback()) {
        let told = format!("{} is not loopback", listen.value);
        findings.push(Finding::warning("metrics", told, "let only Prometheus reach it"));
    }
    findings
}

/// A server that runs has its port, which is as it should be.
async fn port(settings: &Settings) -> Option<Finding> {
    let address = settings.listen.value;
    match TcpListener::bind(address).await {
        Ok(_) => Some(Finding::ok("listen", format!("{address} is free"))),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Some(Finding::warning(
            "listen",
            format!("{address} is taken"),
            "fine if that is this server; if not, stop the other one or change `listen`",
        )),
        Err(source) => {
            let error = CliError::Listen { address, source };
            Some(Finding::failed("listen", &error, "choose another address"))
        }
    }
}
