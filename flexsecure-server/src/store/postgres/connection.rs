use std::{str::FromStr as _, thread, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use url::Url;

use crate::StoreError;

/// Where a URL leads to, without who goes there and his password.
pub(crate) fn address(url: &SecretString) -> String {
    let Ok(url) = Url::parse(url.expose_secret()) else { return SCHEME.to_owned() };
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{SCHEME}{host}{port}{}", url.path())
}

/// What a URL says, and what is the same for all.
pub(super) fn options(url: &SecretString) -> Result<PgConnectOptions, StoreError> {
    let parsed = Url::parse(url.expose_secret()).map_err(|_| StoreError::MalformedUrl)?;
    let is_known = |name: &str| PARAMETERS.contains(&name);
    if !matches!(parsed.scheme(), "postgres" | "postgresql")
        || !parsed.query_pairs().all(|(name, _)| is_known(&name))
    {
        return Err(StoreError::MalformedUrl);
    }
    let options = PgConnectOptions::from_str(url.expose_secret())
        // What it says may repeat the URL.
        .map_err(|_| StoreError::MalformedUrl)?
        .application_name(APPLICATION)
        .disable_statement_logging();
    Ok(options)
}

pub(super) async fn pool(options: PgConnectOptions) -> Result<PgPool, StoreError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let connections = u32::try_from(cores.saturating_mul(2).saturating_add(4)).unwrap_or(u32::MAX);
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A look at every one would be a round trip for every call; one that was idle may have been cut off.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for >= TESTED_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(options.options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("lock_timeout", LOCK_TIMEOUT),
            ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
            ("default_transaction_isolation", "read committed"),
            // All questions are known, and all are answered by an index. A plan is made once, while the tables may
            // still be small: it must not be one that reads all of them.
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            // It would find all that was ever due: only a plain scan leaves a mark at what is gone.
            ("enable_bitmapscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("jit", "off"),
        ]))
        .await?;
    Ok(pool)
}

/// Forward only, under a lock of the database: several processes may start at once.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<(), StoreError> {
    let one = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let (version, encoding): (i32, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding')",
    )
    .fetch_one(&one)
    .await?;
    if version < OLDEST {
        return Err(StoreError::Unsuitable("PostgreSQL 15 or later is needed"));
    }
    if encoding != "UTF8" {
        return Err(StoreError::Unsuitable("its encoding has to be UTF8"));
    }
    MIGRATIONS.run(&one).await.map_err(|error| {
        if let MigrateError::VersionMissing(version) = error {
            return StoreError::TooNew { version };
        }
        StoreError::Database(Box::new(error))
    })?;
    one.close().await;
    Ok(())
}

/// Their versions.
pub(super) fn migrations() -> impl Iterator<Item = i64> {
    MIGRATIONS.iter().map(|migration| migration.version)
}

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

const SCHEME: &str = "postgres://";
const APPLICATION: &str = "flexsecure-server";
const OLDEST: i32 = 150_000;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const TESTED_AFTER: Duration = Duration::from_secs(10);

// Whoever calls is told that the service is unavailable, rather than kept waiting.
const STATEMENT_TIMEOUT: &str = "5s";
const LOCK_TIMEOUT: &str = "3s";
// Of a process that stopped half-way: what it had locked is free again.
const IDLE_TIMEOUT: &str = "10s";

/// What a URL may say after its question mark. Anything else is a slip, and could be a password under a wrong name.
const PARAMETERS: &[&str] = &[
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
