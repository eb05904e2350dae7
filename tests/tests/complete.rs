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

fn read_all(folder: &Path) -> String {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|file| fs::read_to_string(file).unwrap()).collect::<Vec<_>>().join("\n")
}
