use std::path::Path;
use std::time::Duration;

use temporary_postgres::{Error, TemporaryPostgres};
use tokio::time::sleep;

use super::Size;
use crate::process;

/// A server of its own with PostgreSQL's own defaults.
#[derive(Debug)]
pub(crate) struct Postgres {
    server: TemporaryPostgres,
    id: u32,
}

impl Postgres {
    pub(super) fn open() -> Result<Self, String> {
        let open = || -> Result<Self, Error> {
            let server = TemporaryPostgres::options().durable().start()?;
            server.create_database(NAME)?;
            let id = server.process_id()?;
            Ok(Self { server, id })
        };
        open().map_err(|error| error.to_string())
    }

    pub(super) fn url(&self) -> String {
        self.server.url(NAME)
    }

    pub(super) fn folder(&self) -> &Path {
        self.server.folder()
    }

    pub(super) fn description(&self) -> Result<String, String> {
        let settings = self.execute(
            "SELECT string_agg(name || '=' || setting, ', ' ORDER BY name) FROM pg_settings
             WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes')",
        )?;
        Ok(format!("{}, {}", self.server.version(), settings.concat()))
    }

    /// Only what writes gets a number.
    pub(super) fn commits(&self) -> Result<u64, String> {
        self.number("SELECT pg_snapshot_xmax(pg_current_snapshot())")
    }

    /// A process that is idle tells what it did after 10 s at the latest.
    pub(super) async fn syncs(&self) -> Result<u64, String> {
        sleep(Duration::from_secs(11)).await;
        self.number("SELECT wal_sync FROM pg_stat_wal")
    }

    pub(super) fn cpu(&self) -> Duration {
        process::cpu_of_family(self.id)
    }

    pub(super) fn size(&self) -> Result<Size, String> {
        let log = self.number("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')")?;
        self.execute("CHECKPOINT")?;
        let data = self.number(&format!("SELECT pg_database_size('{NAME}')"))?;
        Ok(Size { data, log: Some(log) })
    }

    pub(super) fn execute(&self, sql: &str) -> Result<Vec<String>, String> {
        let rows = self.server.query(NAME, sql).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }

    fn number(&self, sql: &str) -> Result<u64, String> {
        let rows = self.execute(sql)?;
        let number = rows.first().and_then(|number| number.parse().ok());
        number.ok_or_else(|| format!("{sql}: {rows:?} is no number"))
    }
}

const NAME: &str = "flexsecure";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_written_is_counted_and_nothing_else() {
        let postgres = Postgres::open().unwrap();
        assert!(postgres.description().unwrap().contains("fsync=on"));
        postgres.execute("CREATE TABLE things (name TEXT)").unwrap();
        let (commits, cpu) = (postgres.commits().unwrap(), postgres.cpu());
        let (size, syncs) = (postgres.size().unwrap(), postgres.syncs().await.unwrap());
        for _ in 0..20 {
            let insert = "INSERT INTO things SELECT md5(n::text) FROM generate_series(1, 1000) n";
            postgres.execute(insert).unwrap();
            assert_eq!(postgres.execute("SELECT 7").unwrap(), ["7"]);
        }
        // Some more, as the server itself sees to its tables.
        let written = postgres.commits().unwrap() - commits;
        assert!((20..30).contains(&written), "{written}");
        let after = postgres.size().unwrap();
        let (data, log) = (after.data - size.data, after.log.unwrap() - size.log.unwrap());
        assert!((1_000_000..4_000_000).contains(&data), "{data}");
        assert!((1_000_000..9_000_000).contains(&log), "{log}");
        assert!(postgres.syncs().await.unwrap() >= syncs + 20);
        assert!(postgres.cpu() > cpu);
    }
}
