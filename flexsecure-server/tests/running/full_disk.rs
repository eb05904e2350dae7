//! A disk without room. `RLIMIT_FSIZE` stands for it: at some moment no file can be made longer, and later it can again.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Answer, PUBLIC, Place, Running, send, soon};

/// A server that is told when it can't write, rather than ended.
async fn serve(place: &Place) -> Running {
    let mut shell = Command::new("sh");
    shell.current_dir(place.folder.path()).stdin(Stdio::null()).kill_on_drop(true);
    shell.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh", env!("CARGO_BIN_EXE_flexsecure-server")]);
    shell.args(["serve", "--listen", "127.0.0.1:0", "--public-url", PUBLIC, "--inbox"]);
    Running::start(shell, &place.key).await
}

/// From now on what is appended breaks off within the page that comes first, as it does where a disk ends.
async fn fill(place: &Place, running: &Running) {
    let written = std::fs::metadata(place.path("flexsecure.db-wal")).unwrap().len();
    limit(running, &(written + 2_000).to_string()).await;
}

async fn make_room(running: &Running) {
    limit(running, "unlimited").await;
}

async fn limit(running: &Running, bytes: &str) {
    let (id, size) = (running.id().to_string(), format!("--fsize={bytes}:"));
    let status = Command::new("prlimit").args(["--pid", &id, &size]).status().await;
    assert!(status.unwrap().success());
}

/// What the file holds.
fn rows(place: &Place, statement: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(place.path("flexsecure.db")).unwrap();
    let mut statement = connection.prepare(statement).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What became of the challenges of a user, and what the trail says of it. Nothing is written behind the scenes any more.
async fn trail(place: &Place, user: &str) -> Vec<String> {
    let unsettled = "SELECT state FROM outbox WHERE state IN ('queued', 'sending')";
    let settled = async {
        while !rows(place, unsettled).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon(settled).await;
    let states = "SELECT c.state || ' after ' || c.attempts || ' PINs' FROM challenges c
         JOIN users u ON u.id = c.user_id WHERE u.auth_id = ";
    let events = "SELECT event FROM audit WHERE challenge_id IS NOT NULL AND auth_id = ";
    [states, events].iter().flat_map(|what| rows(place, &format!("{what}'{user}'"))).collect()
}

fn both<const N: usize>(trail: [&str; N]) -> (Vec<String>, Vec<String>) {
    let trail: Vec<String> = trail.map(str::to_owned).into();
    (trail.clone(), trail)
}

fn is_outage(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert!(!answer.body.contains("disk"), "{answer:?}");
}

fn says(answer: &Answer, status: u16, body: &Value) {
    assert_eq!((answer.status.as_u16(), &answer.json()), (status, body));
}

/// alice is to type a PIN and bob to answer a link, and their messages are there.
struct Begun {
    txn: Value,
    pin: String,
    link: String,
    number: String,
}

impl Begun {
    async fn on(running: &Running) -> Self {
        let started = running.start_of("bob").await;
        let number = started["match"].as_str().unwrap().to_owned();
        let link = running.newest().await["link"].as_str().unwrap().to_owned();
        let txn = running.start_of("alice").await["txn"].clone();
        let pin = running.newest().await["pin"].as_str().unwrap().to_owned();
        Self { txn, pin, link, number }
    }

    fn wrong_pin(&self) -> &'static str {
        if self.pin == "11111111" { "22222222" } else { "11111111" }
    }

    async fn approve(&self, running: &Running) -> Answer {
        let path = self.link.strip_prefix(PUBLIC).unwrap();
        let form = [("match", self.number.as_str()), ("action", "approve")];
        send(running.http.post(format!("{}{path}", running.base)).form(&form)).await
    }

    /// Whatever has to be written is refused, and whatever has not is answered.
    async fn nothing_is_decided_on(&self, running: &Running) {
        let other = json!({"system": "bank", "authid": "alice", "operation": "another"});
        for pin in [self.wrong_pin(), &self.pin] {
            let answer = running.check("alice", json!({"pin": pin, "txn": self.txn})).await;
            is_outage(&answer);
            says(&answer, 503, &json!({"result": "unavailable"}));
        }
        is_outage(&send(running.post("/v1/start", &other)).await);
        is_outage(&self.approve(running).await);
        for user in ["alice", "bob"] {
            let answer = running.check(user, json!({})).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["result"]),
                (200, &json!("pending"))
            );
        }
    }

    /// It is finished, and once.
    async fn ends_on(&self, running: &Running) {
        let with_txn = json!({"pin": self.pin, "txn": self.txn});
        says(&running.check("alice", with_txn).await, 200, &json!({"result": "authenticated"}));
        let again = running.check("alice", json!({"pin": self.pin})).await;
        says(&again, 403, &json!({"result": "expired"}));
        assert_eq!(self.approve(running).await.status, 200);
        says(&running.check("bob", json!({})).await, 200, &json!({"result": "authenticated"}));
        says(&running.check("bob", json!({})).await, 403, &json!({"result": "expired"}));
    }
}

/// F71
#[tokio::test]
async fn a_full_disk_is_an_outage_that_loses_and_approves_nothing() {
    let place = Place::new().await;
    let mut running = serve(&place).await;
    let begun = Begun::on(&running).await;
    let pending = ["pending after 0 PINs", "start", "sent"];
    assert_eq!((trail(&place, "alice").await, trail(&place, "bob").await), both(pending));

    fill(&place, &running).await;
    begun.nothing_is_decided_on(&running).await;
    assert_eq!((trail(&place, "alice").await, trail(&place, "bob").await), both(pending));
    running.until_logged("disk").await;

    make_room(&running).await;
    begun.ends_on(&running).await;
    let ended = ["authenticated after 1 PINs", "start", "sent", "authenticated"];
    assert_eq!(trail(&place, "alice").await, ended);
    let ended = ["authenticated after 0 PINs", "start", "sent", "authenticated"];
    assert_eq!(trail(&place, "bob").await, ended);
    let newest = running.newest().await;
    let other = json!({"system": "bank", "authid": "alice", "operation": "another"});
    assert_eq!(send(running.post("/v1/start", &other)).await.status, 200);
    assert_ne!(running.newest().await, newest);
    assert_eq!(rows(&place, "PRAGMA integrity_check"), ["ok"]);
}

/// F71
#[tokio::test]
async fn a_crash_on_a_full_disk_loses_nothing_either() {
    let place = Place::new().await;
    let mut running = serve(&place).await;
    let begun = Begun::on(&running).await;
    trail(&place, "alice").await;
    fill(&place, &running).await;
    begun.nothing_is_decided_on(&running).await;
    running.signal("-KILL").await;
    running.ended().await;

    let running = serve(&place).await;
    assert_eq!(trail(&place, "alice").await, ["pending after 0 PINs", "start", "sent"]);
    begun.ends_on(&running).await;
    assert_eq!(rows(&place, "PRAGMA integrity_check"), ["ok"]);
}
