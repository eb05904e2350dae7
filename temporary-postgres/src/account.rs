//! Whose processes the server's are.

use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Error;

/// An account of the operating system that PostgreSQL agrees to run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever runs this.
    Own,
    /// Another one, for root.
    Other {
        /// Its user id.
        user: u32,
        /// Its group id.
        group: u32,
    },
}

impl Account {
    pub(crate) fn choose() -> Result<Self, Error> {
        if id(&["-u"]) != Some(0) {
            return Ok(Self::Own);
        }
        let other =
            |name| Some(Self::Other { user: id(&["-u", name])?, group: id(&["-g", name])? });
        other("postgres").or_else(|| other("nobody")).ok_or(Error::NoAccount)
    }

    /// Lets a program run as this account, in a folder that this account may enter.
    pub(crate) fn runs(self, command: &mut Command, folder: &Path) {
        command.current_dir(folder);
        if let Self::Other { user, group } = self {
            // As root, this leaves the supplementary groups behind too.
            command.uid(user).gid(group);
        }
    }

    /// Gives it a file or folder.
    pub(crate) fn owns(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Own => Ok(()),
            Self::Other { user, group } => chown(path, Some(user), Some(group))
                .map_err(Error::io(format!("give {} to another account", path.display()))),
        }
    }
}

/// What `id` prints, if it knows the account.
fn id(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
