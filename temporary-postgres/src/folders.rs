//! Where a server's files are while it runs.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::Error;
use crate::account::Account;

/// A new folder that none but the account can enter.
pub(crate) fn private(root: &Path, account: Account) -> Result<TempDir, Error> {
    let folder = tempfile::Builder::new()
        .prefix("temporary-postgres-")
        .tempdir_in(root)
        .map_err(Error::io(format!("make a folder in {}", root.display())))?;
    account.owns(folder.path())?;
    Ok(folder)
}

/// Where to make it: in memory, where the thousand files of a server take a tenth of the time,
/// unless they are to outlive a crash or there is no room.
pub(crate) fn root(is_durable: bool) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if !is_durable && free_kibibytes(memory).is_some_and(|free| free >= ROOM) {
        memory.to_owned()
    } else {
        env::temp_dir()
    }
}

/// What `df` says, in the format of POSIX.
fn free_kibibytes(folder: &Path) -> Option<u64> {
    let output = Command::new("df").args(["-P", "-k"]).arg(folder).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()
}

/// Copies all of a folder, and tells of every file and folder that is made.
pub(crate) fn copy<E: From<io::Error>>(
    from: &Path,
    to: &Path,
    made: &mut impl FnMut(&Path) -> Result<(), E>,
) -> Result<(), E> {
    fs::create_dir(to)?;
    fs::set_permissions(to, fs::metadata(from)?.permissions())?;
    made(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, made)?;
        } else {
            fs::copy(entry.path(), &target)?;
            made(&target)?;
        }
    }
    Ok(())
}

/// For many servers at a time: 1 GiB. A container has 64 MiB unless told otherwise.
const ROOM: u64 = 1_048_576;
