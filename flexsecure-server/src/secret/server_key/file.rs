use std::{
    fs::{self, File, Metadata},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tempfile::NamedTempFile;

use super::{ServerKey, key::mint};
use crate::secret::RandomnessError;

/// What the file holds.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) older: Vec<Arc<ServerKey>>,
    pub(super) current: Arc<ServerKey>,
}

impl Keys {
    pub(super) fn find(&self, id: &str) -> Option<Arc<ServerKey>> {
        self.all().find(|key| key.id() == id).cloned()
    }

    /// The current one first, which is asked for most.
    fn all(&self) -> impl Iterator<Item = &Arc<ServerKey>> {
        std::iter::once(&self.current).chain(self.older.iter().rev())
    }
}

/// What may be told of a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerKeyInfo {
    /// Its name, which the database has too.
    pub id: String,
    /// When it was made, if the file says so.
    pub created: Option<Timestamp>,
    /// Whether it is used for what is made now.
    pub is_current: bool,
}

/// What keys are in the file at `path`, the newest first.
///
/// # Errors
/// The file can't be used.
pub fn list(path: impl AsRef<Path>) -> Result<Vec<ServerKeyInfo>, ServerKeysError> {
    let keys = read(path.as_ref())?;
    let info = |key: &Arc<ServerKey>| ServerKeyInfo {
        id: key.id().to_owned(),
        created: key.created(),
        is_current: key.id() == keys.current.id(),
    };
    Ok(keys.all().map(info).collect())
}

/// Adds a key to the file at `path`, whole or not at all, and gives its id. Owner and permissions stay as they are.
///
/// Two at once add two keys. Whoever reads the file meanwhile reads all of the former or all of the new one.
///
/// # Errors
/// The file can't be used, is a symbolic link (the link would be replaced, and not what it points to), or its folder
/// can't be written.
pub fn rotate(path: impl AsRef<Path>) -> Result<String, ServerKeysError> {
    let path = path.as_ref();
    let io_error = |source| ServerKeysError::Io { path: path.to_owned(), source };
    let (mut locked, metadata) = lock(path)?;
    let mut text = String::new();
    locked.read_to_string(&mut text).map_err(io_error)?;
    let text = SecretString::from(text);
    parse(path, text.expose_secret())?;

    let (id, line) = mint(Timestamp::now())?;
    let mut file = NamedTempFile::new_in(folder(path)).map_err(io_error)?;
    file.write_all(text.expose_secret().trim_end().as_bytes()).map_err(io_error)?;
    file.write_all(b"\n").map_err(io_error)?;
    file.write_all(line.expose_secret().as_bytes()).map_err(io_error)?;
    keep_owner(&file, &metadata).map_err(io_error)?;
    file.as_file().set_permissions(metadata.permissions()).map_err(io_error)?;
    file.as_file().sync_all().map_err(io_error)?;
    file.persist(path).map_err(|error| io_error(error.error))?;
    sync_folder(path).map_err(io_error)?;
    drop(locked);
    Ok(id)
}

pub(super) fn read(path: &Path) -> Result<Keys, ServerKeysError> {
    let io_error = |source| ServerKeysError::Io { path: path.to_owned(), source };
    let mut text = String::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_string(&mut text).map_err(io_error)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ServerKeysError::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(io_error(error)),
    };
    parse(path, SecretString::from(text).expose_secret())
}

/// Whole or not at all, readable by its owner only; of two processes that create it, the first one wins.
pub(super) fn create(path: &Path) -> Result<(), ServerKeysError> {
    let io_error = |source| ServerKeysError::Io { path: path.to_owned(), source };
    let (_, line) = mint(Timestamp::now())?;
    let mut file = NamedTempFile::new_in(folder(path)).map_err(io_error)?;
    file.write_all(line.expose_secret().as_bytes()).map_err(io_error)?;
    file.as_file().sync_all().map_err(io_error)?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(path).map_err(io_error),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(io_error(error.error)),
    }
}

fn parse(path: &Path, text: &str) -> Result<Keys, ServerKeysError> {
    let malformed = || ServerKeysError::Malformed { path: path.to_owned() };
    let mut older = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| ServerKey::parse(line).map(Arc::new).ok_or_else(malformed))
        .collect::<Result<Vec<_>, _>>()?;
    let current = older.pop().ok_or_else(malformed)?;
    Ok(Keys { older, current })
}

/// Holds the file that is at `path` now, and not one that another process has just replaced.
fn lock(path: &Path) -> Result<(File, Metadata), ServerKeysError> {
    let io_error = |source: io::Error| {
        if source.kind() == io::ErrorKind::NotFound {
            return ServerKeysError::Missing { path: path.to_owned() };
        }
        ServerKeysError::Io { path: path.to_owned(), source }
    };
    loop {
        if !fs::symlink_metadata(path).map_err(io_error)?.is_file() {
            return Err(ServerKeysError::NoPlainFile { path: path.to_owned() });
        }
        let file = File::open(path).map_err(io_error)?;
        file.lock().map_err(io_error)?;
        let held = file.metadata().map_err(io_error)?;
        if is_same(&held, &fs::symlink_metadata(path).map_err(io_error)?) {
            return Ok((file, held));
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// So that a new name outlives a loss of power.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    one.dev() == other.dev() && one.ino() == other.ino()
}

#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.modified().ok() == other.modified().ok() && one.len() == other.len()
}

/// An administrator may rotate what a service reads.
#[cfg(unix)]
fn keep_owner(file: &NamedTempFile, former: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let made = file.as_file().metadata()?;
    if (made.uid(), made.gid()) == (former.uid(), former.gid()) {
        return Ok(());
    }
    fchown(file.as_file(), Some(former.uid()), Some(former.gid()))
}

#[cfg(not(unix))]
fn keep_owner(_file: &NamedTempFile, _former: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Why the file with the server keys can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerKeysError {
    /// The database already holds API keys, so a new file would make all of them invalid: restore it from a backup.
    #[error(
        "the key file {path} is missing: restore it from a backup, as the database was made with it (of a new database, the first command makes it)"
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It was edited, or it is another file.
    #[error(
        "the key file {path} is malformed: each line must be an id, a base64 key of 32 bytes and the moment it was made"
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// Replacing it would not do what it looks like.
    #[error("{path} is a symbolic link or no file: name the key file itself")]
    NoPlainFile {
        /// What is there.
        path: PathBuf,
    },
    /// It can't be read, or its folder not be written; most often a matter of permissions.
    #[error("the key file {path} can't be opened or created")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// There was nothing to make a key of.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}
