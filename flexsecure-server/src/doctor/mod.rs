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

pub use self::finding::{Finding, Verdict};
use crate::{Config, config::Database, pages};

impl Config {
    /// Checks everything that a server would use: database, keys, public URL, pages, certificate and providers.
    ///
    /// Nothing is made or changed, and no message is sent.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![self.examine_public_url()];
        if let Database::File(path) = &self.database {
            let keys = self.server_keys.clone();
            let keys = keys.unwrap_or_else(|| crate::config::key_file_beside(path));
            findings.extend(data::examine(path, &keys).await);
        }
        if let Some(tls) = &self.tls {
            findings.extend(certificate::examine(tls, &self.public_url));
        }
        if let Err(error) = pages::load(self.pages.as_deref()) {
            findings.push(Finding::failed("pages", &error, "correct it, or unset `pages`"));
        }
        findings.push(self.examine_delivery().await);
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

    async fn examine_delivery(&self) -> Finding {
        let Some(delivery) = &self.delivery else {
            let told = "messages are shown at /inbox to everybody, and sent to nobody".to_owned();
            return Finding::warning("delivery", told, "add a [[mail]] entry for real users");
        };
        match delivery.check().await {
            Ok(()) => Finding::ok("delivery", "the provider would take messages".to_owned()),
            Err(error) => {
                Finding::failed("delivery", &error, "correct its settings, or ask whoever runs it")
            }
        }
    }
}
