//! What is printed.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// A table that is printed as it is measured, and whether it shows a broken promise.
#[derive(Debug)]
pub(crate) struct Report {
    is_judged: bool,
    is_broken: bool,
}

impl Report {
    /// A report in which promises are held against what was measured if it `is_judged`.
    pub(crate) fn new(is_judged: bool) -> Self {
        if !is_judged {
            say("a small run: it shows that everything runs, and its figures mean nothing");
        }
        Self { is_judged, is_broken: false }
    }

    /// The heading of what follows.
    pub(crate) fn part(&mut self, title: &str) {
        say(&format!("\n{title}"));
    }

    pub(crate) fn row(&mut self, what: &str, figure: impl Display) {
        say(&format!("  {what:<64} {figure:>22}"));
    }

    /// Something to know that is no figure.
    pub(crate) fn note(&mut self, text: &str) {
        say(&format!("  {text}"));
    }

    /// Holds `bytes` against a promise: what is over it ends the program with 1.
    pub(crate) fn fits(&mut self, what: &str, bytes: u64, most: u64) {
        let is_kept = bytes <= most;
        self.is_broken |= self.is_judged && !is_kept;
        self.promise(&format!("{what} within {}", mebibytes(most)), is_kept);
    }

    /// The same of a speed, which depends on the machine and on what else it does.
    pub(crate) fn promise(&mut self, what: &str, is_kept: bool) {
        let verdict = match (self.is_judged, is_kept) {
            (false, _) => "not judged",
            (true, true) => "kept",
            (true, false) => "broken",
        };
        self.row(&format!("promised: {what}"), verdict);
    }

    /// A row of what there must be none of: any ends the program with 1, be the run ever so small.
    pub(crate) fn none_of(&mut self, what: &str, count: u64) {
        self.is_broken |= count > 0;
        self.row(what, grouped(count));
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        if self.is_broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// With a comma at each thousand.
pub(crate) fn grouped(number: u64) -> String {
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

pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", as_float(bytes) / 1_048_576.0)
}

/// In the unit that leaves something before the point.
pub(crate) fn time(time: Duration) -> String {
    match time.as_nanos() {
        0..10_000 => format!("{} ns", time.as_nanos()),
        10_000..10_000_000 => format!("{} us", time.as_micros()),
        10_000_000..10_000_000_000 => format!("{} ms", time.as_millis()),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

/// How often something that was done `count` times in `time` is done in a second.
pub(crate) fn per_second(count: u64, time: Duration) -> String {
    rate(as_float(count) / time.as_secs_f64())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is neither negative nor that large"
)]
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", grouped(per_second.round() as u64))
}

/// `all` divided by `count`, to the nearest whole number.
pub(crate) fn each(all: u64, count: u64) -> u64 {
    let half = count.checked_div(2).unwrap_or_default();
    all.saturating_add(half).checked_div(count).unwrap_or_default()
}

/// What is counted in a process fits.
pub(crate) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "it is printed with a few digits")]
pub(crate) const fn as_float(count: u64) -> f64 {
    count as f64
}

/// A reader that has gone away is no reason to stop.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_broken_promise_about_memory_is_a_failure() {
        let mut report = Report::new(true);
        report.fits("flows", 10, 10);
        report.promise("speed", false);
        assert_eq!(report.exit_code(), ExitCode::SUCCESS);
        report.fits("flows", 11, 10);
        assert_eq!(report.exit_code(), ExitCode::FAILURE);
    }

    #[test]
    fn a_small_run_judges_no_figure() {
        let mut report = Report::new(false);
        report.fits("flows", 11, 10);
        report.none_of("lost", 0);
        assert_eq!(report.exit_code(), ExitCode::SUCCESS);
        report.none_of("lost", 1);
        assert_eq!(report.exit_code(), ExitCode::FAILURE);
    }

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
