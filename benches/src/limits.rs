//! What the operating system lets a process have.

use std::fmt;
use std::fs;
use std::process::Command;

use crate::figures::{as_u64, grouped};

/// How many files a process may have open.
#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    soft: usize,
    hard: usize,
}

impl OpenFiles {
    /// For how many sockets there is room.
    #[must_use]
    pub const fn room(self) -> usize {
        self.soft.saturating_sub(BESIDE)
    }
}

impl fmt::Display for OpenFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of at most {}", grouped(as_u64(self.soft)), grouped(as_u64(self.hard)))
    }
}

/// The limit of this process, where the system tells it.
#[must_use]
pub fn open_files() -> Option<OpenFiles> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let mut fields = line.split_whitespace().map(number);
    Some(OpenFiles { soft: fields.next()?, hard: fields.next()? })
}

/// The range of ports from which clients get theirs.
#[must_use]
pub fn ports() -> Option<String> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut ends = range.split_whitespace().map(number);
    let (first, last) = (ends.next()?, ends.next()?);
    Some(grouped(as_u64(last.saturating_sub(first).saturating_add(1))))
}

/// Starts this program again with room for `files`, if it has too little and may have more: a
/// process can't raise its own limit without a system call of its own, and a shell makes it.
#[cfg(unix)]
pub fn raise(files: usize) {
    use std::os::unix::process::CommandExt;

    let is_possible = open_files().is_some_and(|it| it.soft < files && it.hard >= files);
    if !is_possible || std::env::var_os(RAISED).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"ulimit -n "$1"; shift; exec "$@""#, "sh", &files.to_string()]);
    // It comes back only if there is no shell: then it goes on with what it has.
    let _ = shell.arg(program).args(std::env::args_os().skip(1)).env(RAISED, "1").exec();
}

/// Nothing, where there is no shell for it.
#[cfg(not(unix))]
pub fn raise(_: usize) {}

fn number(text: &str) -> usize {
    // "unlimited" is none.
    text.parse().unwrap_or(usize::MAX)
}

/// What a process has open beside its sockets, and some to spare.
pub const BESIDE: usize = 200;

/// So that a shell that could not raise the limit is not asked again.
const RAISED: &str = "FLEXSECURE_BENCHES_RAISED";
