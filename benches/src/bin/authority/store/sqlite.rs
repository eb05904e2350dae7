use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::Size;

/// A file in a temporary folder.
#[derive(Debug)]
pub(crate) struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    pub(super) fn open() -> Result<Self, String> {
        let folder = tempfile::Builder::new().prefix("flexsecure-bench-").tempdir();
        Ok(Self { folder: folder.map_err(|error| error.to_string())? })
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("flexsecure.db")
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) async fn description(&self) -> Result<String, String> {
        let version = self.execute("SELECT sqlite_version()").await?;
        let journal = self.execute("PRAGMA journal_mode").await?;
        let [version, journal] = [version, journal].map(|rows| rows.concat());
        Ok(format!("SQLite {version}, journal {journal}, as the server opens it"))
    }

    /// The index of the write-ahead log counts them: field `iChange` of
    /// <https://sqlite.org/walformat.html>, section 2.1. With `synchronous=FULL` each of them is an
    /// fdatasync of its own.
    pub(super) fn commits(&self) -> Result<u64, String> {
        let mut path = self.path().into_os_string();
        path.push("-shm");
        let mut count = [0; 4];
        let read = File::open(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(8))?;
            file.read_exact(&mut count)
        });
        read.map_err(|error| format!("{}: {error}", Path::new(&path).display()))?;
        Ok(u64::from(u32::from_ne_bytes(count)))
    }

    pub(super) async fn size(&self) -> Result<Size, String> {
        self.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        let data = fs::metadata(self.path()).map_err(|error| error.to_string())?.len();
        Ok(Size { data, log: None })
    }

    pub(super) async fn execute(&self, sql: &str) -> Result<Vec<String>, String> {
        self.read(sql).map_err(|error| error.to_string())
    }

    /// The first column of what a statement returns.
    fn read(&self, sql: &str) -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(self.path())?;
        connection.busy_timeout(PATIENCE)?;
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(match row.get(0)? {
                Value::Integer(number) => number.to_string(),
                Value::Text(text) => text,
                Value::Null | Value::Real(_) | Value::Blob(_) => String::new(),
            })
        })?;
        rows.collect()
    }
}

/// How long the server may hold the file.
const PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_transaction_that_writes_is_counted_and_nothing_else() {
        let sqlite = Sqlite::open().unwrap();
        // As the server does, it keeps the log there.
        let open = Connection::open(sqlite.path()).unwrap();
        open.pragma_update(None, "journal_mode", "WAL").unwrap();
        open.execute("CREATE TABLE others (name TEXT)", []).unwrap();
        sqlite.execute("CREATE TABLE things (name TEXT)").await.unwrap();
        let before = (sqlite.commits().unwrap(), sqlite.size().await.unwrap().data);
        for _ in 0..100 {
            sqlite.execute("INSERT INTO things VALUES (hex(randomblob(2000)))").await.unwrap();
            sqlite.execute("SELECT count(*) FROM things").await.unwrap();
        }
        assert_eq!(sqlite.commits().unwrap(), before.0 + 100);
        let size = sqlite.size().await.unwrap().data;
        assert!((400_000..600_000).contains(&(size - before.1)), "{size}");
        open.execute_batch("BEGIN; DELETE FROM things; DELETE FROM things; COMMIT").unwrap();
        assert_eq!(sqlite.commits().unwrap(), before.0 + 101);
        let rows = sqlite.execute("SELECT count(*) FROM things").await.unwrap();
        assert_eq!(rows, ["0"]);
    }
}
