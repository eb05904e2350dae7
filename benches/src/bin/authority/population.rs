//! Who can be asked, and what was asked long ago.

use std::io::{self, BufWriter, Write};

use flexsecure_core::Method;

use crate::server::Program;
use crate::store::{Kind, Store};

/// How many there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Population {
    /// Those who confirm by PIN.
    pub(crate) users: u64,
    /// Those who confirm by link.
    pub(crate) links: u64,
}

/// Makes systems, users and an API key, and gives the key.
pub(crate) fn make(
    program: &Program,
    store: &Store,
    population: Population,
) -> Result<String, String> {
    let database = store.database();
    for system in [PIN_SYSTEM, LINK_SYSTEM] {
        program.run(&database, &["system", "add", system])?;
    }
    let mut all = population.all().peekable();
    while all.peek().is_some() {
        let file = tempfile::Builder::new().suffix(".csv").tempfile();
        let mut file = file.map_err(|error| error.to_string())?;
        let some = all.by_ref().take(IMPORTED_AT_ONCE);
        write_users(some, &mut file).map_err(|error| error.to_string())?;
        program.run(&database, &["user", "import", &file.path().to_string_lossy()])?;
    }
    program.run(&database, &["key", "create", "bench"])
}

fn write_users(
    users: impl Iterator<Item = (String, &'static str, Method)>,
    file: &mut impl Write,
) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    writeln!(file, "authid,email,assignments")?;
    for (user, system, method) in users {
        writeln!(file, "{user},{},{system}={method}", address(&user))?;
    }
    file.flush()
}

impl Population {
    /// Each with a system, and how they confirm for it.
    fn all(self) -> impl Iterator<Item = (String, &'static str, Method)> {
        let pins = (0..self.users).map(|number| (user(number), PIN_SYSTEM, Method::Pin));
        let links = (0..self.links).map(|number| (link_user(number), LINK_SYSTEM, LINK));
        pins.chain(links)
    }
}

/// Copies a challenge `count` times, as those of the last day that all ran out, each of another user.
///
/// The server does not run meanwhile. Any column that is not named here is copied as it is.
pub(crate) async fn age(kind: Kind, store: &Store, count: u64) -> Result<(), String> {
    let columns = match kind {
        Kind::Sqlite => "SELECT name FROM pragma_table_info('challenges')",
        Kind::Postgres => {
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'challenges'"
        }
    };
    let columns = store.execute(columns).await?;
    let (random, series) = match kind {
        Kind::Sqlite => (
            "lower(hex(randomblob(11)))",
            format!(
                "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})
                 SELECT n FROM s)"
            ),
        ),
        Kind::Postgres => {
            ("md5(random()::text || n)", format!("(SELECT generate_series(1, {count}) AS n)"))
        }
    };
    let copied: Vec<_> = columns
        .iter()
        .filter(|name| *name != "id")
        .map(|name| {
            let value = match name.as_str() {
                "txn" => random.to_owned(),
                "user_id" => {
                    "(SELECT min(id) FROM users) + n % (SELECT count(*) FROM users)".to_owned()
                }
                "state" => "'expired'".to_owned(),
                // From 1 to 23 hours before the one that is copied.
                "ended_at" => "c.expires_at - 3600000 - (n % 79200) * 1000".to_owned(),
                "created_at" | "sent_at" | "expires_at" => {
                    format!("c.{name} - 3600000 - (n % 79200) * 1000")
                }
                _ => format!("c.{name}"),
            };
            (name.as_str(), value)
        })
        .collect();
    let names: Vec<_> = copied.iter().map(|(name, _)| *name).collect();
    let values: Vec<_> = copied.iter().map(|(_, value)| value.as_str()).collect();
    let insert = format!(
        "INSERT INTO challenges ({}) SELECT {} FROM {series} AS series,
         (SELECT * FROM challenges ORDER BY id DESC LIMIT 1) AS c",
        names.join(", "),
        values.join(", "),
    );
    store.execute(&insert).await.map(drop)
}

/// Who confirms by PIN.
pub(crate) fn user(number: u64) -> String {
    format!("user-{number:07}")
}

/// Who confirms by link.
pub(crate) fn link_user(number: u64) -> String {
    format!("link-{number:07}")
}

/// Where mails for a user go.
pub(crate) fn address(user: &str) -> String {
    format!("{user}@example.com")
}

/// A file may have a million lines.
const IMPORTED_AT_ONCE: usize = 500_000;
const LINK: Method = Method::Passwordless;
pub(crate) const PIN_SYSTEM: &str = "bank";
pub(crate) const LINK_SYSTEM: &str = "vault";
