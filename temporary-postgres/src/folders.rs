//! Copies of whole folders.

use std::fs;
use std::io;
use std::path::Path;

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
