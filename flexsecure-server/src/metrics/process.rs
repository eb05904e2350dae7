use std::fs;

use metrics::gauge;

/// What this process takes, as Linux tells it; elsewhere these are not there.
pub(super) fn measure() {
    if let Some(bytes) = resident_bytes() {
        gauge!(MEMORY).set(bytes);
    }
    if let Some(hundredths) = cpu_hundredths() {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
        gauge!(CPU).set(hundredths as f64 / 100.0);
    }
    if let Some(open) = fs::read_dir("/proc/self/fd").ok().map(Iterator::count) {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and exact up to 2^53")]
        gauge!(FILES).set(open as f64);
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// User and system time. Linux tells both in hundredths of a second, on every machine it runs on today.
fn cpu_hundredths() -> Option<u64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program is in brackets, and may have spaces and brackets of its own.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(FIELDS_BEFORE_TIMES);
    let mut next = || fields.next()?.parse::<u64>().ok();
    next()?.checked_add(next()?)
}

const FIELDS_BEFORE_TIMES: usize = 11;
pub(super) const MEMORY: &str = "process_resident_memory_bytes";
pub(super) const CPU: &str = "process_cpu_seconds_total";
pub(super) const FILES: &str = "process_open_fds";

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_takes_memory_and_time() {
        assert!(resident_bytes().unwrap() > 100_000.0);
        let before = cpu_hundredths().unwrap();
        let mut sum = 0_u64;
        while cpu_hundredths().unwrap() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
