//! What the authority is meant to reach on two cores that carry load and mail sink too.

use flexsecure_benches::figures::{as_float, mebibytes, say};
use serde_json::{Value, json};

use crate::scenario::Scenario;
use crate::store::Kind;
use crate::table::Each;

/// A bound, and what was measured.
#[derive(Debug)]
pub(crate) struct Target {
    what: String,
    bound: f64,
    measured: f64,
    is_kept: bool,
    unit: &'static str,
}

/// What is held against the figures of a scenario.
pub(crate) fn of(kind: Kind, scenario: Scenario, each: &Each) -> Vec<Target> {
    let (per_second, cpu) = match kind {
        Kind::Sqlite => (1500.0, 500.0),
        Kind::Postgres => (1000.0, 800.0),
    };
    let all_cpu = each.server_cpu + each.database_cpu;
    match scenario {
        Scenario::Login => {
            let mut targets = vec![
                at_least("whole logins a second", per_second, each.per_second),
                at_most("CPU of a login, database included", cpu, all_cpu, "us"),
                at_most("durable commits of a login", 2.0, each.syncs.unwrap_or(each.commits), ""),
                at_most("memory", RESIDENT, as_float(each.resident), "bytes"),
            ];
            targets.extend(each.data.map(|data| at_most("data of a login", 1200.0, data, "bytes")));
            targets
        }
        Scenario::Pending => vec![
            at_most("CPU of a pending check", 30.0, all_cpu, "us"),
            at_most("commits of a pending check", 0.0, each.commits, ""),
        ],
        Scenario::Wait => {
            let woken = each.p99.as_secs_f64() * 1000.0;
            vec![at_most("woken after the approval, p99", 50.0, woken, "ms")]
        }
        Scenario::Start | Scenario::Pin => vec![],
    }
}

/// The same scenario in a former run, of which `former` is the copy: usually one with fewer users.
pub(crate) fn against(former: &Value, kind: Kind, scenario: Scenario, each: &Each) -> Vec<Target> {
    let name = scenario.name();
    let Some(former) = former.pointer(&format!("/stores/{}/figures/{name}", kind.name())) else {
        return vec![];
    };
    let number = |name| former.get(name).and_then(Value::as_f64).unwrap_or_default();
    let cpu = number("server_cpu_us") + number("database_cpu_us");
    let rate = number("per_second");
    let mut targets = vec![];
    // One that was not measured says nothing.
    if rate > 0.0 && scenario != Scenario::Wait {
        let what = format!("{name}: rate against former");
        targets.push(at_least(&what, 0.8, each.per_second / rate));
    }
    if cpu > 0.0 {
        let what = format!("{name}: CPU against former");
        targets.push(at_most(&what, 1.2, (each.server_cpu + each.database_cpu) / cpu, ""));
    }
    targets
}

fn at_least(what: &str, bound: f64, measured: f64) -> Target {
    Target { what: what.to_owned(), bound, measured, is_kept: measured >= bound, unit: "" }
}

fn at_most(what: &str, bound: f64, measured: f64, unit: &'static str) -> Target {
    Target { what: what.to_owned(), bound, measured, is_kept: measured <= bound, unit }
}

impl Target {
    pub(crate) fn print(&self, is_judged: bool) {
        let verdict = match (is_judged, self.is_kept) {
            (false, _) => "not judged",
            (true, true) => "kept",
            (true, false) => "missed",
        };
        let what = &self.what;
        let [bound, measured] = [self.bound, self.measured].map(|figure| self.figure(figure));
        say(&format!("  {what:<44} {measured:>14}, meant {bound:>12}: {verdict}"));
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "what": self.what,
            "unit": self.unit,
            "target": self.bound,
            "measured": self.measured,
            "kept": self.is_kept,
        })
    }

    fn figure(&self, figure: f64) -> String {
        match self.unit {
            "bytes" if self.bound >= RESIDENT => mebibytes(whole(figure)),
            "" if self.bound < 10.0 => format!("{figure:.2}"),
            unit => format!("{figure:.0} {unit}").trim_end().to_owned(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is neither negative nor that large"
)]
fn whole(figure: f64) -> u64 {
    figure as u64
}

/// 40 MiB.
const RESIDENT: f64 = 41_943_040.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn each() -> Each {
        Each {
            operations: 10,
            per_second: 1500.0,
            p50: Duration::ZERO,
            p90: Duration::ZERO,
            p99: Duration::from_millis(50),
            max: Duration::ZERO,
            server_cpu: 300.0,
            database_cpu: 200.0,
            commits: 3.0,
            syncs: None,
            data: Some(1200.0),
            log: None,
            resident: 1,
            failures: 0,
        }
    }

    fn kept(kind: Kind, scenario: Scenario, each: &Each) -> Vec<bool> {
        of(kind, scenario, each).iter().map(|target| target.is_kept).collect()
    }

    #[test]
    fn a_target_is_kept_up_to_its_bound() {
        let all = [true, true, false, true, true];
        assert_eq!(kept(Kind::Sqlite, Scenario::Login, &each()), all);
        let more = Each { server_cpu: 301.0, syncs: Some(2.0), ..each() };
        assert_eq!(kept(Kind::Sqlite, Scenario::Login, &more), [true, false, true, true, true]);
        assert_eq!(kept(Kind::Postgres, Scenario::Login, &more), [true, true, true, true, true]);
        assert_eq!(kept(Kind::Sqlite, Scenario::Pending, &each()), [false, false]);
        assert_eq!(kept(Kind::Sqlite, Scenario::Wait, &each()), [true]);
    }

    #[test]
    fn a_former_run_may_have_been_a_fifth_faster() {
        let verdicts = |rate: f64, cpu: f64| {
            let figures =
                json!({"per_second": rate, "server_cpu_us": cpu, "database_cpu_us": 100.0});
            let former = json!({"stores": {"SQLite": {"figures": {"whole login": figures}}}});
            let targets = against(&former, Kind::Sqlite, Scenario::Login, &each());
            targets.iter().map(|target| target.is_kept).collect::<Vec<_>>()
        };
        assert_eq!(verdicts(1800.0, 320.0), [true, true]);
        assert_eq!(verdicts(1900.0, 310.0), [false, false]);
        assert!(against(&json!({}), Kind::Sqlite, Scenario::Login, &each()).is_empty());
    }
}
