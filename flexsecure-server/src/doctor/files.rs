use std::{fs, path::Path};

use super::Finding;

/// Whether others than owner and group may read, or others than the owner write, the file at `path`.
pub(super) fn examine(subject: &'static str, path: &Path) -> Finding {
    match fs::metadata(path) {
        Ok(metadata) => judge(subject, path, &metadata),
        Err(error) => Finding::broken(
            subject,
            format!("{} can't be read: {error}", path.display()),
            "run this as the user that the server runs as, or restore the file",
        ),
    }
}

#[cfg(unix)]
fn judge(subject: &'static str, path: &Path, metadata: &fs::Metadata) -> Finding {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = metadata.permissions().mode() & 0o777;
    let path = path.display();
    if mode & OTHERS_ANY != 0 || mode & GROUP_WRITES != 0 {
        let told = format!("{path} can be read or changed by others (mode {mode:03o})");
        return Finding::warning(subject, told, &format!("chmod 600 {path}"));
    }
    Finding::ok(subject, format!("{path} is kept from others (mode {mode:03o})"))
}

#[cfg(not(unix))]
fn judge(subject: &'static str, path: &Path, _metadata: &fs::Metadata) -> Finding {
    Finding::ok(subject, format!("{} is there", path.display()))
}

#[cfg(unix)]
const OTHERS_ANY: u32 = 0o007;
#[cfg(unix)]
const GROUP_WRITES: u32 = 0o020;
