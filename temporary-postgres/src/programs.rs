//! Where PostgreSQL's programs are.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Error;

/// A folder with `initdb`, `postgres` and `psql`, and the version of that server.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    version: String,
}

impl Programs {
    pub(crate) fn find() -> Result<Self, Error> {
        let in_path = env::var_os("PATH").unwrap_or_default();
        let folders = debian(Path::new("/usr/lib/postgresql"))
            .into_iter()
            .chain(configured())
            .chain(env::split_paths(&in_path));
        Self::in_any_of(folders)
    }

    fn in_any_of(mut folders: impl Iterator<Item = PathBuf>) -> Result<Self, Error> {
        let complete = folders.find(|folder| NEEDED.iter().all(|name| folder.join(name).exists()));
        let folder = complete.ok_or(Error::NotInstalled)?;
        let printed = Command::new(folder.join("postgres")).arg("--version").output();
        let printed = printed.map_err(Error::io("run postgres"))?;
        let version = String::from_utf8_lossy(&printed.stdout).trim().to_owned();
        Ok(Self { folder, version })
    }

    pub(crate) fn command(&self, name: &str) -> Command {
        Command::new(self.path(name))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What the server says of itself, as `postgres (PostgreSQL) 15.13`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

/// Debian keeps a folder a major version; the highest comes first.
fn debian(root: &Path) -> Vec<PathBuf> {
    let versions = fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|one, other| other.cmp(one));
    versions.into_iter().map(|version| root.join(version.to_string()).join("bin")).collect()
}

/// Where whoever installed it says it is.
fn configured() -> Option<PathBuf> {
    let printed = Command::new("pg_config").arg("--bindir").output().ok()?;
    let folder = String::from_utf8(printed.stdout).ok()?;
    Some(PathBuf::from(folder.trim())).filter(|folder| folder.is_absolute())
}

const NEEDED: &[&str] = &["initdb", "postgres", "psql"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9", "15", "17", "16", "common"] {
            fs::create_dir(root.path().join(version)).unwrap();
        }
        let found = debian(root.path());
        let expected: Vec<_> =
            ["17", "16", "15", "9"].map(|version| root.path().join(version).join("bin")).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_machine_without_postgresql_is_told_what_to_install() {
        let empty = tempfile::tempdir().unwrap();
        let error = Programs::in_any_of([empty.path().to_owned()].into_iter()).unwrap_err();
        assert!(matches!(error, Error::NotInstalled));
        assert!(error.to_string().contains("Debian package `postgresql`"), "{error}");
    }
}
