//! The folder of a server that has never run: made once, copied for each server.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::account::Account;
use crate::folders;
use crate::programs::Programs;

/// Puts a new server's data into `folder`, as `data`, and gives the password of its superuser.
///
/// `folder` belongs to `account`. The first time, and where there is no target folder of cargo to
/// keep a copy in, this takes as long as `initdb`.
pub(crate) fn lay_out(
    programs: &Programs,
    account: Account,
    folder: &Path,
) -> Result<String, Error> {
    let Some(target) = target_folder() else {
        return initialize(programs, account, folder);
    };
    let kept = target.join("temporary-postgres").join(key(programs.version()));
    keep(programs, account, &kept)
        .map_err(|error| error.during(&format!("make {}", kept.display())))?;
    let mut give = |path: &Path| account.owns(path).map_err(Failure::Told);
    folders::copy(&kept.join(DATA), &folder.join(DATA), &mut give)
        .map_err(|error| error.during(&format!("copy {}", kept.display())))?;
    fs::read_to_string(kept.join(PASSWORD)).map_err(Error::io("read the password"))
}

/// Makes the folder that is kept, unless it is there. One process makes it while others wait.
fn keep(programs: &Programs, account: Account, kept: &Path) -> Result<(), Failure> {
    if kept.exists() {
        return Ok(());
    }
    let root = kept.parent().unwrap_or(kept);
    fs::create_dir_all(root)?;
    let lock = File::create(kept.with_added_extension("lock"))?;
    lock.lock()?;
    if kept.exists() {
        return Ok(());
    }
    // The account need not be able to enter cargo's folder.
    let made = folders::private(&env::temp_dir(), account).map_err(Failure::Told)?;
    initialize(programs, account, made.path()).map_err(Failure::Told)?;
    let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(root)?;
    let copy = unfinished.path().join("copy");
    folders::copy(made.path(), &copy, &mut |_| Ok::<_, Failure>(()))?;
    // Only all of it is ever to be seen under this name.
    fs::rename(copy, kept)?;
    Ok(())
}

/// Lets `initdb` make the data, with a random password that is kept beside it.
fn initialize(programs: &Programs, account: Account, folder: &Path) -> Result<String, Error> {
    let password = random_password()?;
    let password_file = folder.join(PASSWORD);
    let mut private = fs::OpenOptions::new();
    private
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&password_file)
        .and_then(|mut file| file.write_all(password.as_bytes()))
        .map_err(Error::io("write a password"))?;
    account.owns(&password_file)?;
    let mut command = programs.command("initdb");
    command.arg("--pgdata").arg(folder.join(DATA)).arg("--pwfile").arg(password_file).args([
        "--username=postgres",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
        "--no-instructions",
    ]);
    account.runs(&mut command, folder);
    let output = command.output().map_err(Error::io("run initdb"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::Program { program: "initdb", said });
    }
    Ok(password)
}

fn random_password() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::io("get random bytes")(io::Error::other(error.to_string())))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Cargo leaves one of these in its folder, and what it builds lies below it.
fn target_folder() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let above = program.ancestors().find(|folder| {
        [".rustc_info.json", "CACHEDIR.TAG"].iter().any(|name| folder.join(name).exists())
    });
    above.map(Path::to_owned)
}

/// A folder's name that differs where the folder would.
fn key(version: &str) -> String {
    let plain = |letter: char| match letter {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' => letter,
        _ => '-',
    };
    format!("{LAYOUT}-{}", version.chars().map(plain).collect::<String>())
}

/// What may go wrong while files are copied.
enum Failure {
    Io(io::Error),
    Told(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Failure {
    fn during(self, what: &str) -> Error {
        match self {
            Self::Io(source) => Error::io(what)(source),
            Self::Told(error) => error,
        }
    }
}

const DATA: &str = "data";
const PASSWORD: &str = "password";
/// Goes up when `initdb` is run differently.
const LAYOUT: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_kept_by_version() {
        assert_eq!(key("postgres (PostgreSQL) 15.13 (a/b)"), "1-postgres--PostgreSQL--15.13--a-b-");
        assert_ne!(key("15.13"), key("15.14"));
    }
}
