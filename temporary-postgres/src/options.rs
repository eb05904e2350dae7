use crate::{Error, TemporaryPostgres};

/// How a server is to be.
#[derive(Clone, Debug, Default)]
pub struct Options {
    is_durable: bool,
    settings: Vec<(String, String)>,
}

impl Options {
    /// Leaves durability as PostgreSQL has it by default: a commit is on the disk when it is
    /// answered.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// Sets what `postgresql.conf` would, as `max_connections` to `20`. The last one counts.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts a server, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not installed, or does not start.
    pub fn start(self) -> Result<TemporaryPostgres, Error> {
        TemporaryPostgres::with(&self)
    }

    pub(crate) const fn is_durable(&self) -> bool {
        self.is_durable
    }

    /// All settings that differ from PostgreSQL's own, for a server at `port`.
    pub(crate) fn settings(&self, port: u16) -> Vec<String> {
        let port = port.to_string();
        let fixed = [
            ("listen_addresses", "127.0.0.1"),
            ("port", port.as_str()),
            ("unix_socket_directories", ""),
            ("log_destination", "stderr"),
            ("logging_collector", "off"),
            ("lc_messages", "C"),
        ];
        let careless: &[(&str, &str)] = match self.is_durable {
            true => &[],
            false => {
                &[("fsync", "off"), ("synchronous_commit", "off"), ("full_page_writes", "off")]
            }
        };
        let chosen = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all = fixed.iter().chain(careless).copied().chain(chosen);
        all.map(|(name, value)| format!("{name}={value}")).collect()
    }
}
