//! How numbers are printed.

use std::io::Write;
use std::time::Duration;

/// With a comma at each thousand.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let is_thousand = digits.len().saturating_sub(index).is_multiple_of(3);
        if is_thousand && index > 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes, in units of 1,048,576.
#[must_use]
pub fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", as_float(bytes) / 1_048_576.0)
}

/// In the unit that leaves something before the point.
#[must_use]
pub fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..10_000_000 => format!("{} us", time.as_micros()),
        10_000_000..10_000_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// How often something that was done `count` times in `time` is done in a second.
#[must_use]
pub fn per_second(count: u64, time: Duration) -> String {
    rate(as_float(count) / time.as_secs_f64())
}

/// A rate, rounded to whole ones.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is neither negative nor that large"
)]
#[must_use]
pub fn rate(per_second: f64) -> String {
    format!("{}/s", grouped(per_second.round() as u64))
}

/// `all` divided by `count`, to the nearest whole number.
#[must_use]
pub fn each(all: u64, count: u64) -> u64 {
    let half = count.checked_div(2).unwrap_or_default();
    all.saturating_add(half).checked_div(count).unwrap_or_default()
}

/// What is counted in a process fits.
#[must_use]
pub fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// A count for divisions.
#[expect(clippy::cast_precision_loss, reason = "it is printed with a few digits")]
#[must_use]
pub const fn as_float(count: u64) -> f64 {
    count as f64
}

/// A reader that has gone away is no reason to stop.
pub fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(mebibytes(128 * 1024 * 1024), "128.0 MiB");
        assert_eq!(time(Duration::from_nanos(61)), "61 ns");
        assert_eq!(time(Duration::from_millis(1200)), "1200 ms");
        assert_eq!(per_second(500, Duration::from_millis(250)), "2,000/s");
        assert_eq!(each(8, 3), 3);
    }
}
