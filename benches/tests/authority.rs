//! The program that measures the authority still runs, in a hundredth of its size, and takes its
//! processes along when it ends.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A small run. The server is the one that is built already, where there is one.
fn authority() -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_authority"));
    let server = program.with_file_name("flexsecure-server");
    let mut command = Command::new(program);
    command.arg("--small");
    if server.exists() {
        command.arg("--server").arg(server);
    }
    command
}

#[test]
fn every_scenario_runs_and_none_fails() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("figures.json");
    let output =
        authority().args(["--old-challenges", "50", "--json"]).arg(&copy).output().unwrap();
    let (told, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}{errors}");
    let copy: Value = serde_json::from_str(&fs::read_to_string(copy).unwrap()).unwrap();
    let sqlite = &copy["stores"]["SQLite"];
    assert!(sqlite["figures"].is_object(), "{told}");
    for (store, measured) in copy["stores"].as_object().unwrap() {
        let Some(figures) = measured["figures"].as_object() else {
            let why = measured["skipped"].as_str().unwrap();
            assert!(told.contains(&format!("skipped: {why}")), "{store}: {told}");
            continue;
        };
        assert_eq!(figures.len(), 5, "{told}");
        for (scenario, each) in figures {
            assert!(each["operations"].as_u64().unwrap() > 0, "{store}, {scenario}: {told}");
            assert_eq!(each["failures"], 0, "{store}, {scenario}: {told}");
        }
        assert!(measured["synced_appends_per_second"][1].as_f64().unwrap() > 0.0, "{told}");
        // Something is counted, and a look costs nothing.
        assert!(figures["whole login"]["commits"].as_f64().unwrap() > 0.0, "{told}");
        assert_eq!(figures["check, pending"]["commits"], 0.0, "{told}");
    }
    assert!(told.contains("whole logins a second") && told.contains("not judged"), "{told}");
}

#[test]
fn its_server_ends_with_it_however_it_ends() {
    for signal in ["INT", "TERM", "KILL"] {
        let folder = tempfile::tempdir().unwrap();
        let mut program = authority()
            .args(["--store", "sqlite", "login"])
            .env("TMPDIR", folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(program.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with('|') {
            line.clear();
            assert!(told.read_line(&mut line).unwrap() > 0, "it ended before the table");
        }
        let server = server_of(&program).expect("a server runs");
        let sent = Command::new("kill").args(["-s", signal, &program.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let _ = told.read_to_string(&mut line);
        assert!(!program.wait().unwrap().success(), "{signal}: {line}");
        let deadline = Instant::now() + Duration::from_secs(30);
        while runs(&server) {
            assert!(Instant::now() < deadline, "{signal}: {server} still runs");
            thread::sleep(Duration::from_millis(10));
        }
        // Nobody else knows of the folder.
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert!(left == 0 || signal == "KILL", "{signal}: {left} left");
    }
}

/// The number of the process that serves.
fn server_of(program: &Child) -> Option<String> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers = numbers.filter_map(|entry| entry.file_name().into_string().ok());
    let parent = format!("PPid:\t{}\n", program.id());
    numbers.find(|number| {
        let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
        status.starts_with(SERVER) && status.contains(&parent)
    })
}

/// Whether a process with this number is still the server, and has not ended.
fn runs(number: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{number}/status")).unwrap_or_default();
    status.starts_with(SERVER) && !status.contains("State:\tZ")
}

/// What Linux keeps of its name.
const SERVER: &str = "Name:\tflexsecure-serv\n";
