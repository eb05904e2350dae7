//! What is printed.

use std::fmt::Display;
use std::process::ExitCode;

pub(crate) use flexsecure_benches::figures::{
    as_float, as_u64, each, grouped, mebibytes, per_second, rate, say, time,
};

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
}
