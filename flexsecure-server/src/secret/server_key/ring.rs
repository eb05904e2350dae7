use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use super::{
    ServerKey, ServerKeysError,
    file::{self, Keys},
};

/// The keys of the server, oldest first; the last one is used for what is made now, and an older one for what was made
/// with it.
///
/// The file is read again when told, and when something names a key that is not known: so servers that share the file
/// understand each other from the moment that one of them has read a new key.
pub(crate) struct ServerKeys {
    path: PathBuf,
    keys: RwLock<Keys>,
    looked: Mutex<Option<Instant>>,
}

impl ServerKeys {
    /// Reads the key file, or makes one where there is none and `may_create` is set.
    pub(crate) fn open(path: &Path, may_create: bool) -> Result<Self, ServerKeysError> {
        let keys = match file::read(path) {
            Err(ServerKeysError::Missing { .. }) if may_create => {
                file::create(path)?;
                file::read(path)?
            }
            result => result?,
        };
        Ok(Self { path: path.to_owned(), keys: RwLock::new(keys), looked: Mutex::default() })
    }

    pub(crate) fn current(&self) -> Arc<ServerKey> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner).current)
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<ServerKey>> {
        self.known(id).or_else(|| {
            self.look_again();
            self.known(id)
        })
    }

    /// Reads the file again. What can't be used changes nothing.
    pub(crate) fn reload(&self) -> Result<(), ServerKeysError> {
        let keys = file::read(&self.path)?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    fn known(&self, id: &str) -> Option<Arc<ServerKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).find(id)
    }

    /// Once a second at most: what can't be found must not make the server read files all the time.
    fn look_again(&self) {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        *looked = Some(Instant::now());
        match self.reload() {
            Ok(()) => tracing::info!("the key file was read again"),
            Err(error) => {
                let source = std::error::Error::source(&error);
                tracing::error!(error = %error, source, "the former server keys are kept");
            }
        }
    }
}

#[cfg(test)]
impl ServerKeys {
    pub(crate) fn for_tests() -> Self {
        let current = Arc::new(ServerKey::for_tests("k", 1));
        let keys = RwLock::new(Keys { older: Vec::new(), current });
        Self { path: PathBuf::new(), keys, looked: Mutex::default() }
    }
}

impl fmt::Debug for ServerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeys").field("current", &self.current()).finish_non_exhaustive()
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
