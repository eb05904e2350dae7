//! Instruction counts of the hit path, as differences to a layer that does nothing.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run::{Failed, output, say, step};
use crate::tools;

/// Counts, and fails if a hit costs more than it may.
pub(crate) fn hit_path() -> Result<(), Failed> {
    tools::debian("valgrind", "valgrind")?;
    let runner = tools::cargo_tool("gungraun-runner", "0.20.0")?;
    say("\n== hit path: instructions, against a layer that does nothing");
    let report = output(
        "cargo",
        &[
            "bench",
            "--quiet",
            "--package",
            "flexsecure-benches",
            "--bench",
            "hit_path",
            "--",
            "--output-format=json",
        ],
        &[("GUNGRAUN_RUNNER", runner.as_str())],
    )
    .ok_or_else(|| Failed("hit path: the bench did not run".to_owned()))?;
    let counts = instructions(&report);
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
