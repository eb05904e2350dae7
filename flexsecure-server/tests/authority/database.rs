use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use flexsecure_server::{Config, Directory, OpenError, PublicUrl};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use temporary_postgres::TemporaryPostgres;

use crate::{ON_POSTGRES, harness::PATIENCE};

/// Where an authority keeps everything.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    File(PathBuf),
    Postgres { url: String, keys: PathBuf },
}

impl Database {
    /// A new one, with what belongs to it in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        if !ON_POSTGRES {
            return Self::File(folder.join("flexsecure.db"));
        }
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let url = SERVER.create_database(&format!("authority{number}")).unwrap();
        Self::Postgres { url, keys: folder.join("flexsecure.keys") }
    }

    pub(crate) fn config(&self, public_url: PublicUrl) -> Config {
        match self {
            Self::File(path) => Config::new(path, public_url),
            Self::Postgres { url, keys } => Config::postgres(url.as_str(), keys, public_url),
        }
    }

    pub(crate) async fn directory(&self) -> Result<Directory, OpenError> {
        match self {
            Self::File(path) => Directory::open(path).await,
            Self::Postgres { url, keys } => Directory::open_postgres(url.as_str(), keys).await,
        }
    }

    /// The file with the server's keys.
    pub(crate) fn keys(&self) -> PathBuf {
        match self {
            Self::File(path) => with_more(path, ".keys"),
            Self::Postgres { keys, .. } => keys.clone(),
        }
    }

    /// What the command line is told.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::File(path) => path.to_str().unwrap().to_owned(),
            Self::Postgres { url, .. } => url.clone(),
        }
    }

    /// What gives access to the database, if anything does.
    pub(crate) fn password(&self) -> Option<String> {
        let url = url::Url::parse(&self.name()).ok()?;
        url.password().map(str::to_owned)
    }

    /// What `statement` returns, each value as text; what the database said, if it refuses.
    pub(crate) async fn sql(&self, statement: &str) -> Result<Vec<Vec<String>>, String> {
        match self {
            Self::File(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(PATIENCE).unwrap();
                sqlite_rows(&connection, statement).map_err(|error| error.to_string())
            }
            Self::Postgres { url, .. } => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let rows = postgres_rows(&mut connection, statement).await;
                connection.close().await.unwrap();
                rows.map_err(|error| error.to_string())
            }
        }
    }

    /// Keeps everybody else from changing a challenge, as another process that is at work does. They can be read.
    pub(crate) async fn hold(&self) -> Holder {
        match self {
            Self::File(path) => {
                let connection = rusqlite::Connection::open(path).unwrap();
                connection.busy_timeout(PATIENCE).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                Holder::File(connection)
            }
            Self::Postgres { url, .. } => {
                let mut connection = PgConnection::connect(url).await.unwrap();
                let lock = "BEGIN; LOCK TABLE challenges IN EXCLUSIVE MODE";
                sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
                Holder::Postgres(connection)
            }
        }
    }

    /// Every value of every table.
    pub(crate) async fn dump(&self) -> String {
        let columns = match self {
            Self::File(_) => {
                "SELECT m.name, p.name, 'quote(\"' || p.name || '\")'
                 FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table'"
            }
            Self::Postgres { .. } => {
                "SELECT table_name, column_name, CASE data_type
                     WHEN 'bytea' THEN format('upper(encode(%I, ''hex''))', column_name)
                     ELSE format('quote_nullable(%I)', column_name) END
                 FROM information_schema.columns WHERE table_schema = 'public'"
            }
        };
        let mut dump = String::new();
        for column in self.sql(columns).await.unwrap() {
            let [table, column, quoted] = &column[..] else { panic!("{column:?}") };
            let values = self.sql(&format!("SELECT {quoted} FROM \"{table}\"")).await;
            dump.push_str(&format!("{table}.{column}: {}\n", values.unwrap().concat().join(" ")));
        }
        dump
    }

    /// All bytes that the database has written anywhere.
    pub(crate) async fn files(&self) -> Vec<u8> {
        match self {
            Self::File(path) => {
                let mut bytes = fs::read(path).unwrap();
                bytes.extend(fs::read(with_more(path, "-wal")).unwrap());
                bytes
            }
            Self::Postgres { .. } => {
                self.sql("CHECKPOINT").await.unwrap();
                let mut bytes = Vec::new();
                read_all(SERVER.folder(), &mut bytes);
                bytes
            }
        }
    }
}

/// Whoever holds a database.
pub(crate) enum Holder {
    File(rusqlite::Connection),
    Postgres(PgConnection),
}

impl Holder {
    pub(crate) async fn release(self) {
        match self {
            Self::File(connection) => connection.execute_batch("ROLLBACK").unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// One for all of this process, which ends with it.
static SERVER: LazyLock<TemporaryPostgres> = LazyLock::new(|| TemporaryPostgres::start().unwrap());

fn with_more(path: &Path, more: &str) -> PathBuf {
    let mut path = path.to_owned().into_os_string();
    path.push(more);
    path.into()
}

fn read_all(path: &Path, bytes: &mut Vec<u8>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            read_all(&entry.unwrap().path(), bytes);
        }
    } else if let Ok(more) = fs::read(path) {
        // What is gone by now is not there.
        bytes.extend(more);
    }
}

fn sqlite_rows(
    connection: &rusqlite::Connection,
    statement: &str,
) -> rusqlite::Result<Vec<Vec<String>>> {
    let mut statement = connection.prepare(statement)?;
    let columns = statement.column_count();
    let mut rows = statement.query([])?;
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |column| {
            Ok(match row.get::<_, rusqlite::types::Value>(column)? {
                rusqlite::types::Value::Null => "NULL".to_owned(),
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Real(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                rusqlite::types::Value::Blob(bytes) => format!("{bytes:02x?}"),
            })
        };
        read.push((0..columns).map(text).collect::<rusqlite::Result<_>>()?);
    }
    Ok(read)
}

async fn postgres_rows(
    connection: &mut PgConnection,
    statement: &str,
) -> sqlx::Result<Vec<Vec<String>>> {
    // Not prepared, so that values come as text.
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|column| {
                    let value = row.try_get_raw(column)?;
                    let null = sqlx::ValueRef::is_null(&value);
                    Ok(if null { "NULL" } else { value.as_str().unwrap() }.to_owned())
                })
                .collect()
        })
        .collect()
}
