//! The figures of one store, printed as they come.

use std::time::Duration;

use flexsecure_benches::figures::{as_float, as_u64, grouped, mebibytes, say, time};
use serde_json::{Value, json};

use crate::scenario::Figures;

/// What one operation of a scenario took, on average where that is not said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Each {
    pub(crate) operations: u64,
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p90: Duration,
    pub(crate) p99: Duration,
    pub(crate) max: Duration,
    /// Microseconds of processor time.
    pub(crate) server_cpu: f64,
    pub(crate) database_cpu: f64,
    pub(crate) commits: f64,
    pub(crate) syncs: Option<f64>,
    pub(crate) data: Option<f64>,
    pub(crate) log: Option<f64>,
    /// Bytes of the whole server process, afterwards.
    pub(crate) resident: u64,
    pub(crate) failures: u64,
}

impl Each {
    pub(crate) fn of(figures: &Figures) -> Self {
        let Figures { run, cost, resident, .. } = figures;
        let operations = as_u64(run.latencies.count());
        let each = |all: f64| if operations == 0 { 0.0 } else { all / as_float(operations) };
        Self {
            operations,
            per_second: as_float(operations) / run.elapsed.as_secs_f64(),
            p50: run.latencies.per_mille(500),
            p90: run.latencies.per_mille(900),
            p99: run.latencies.per_mille(990),
            max: run.latencies.per_mille(1000),
            server_cpu: each(cost.server.as_secs_f64() * MICROSECONDS),
            database_cpu: each(cost.database.as_secs_f64() * MICROSECONDS),
            commits: each(as_float(cost.commits)),
            syncs: cost.syncs.map(as_float).map(each),
            data: cost.data.map(as_float).map(each),
            log: cost.log.map(as_float).map(each),
            resident: *resident,
            failures: as_u64(run.failures.len()),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let micros = |time: Duration| time.as_secs_f64() * MICROSECONDS;
        json!({
            "operations": self.operations,
            "per_second": self.per_second,
            "p50_us": micros(self.p50),
            "p90_us": micros(self.p90),
            "p99_us": micros(self.p99),
            "max_us": micros(self.max),
            "server_cpu_us": self.server_cpu,
            "database_cpu_us": self.database_cpu,
            "commits": self.commits,
            "wal_syncs": self.syncs,
            "bytes": self.data,
            "wal_bytes": self.log,
            "resident_bytes": self.resident,
            "failures": self.failures,
        })
    }
}

/// The first two lines of the table, which is one in Markdown too.
pub(crate) fn head() {
    row("", &HEADINGS.map(str::to_owned));
    say(&format!("| :{} |{}", "-".repeat(WIDTH - 1), " --------: |".repeat(HEADINGS.len())));
}

/// One line of it.
pub(crate) fn line(figures: &Figures) {
    let each = Each::of(figures);
    let optional = |number: Option<f64>, digits| {
        number.map_or_else(|| "n/a".to_owned(), |number| format!("{number:.digits$}"))
    };
    row(
        figures.scenario.name(),
        &[
            grouped(each.operations),
            format!("{:.0}", each.per_second),
            time(each.p50),
            time(each.p90),
            time(each.p99),
            time(each.max),
            format!("{:.0} us", each.server_cpu),
            format!("{:.0} us", each.database_cpu),
            format!("{:.2}", each.commits),
            optional(each.syncs, 2),
            optional(each.data, 0),
            optional(each.log, 0),
            mebibytes(each.resident),
        ],
    );
    if let Some(failure) = figures.run.failures.first() {
        let count = figures.run.failures.len();
        say(&format!("  {count} failed, not counted above; the first: {failure}"));
    }
    if let Some((time, cost)) = figures.held {
        let cpu = cost.server.saturating_add(cost.database);
        say(&format!(
            "  all held for {:.1} s before that: {} of CPU, {} commits",
            time.as_secs_f64(),
            flexsecure_benches::figures::time(cpu),
            cost.commits
        ));
    }
}

fn row(name: &str, cells: &[String; HEADINGS.len()]) {
    let cells: String = cells.iter().map(|cell| format!(" {cell:>9} |")).collect();
    say(&format!("| {name:<WIDTH$} |{cells}"));
}

const HEADINGS: [&str; 13] = [
    "count",
    "a second",
    "p50",
    "p90",
    "p99",
    "max",
    "CPU",
    "CPU of DB",
    "commits",
    "WAL syncs",
    "bytes",
    "WAL bytes",
    "resident",
];
const WIDTH: usize = 24;
const MICROSECONDS: f64 = 1_000_000.0;
