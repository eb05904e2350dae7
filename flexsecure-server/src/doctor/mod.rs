//! Finds out whether a server could run as it is configured, without changing anything.
//!
//! | file | role |
//! | --- | --- |
//! | `finding` | what one check says |
//! | `files` | who may read what is secret |
//! | `data` | database and server keys |
//! | `certificate` | whether the certificate does, and for how long |

mod certificate;
mod data;
mod files;
mod finding;

use std::time::Duration;

use tokio::time::timeout;

pub use self::finding::{Finding, Verdict};
use crate::{Config, DeliveryError, config::Database, pages};

impl Config {
    /// Checks everything that a server would use: database, keys, public URL, pages, certificate and providers.
    ///
    /// Nothing is made or changed, and no message is sent.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![self.examine_public_url()];
        if let Database::Kept(place) = &self.database {
            let keys = self.server_keys.clone();
            let keys = keys.unwrap_or_else(|| place.default_key_file());
            findings.extend(data::examine(place, &keys).await);
        }
        if let Some(tls) = &self.tls {
            findings.extend(certificate::examine(tls, &self.public_url));
        }
        if let Err(error) = pages::load(self.pages.as_deref()) {
            findings.push(Finding::failed("pages", &error, "correct it, or unset `pages`"));
        }
        findings.extend(self.examine_delivery().await);
        findings
    }

    fn examine_public_url(&self) -> Finding {
        let url = &self.public_url;
        if url.is_loopback() {
            let told = format!("{url} is reached from this machine only");
            return Finding::warning("public url", told, "set `public_url` to what users can open");
        }
        Finding::ok("public url", url.to_string())
    }

    /// Nothing where there is no way at all: a server is not opened with that.
    async fn examine_delivery(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.delivery.is_empty() && self.inbox {
            let told = "messages are shown at /inbox to everybody, and sent to nobody";
            let advice = "add a [[mail]] or [[sms]] entry for real users";
            findings.push(Finding::warning("delivery", told, advice));
        }
        for provider in &self.delivery {
            let name = provider.name();
            let checked = match timeout(PROVIDER_LIMIT, provider.check()).await {
                Ok(checked) => checked,
                Err(_) => Err(DeliveryError::busy("it does not answer in time")),
            };
            findings.push(match checked {
                Ok(()) => Finding::ok("delivery", format!("{name}: nothing speaks against it")),
                Err(error) => {
                    let advice = format!("correct the settings of {name}, or ask whoever runs it");
                    Finding::failed("delivery", &error, &advice)
                }
            });
        }
        findings
    }
}

/// Who does not answer in that time will not do when it matters.
const PROVIDER_LIMIT: Duration = Duration::from_secs(15);
