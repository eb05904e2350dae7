//! No scenario is forgotten.

#![expect(clippy::unwrap_used, reason = "a file of this package that cannot be read is a failure")]

use std::fs;
use std::path::Path;

#[test]
fn every_scenario_is_run() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = read_all(&here.join("tests"));
    for scenario in read_all(&here.join("src/scenario")).split("\npub async fn ").skip(1) {
        let name = scenario.split('(').next().unwrap();
        let is_step = ["alice_with_statements", "done"].contains(&name);
        let is_run =
            tests.split(|c: char| c != '_' && !c.is_alphanumeric()).any(|word| word == name);
        assert!(is_step || is_run, "{name} is never run");
    }
}

/// Each threat and fault of these is in the table of the README, and shown by what the table says.
#[test]
fn every_threat_is_where_the_table_says() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(here.join("README.md")).unwrap();
    for id in IDS {
        let row = table.lines().find(|line| line.starts_with(&format!("| {id} ")));
        let row = row.unwrap_or_else(|| panic!("{id} is not in the table"));
        let shown_by: Vec<_> = row.split('`').skip(1).step_by(2).collect();
        assert!(!shown_by.is_empty(), "{row}");
        for place in shown_by {
            let (file, name) = place.rsplit_once("::").unwrap();
            let path = match file.ends_with(".rs") {
                true => here.parent().unwrap().join(file),
                false => here.join(format!("src/scenario/{file}.rs")),
            };
            let source =
                fs::read_to_string(&path).unwrap_or_else(|_| panic!("{place} is not there"));
            let docs = docs_of(name, &source).unwrap_or_else(|| panic!("{place} is not there"));
            assert!(docs.contains(id), "{place} does not name {id}");
        }
    }
}

/// What stands above the function `name`.
fn docs_of<'s>(name: &str, source: &'s str) -> Option<&'s str> {
    let end = source.find(&format!("fn {name}("))?;
    let before = &source[..end];
    Some(&before[before.rfind("\n\n").unwrap_or_default()..])
}

fn read_all(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.is_file())
        .map(|file| fs::read_to_string(file).unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

const IDS: [&str; 56] = [
    "T01", "T02", "T03", "T04", "T05", "T06", "T08", "T09", "T10", "T11", "T12", "T13", "T14",
    "T15", "T16", "T17", "T18", "T20", "T21", "T22", "T23", "T24", "T25", "T26", "T27", "T28",
    "T29", "T30", "T31", "T32", "T34", "T40", "T41", "T42", "T44", "T46", "T47", "T48", "T49",
    "T50", "T51", "T60", "T61", "T62", "T64", "T65", "F20", "F26", "F30", "F40", "F42", "F60",
    "F61", "F70", "F71", "F72",
];
