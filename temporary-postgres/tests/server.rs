//! Real servers: what they hold, what they keep apart, and that they go.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use temporary_postgres::{Error, TemporaryPostgres};

#[test]
fn databases_are_made_from_others_and_kept_apart() {
    let postgres = TemporaryPostgres::start().unwrap();
    let url = postgres.create_database("one").unwrap();
    assert_eq!(url, postgres.url("one"));
    postgres.query("one", "CREATE TABLE things (name TEXT, size INT)").unwrap();
    postgres.query("one", "INSERT INTO things VALUES ('a', 1), ('b', NULL)").unwrap();
    postgres.create_database_from("two", "one").unwrap();
    postgres.query("one", "DELETE FROM things").unwrap();
    let rows = postgres.query("two", "SELECT name, size FROM things ORDER BY name").unwrap();
    assert_eq!(rows, [["a", "1"], ["b", ""]]);
    assert!(postgres.query("one", "SELECT name FROM things").unwrap().is_empty());
}

#[test]
fn a_mistake_is_told_in_the_words_of_the_server() {
    let postgres = TemporaryPostgres::start().unwrap();
    let error = postgres.query("postgres", "SELECT nothing FROM nowhere").unwrap_err();
    assert!(error.to_string().contains("\"nowhere\" does not exist"), "{error}");
    let error = postgres.create_database("a; drop").unwrap_err();
    assert!(matches!(error, Error::Name { .. }), "{error}");
}

#[test]
fn a_server_that_does_not_start_tells_why() {
    let started = TemporaryPostgres::options().setting("max_connections", "none").start();
    let error = started.unwrap_err();
    assert!(error.to_string().contains("max_connections"), "{error}");
}

#[test]
fn durability_is_for_who_asks_for_it() {
    let durability = |postgres: &TemporaryPostgres| {
        ["fsync", "synchronous_commit", "full_page_writes"]
            .map(|name| postgres.query("postgres", &format!("SHOW {name}")).unwrap().remove(0))
    };
    let careless = TemporaryPostgres::start().unwrap();
    assert_eq!(durability(&careless), [["off"], ["off"], ["off"]]);
    let durable = TemporaryPostgres::options().durable().start().unwrap();
    assert_eq!(durability(&durable), [["on"], ["on"], ["on"]]);
    assert!(durable.folder().starts_with(env::temp_dir()), "{durable:?}");
}

#[test]
fn nobody_gets_in_without_the_password() {
    let postgres = TemporaryPostgres::start().unwrap();
    let entered = Command::new("psql")
        .args(["--no-password", "--host=127.0.0.1", "--username=postgres", "--command=SELECT 1"])
        .args(["--port", &postgres.port().to_string()])
        .env_remove("PGPASSWORD")
        .output()
        .unwrap();
    assert!(!entered.status.success());
    assert!(!format!("{postgres:?}").contains(postgres.url("").split([':', '@']).nth(2).unwrap()));
}

#[test]
fn a_server_that_was_stopped_goes_on_with_what_was_committed() {
    let mut postgres = TemporaryPostgres::options().durable().start().unwrap();
    postgres.query("postgres", "CREATE TABLE things (name TEXT)").unwrap();
    postgres.query("postgres", "INSERT INTO things VALUES ('a')").unwrap();
    let (process, folder) = (process(postgres.process_id().unwrap()), postgres.folder().to_owned());
    postgres.stop().unwrap();
    assert!(!process.exists());
    TcpStream::connect((Ipv4Addr::LOCALHOST, postgres.port())).unwrap_err();
    postgres.start_again().unwrap();
    assert_eq!(postgres.query("postgres", "SELECT name FROM things").unwrap(), [["a"]]);
    postgres.stop().unwrap();
    drop(postgres);
    assert!(!folder.exists());
}

#[test]
fn a_dropped_server_leaves_nothing_behind() {
    let postgres = TemporaryPostgres::start().unwrap();
    let (port, folder) = (postgres.port(), postgres.folder().to_owned());
    let process = process(postgres.process_id().unwrap());
    assert!(folder.exists() && process.exists());
    drop(postgres);
    assert!(!folder.exists() && !process.exists());
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap_err();
}

/// Run by the test below, as the process that is killed.
#[test]
fn started_to_be_killed() {
    if env::var_os(TO_BE_KILLED).is_none() {
        return;
    }
    let postgres = TemporaryPostgres::start().unwrap();
    let mut out = std::io::stdout();
    let (id, folder) = (postgres.process_id().unwrap(), postgres.folder().display());
    writeln!(out, "\n{MARK}{id} {folder}").and_then(|()| out.flush()).unwrap();
    thread::park();
    drop(postgres);
}

#[test]
fn a_server_ends_with_a_process_that_is_killed() {
    let mut killed = Command::new(env::current_exe().unwrap())
        .args(["--exact", "started_to_be_killed", "--nocapture"])
        .env(TO_BE_KILLED, "yes")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(killed.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.into_iter().find_map(|line| Some(line.strip_prefix(MARK)?.to_owned()));
    let told = told.unwrap();
    let (id, folder) = told.split_once(' ').unwrap();
    let (server, folder) = (process(id.parse().unwrap()), PathBuf::from(folder));
    assert!(server.exists() && folder.exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    // Its last deed is to remove the folder.
    let deadline = Instant::now() + Duration::from_secs(30);
    while folder.exists() {
        assert!(Instant::now() < deadline, "{} is still there", folder.display());
        thread::sleep(Duration::from_millis(10));
    }
    assert!(!server.exists());
}

fn process(id: u32) -> PathBuf {
    Path::new("/proc").join(id.to_string())
}

const TO_BE_KILLED: &str = "TEMPORARY_POSTGRES_IS_TO_BE_KILLED";
const MARK: &str = "started: ";
