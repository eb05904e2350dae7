//! Instruction counts: of the hit path, as differences to a layer that does nothing, and of comparing secrets.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run::{Failed, output, say, step};
use crate::tools;

/// All that is measured for a gate.
pub(crate) fn all() -> Result<(), Failed> {
    tools::debian("valgrind", "valgrind")?;
    let runner = tools::cargo_tool("gungraun-runner", "0.20.0")?;
    comparison(&runner)?;
    hit_path(&runner)
}

/// Counts, and fails if it can be told by a clock where two MACs differ.
fn comparison(runner: &str) -> Result<(), Failed> {
    say("\n== comparing MACs: instructions, wherever they differ");
    let counts = counted("comparison", runner)?;
    let count = |bench| counts.get(bench).copied();
    let (first, last, none) = (count("first_byte"), count("last_byte"), count("no_byte"));
    let (Some(first), Some(last), Some(none)) = (first, last, none) else {
        return Err(Failed("comparison: counts are missing in the report".to_owned()));
    };
    say(&format!("in the first byte: {first}, in the last: {last}, nowhere: {none}"));
    if first == last && last == none {
        Ok(())
    } else {
        Err(Failed("comparison: it tells where two MACs differ".to_owned()))
    }
}

/// Counts, and fails if a hit costs more than it may.
fn hit_path(runner: &str) -> Result<(), Failed> {
    say("\n== hit path: instructions, against a layer that does nothing");
    let counts = counted("hit_path", runner)?;
    for (framework, limit) in LIMITS {
        let count = |bench: &str| counts.get(&format!("{framework}_{bench}")).copied();
        let (Some(ours), Some(nothing)) = (count("hit"), count("nothing")) else {
            return Err(Failed(format!("hit path: no counts for {framework} in the report")));
        };
        let cost = ours.saturating_sub(nothing);
        say(&format!("{framework}: {ours} - {nothing} = {cost} instructions, at most {limit}"));
        if cost > *limit {
            return Err(Failed(format!("hit path: {framework} costs {cost} instructions")));
        }
    }
    for (bench, policy) in POLICIES {
        if let Some(count) = counts.get(*bench) {
            say(&format!("the gate alone, with {policy}: {count} instructions"));
        }
    }
    let allocations =
        ["test", "--quiet", "--package", "flexsecure-benches", "--test", "allocations"];
    step("allocations", "cargo", &[&allocations[..], &["--", "--nocapture"]].concat())?;
    let threads = ["bench", "--quiet", "--package", "flexsecure-benches", "--bench", "threads"];
    step("threads", "cargo", &threads)
}

/// The instructions of each function of a bench.
fn counted(bench: &str, runner: &str) -> Result<BTreeMap<String, u64>, Failed> {
    let bench_of_package = ["--package", "flexsecure-benches", "--bench", bench];
    let arguments =
        [&["bench", "--quiet"], &bench_of_package[..], &["--", "--output-format=json"]].concat();
    let report = output("cargo", &arguments, &[("GUNGRAUN_RUNNER", runner)])
        .ok_or_else(|| Failed(format!("{bench}: the bench did not run")))?;
    Ok(instructions(&report))
}

/// The instructions of each bench by its function's name, from one JSON document per line.
fn instructions(report: &str) -> BTreeMap<String, u64> {
    let documents = serde_json::Deserializer::from_str(report).into_iter::<Value>();
    documents
        .filter_map(Result::ok)
        .filter_map(|document| {
            let name = document.get("function_name")?.as_str()?.to_owned();
            Some((name, count(&document)?))
        })
        .collect()
}

/// The first `Ir` anywhere in the document: a bench has one profile, and that one total.
fn count(document: &Value) -> Option<u64> {
    match document {
        Value::Object(fields) => match fields.get("Ir") {
            Some(instructions) => number(instructions),
            None => fields.values().find_map(count),
        },
        Value::Array(items) => items.iter().find_map(count),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::Object(fields) => fields.values().find_map(number),
        Value::Array(items) => items.iter().find_map(number),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// What it costs to decide, printed beside.
const POLICIES: &[(&str, &str)] = &[
    ("gate_fixed", "a requirement"),
    ("gate_closure", "a closure"),
    ("gate_either", "any of two requirements"),
    ("gate_rules", "three rules above a floor"),
    ("gate_awaiting", "a policy that awaits"),
    ("gate_cedar", "rules in Cedar"),
];

/// What a request that is let through may cost, in instructions.
const LIMITS: &[(&str, u64)] = &[("axum", 800), ("actix", 850)];
