//! What the operating system knows of other processes.

use std::fs;
use std::time::Duration;

/// The processor time that a process has taken, in steps of 10 ms.
pub(crate) fn cpu(id: u32) -> Duration {
    stat(id).map(|stat| stat.own).unwrap_or_default()
}

/// That of a process, of all that it started and still runs, and of all that have ended.
pub(crate) fn cpu_of_family(id: u32) -> Duration {
    let Some(parent) = stat(id) else { return Duration::ZERO };
    let ids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let children = ids.filter_map(stat).filter(|stat| stat.parent == id).map(|stat| stat.own);
    parent.own.saturating_add(parent.ended).saturating_add(children.sum())
}

/// The bytes of memory that a process has now.
pub(crate) fn resident(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes.saturating_mul(1024))
}

struct Stat {
    parent: u32,
    own: Duration,
    /// Of children that have ended.
    ended: Duration,
}

fn stat(id: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
}

/// See proc_pid_stat(5). A name in parentheses comes before what is of interest.
fn parse(stat: &str) -> Option<Stat> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let time = |user, system| {
        let ticks = ticks(user)?.saturating_add(ticks(system)?);
        Some(Duration::from_millis(ticks.saturating_mul(MILLISECONDS_OF_TICK)))
    };
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: time(11, 12)?, ended: time(13, 14)? })
}

/// On every Linux that there is, whatever its kernel's own tick.
const MILLISECONDS_OF_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = parse("7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 150 50 3 4 20 0 8 0 9 10").unwrap();
        assert_eq!(stat.parent, 1);
        assert_eq!(stat.own, Duration::from_secs(2));
        assert_eq!(stat.ended, Duration::from_millis(70));
    }
}
