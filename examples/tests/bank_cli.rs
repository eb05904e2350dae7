//! The client of step-up against a bank that runs, by itself and inside `bank-cli`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "it is how a test fails"
)]

use std::ops::ControlFlow;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use flexsecure_core::client::{Challenge, ClientError, Prompt, StepUpClient};
use flexsecure_core::flow::Over;
use flexsecure_core::{Method, Pin};
use reqwest::header::COOKIE;
use reqwest::{Client, Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

const BANKS: [&str; 2] = [env!("CARGO_BIN_EXE_axum-bank"), env!("CARGO_BIN_EXE_actix-bank")];

/// A bank in a process of its own.
struct Bank {
    _process: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    url: String,
    inbox: Inbox,
}

/// What the users were sent, and what they do about it.
#[derive(Clone)]
struct Inbox(String);

impl Bank {
    async fn start(binary: &str) -> Self {
        let mut process = Command::new(binary)
            .env_clear()
            .envs([("BANK_ADDR", "127.0.0.1:0"), ("AUTHORITY_ADDR", "127.0.0.1:0")])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut inbox = None;
        let url = loop {
            let line = stdout.next_line().await.unwrap().expect("it says where it listens");
            if let Some(rest) = line.strip_prefix("authority on ") {
                inbox = Some(Inbox(rest.split_once(" key ").unwrap().0.to_owned()));
            } else if let Some(url) = line.strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        Self { _process: process, _stdout: stdout, url, inbox: inbox.unwrap() }
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The cookie of a new session.
    async fn login(&self, user: &str) -> String {
        let login = Client::new().post(self.at("/login")).json(&json!({ "user": user }));
        let answer = login.send().await.unwrap();
        assert_eq!(answer.status(), 204);
        let header = answer.headers()["set-cookie"].to_str().unwrap();
        header.split(';').next().unwrap().to_owned()
    }

    fn cli(&self, user: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bank-cli"));
        command
            .env_clear()
            .args(["--url", &self.url, "--user", user])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// How `bank-cli` ends, with what on standard output and what on standard error.
    async fn run(&self, user: &str, arguments: &[&str]) -> (i32, String, String) {
        let ended = tokio::time::timeout(LONGEST, self.cli(user, arguments).output()).await;
        let Output { status, stdout, stderr } = ended.expect("it ends by itself").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.code().unwrap(), text(stdout), text(stderr))
    }
}

impl Inbox {
    async fn all(&self) -> Vec<Value> {
        let answer = reqwest::get(format!("{}/inbox.json", self.0)).await.unwrap();
        answer.json().await.unwrap()
    }

    /// The PIN that was sent last.
    async fn pin(&self) -> String {
        self.all().await[0]["pin"].as_str().unwrap().to_owned()
    }

    /// Opens the link that was sent last and presses a button.
    async fn answer(&self, action: &str, number: &str) {
        let link = self.all().await[0]["link"].as_str().unwrap().to_owned();
        let answer = [("action", action), ("match", number)];
        let answered = Client::new().post(link).form(&answer).send().await.unwrap();
        assert_eq!(answered.status(), 200);
    }
}

/// A user, who remembers what they were asked.
#[derive(Clone)]
struct User {
    habit: Habit,
    inbox: Inbox,
    asked: Arc<Mutex<Vec<Challenge>>>,
}

#[derive(Clone)]
enum Habit {
    /// Types these instead of what was sent, then what was sent.
    Types(&'static [&'static str]),
    GivesUp,
    /// Presses this button as soon as there is a number.
    Presses(&'static str),
    /// Proves it by another client with this cookie, which uses the proof up, and types the PIN then.
    IsOvertaken {
        transfers: String,
        cookie: String,
    },
}

impl User {
    fn new(bank: &Bank, habit: Habit) -> Self {
        Self { habit, inbox: bank.inbox.clone(), asked: Arc::default() }
    }

    fn client(&self) -> StepUpClient {
        StepUpClient::new(Client::builder(), self.clone()).unwrap()
    }

    async fn send(&self, request: Request) -> Result<Response, ClientError> {
        let client = self.client();
        let sent = client.send(request);
        tokio::time::timeout(LONGEST, sent).await.expect("it ends")
    }

    fn asked(&self) -> Vec<Challenge> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Prompt for User {
    async fn pin(&self, challenge: &Challenge) -> Option<Pin> {
        let times = self.asked().len();
        self.asked.lock().unwrap().push(challenge.clone());
        let sent = self.inbox.pin().await;
        match &self.habit {
            Habit::Types(wrong) => {
                let typed = wrong.get(times).map_or(sent, |wrong| (*wrong).to_owned());
                Some(Pin::parse(&typed).unwrap())
            }
            Habit::IsOvertaken { transfers, cookie } => {
                let overtaking = transfer(transfers, cookie).header("flexsecure-pin", &sent);
                assert_eq!(overtaking.send().await.unwrap().status(), 201);
                Some(Pin::parse(&sent).unwrap())
            }
            Habit::GivesUp | Habit::Presses(_) => None,
        }
    }

    fn waiting(&self, challenge: &Challenge) -> ControlFlow<()> {
        self.asked.lock().unwrap().push(challenge.clone());
        match (&self.habit, challenge.match_number()) {
            (Habit::GivesUp, _) => return ControlFlow::Break(()),
            (Habit::Presses(button), Some(number)) => {
                let (inbox, button) = (self.inbox.clone(), *button);
                tokio::spawn(async move { inbox.answer(button, &number.to_string()).await });
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn transfer(url: &str, cookie: &str) -> reqwest::RequestBuilder {
    let transfer = json!({ "to": "bob", "amount": "250" });
    Client::new().post(url).header(COOKIE, cookie).json(&transfer)
}

fn statements(bank: &Bank, cookie: &str) -> reqwest::RequestBuilder {
    Client::new().get(bank.at("/statements")).header(COOKIE, cookie)
}

#[tokio::test]
async fn the_pin_is_asked_for_and_the_request_goes_through() {
    for binary in BANKS {
        let bank = Bank::start(binary).await;
        let cookie = bank.login("alice").await;
        let user = User::new(&bank, Habit::Types(&[]));
        let request = transfer(&bank.at("/transfers"), &cookie).build().unwrap();
        let response = user.send(request).await.unwrap();
        assert_eq!(response.status(), 201);
        let made: Value = response.json().await.unwrap();
        assert_eq!((&made["id"], &made["amount"]), (&json!(1), &json!("250.00")));
        let asked = user.asked();
        assert_eq!(asked.len(), 1);
        let challenge = &asked[0];
        assert_eq!(challenge.system(), "bank-transfers");
        assert_eq!(challenge.operation(), Some("Transfer 250.00 EUR to bob"));
        assert_eq!((challenge.reason(), challenge.method()), (Some("missing"), Some(Method::Pin)));
        assert_eq!((challenge.attempts_left(), challenge.match_number()), (Some(5), None));
        assert!(challenge.expires_in().unwrap() > Duration::from_secs(250));

        // The proof is used up, and the next flow is idle until the client starts it.
        let request = transfer(&bank.at("/transfers"), &cookie).build().unwrap();
        assert_eq!(user.send(request).await.unwrap().status(), 201);
        let (told, asked) = (&user.asked()[1], &user.asked()[2]);
        assert_eq!((told.reason(), told.method()), (Some("spent"), None));
        assert_eq!((asked.reason(), asked.method()), (Some("spent"), Some(Method::Pin)));
    }
}

#[tokio::test]
async fn a_wrong_pin_is_told_and_another_is_asked_for() {
    let bank = Bank::start(BANKS[0]).await;
    let cookie = bank.login("alice").await;
    let user = User::new(&bank, Habit::Types(&["00000000", "0000 0001"]));
    let response = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    let asked: Vec<_> =
        user.asked().iter().map(|it| (it.attempts_left(), it.pin_was_rejected())).collect();
    assert_eq!(asked, [(Some(5), false), (Some(4), true), (Some(3), true)]);
}

#[tokio::test]
async fn too_many_wrong_pins_end_it() {
    let bank = Bank::start(BANKS[0]).await;
    let cookie = bank.login("alice").await;
    let user = User::new(&bank, Habit::Types(&["00000000"; 9]));
    let error = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Over(Over::Attempts)), "{error}");
    assert_eq!(user.asked().len(), 5);
}

#[tokio::test]
async fn a_user_who_gives_up_cancels_the_flow() {
    let bank = Bank::start(BANKS[0]).await;
    for name in ["alice", "bob"] {
        let cookie = bank.login(name).await;
        let refused = statements(&bank, &cookie).send().await.unwrap();
        let refused: Value = refused.json().await.unwrap();
        let flow = bank.at(refused["flow"]["url"].as_str().unwrap());

        let user = User::new(&bank, Habit::GivesUp);
        let error = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap_err();
        assert!(matches!(error, ClientError::Cancelled), "{error}");
        assert_eq!(user.asked().len(), 1);
        let flow = Client::new().get(flow).header(COOKIE, &cookie).send().await.unwrap();
        assert_eq!(flow.json::<Value>().await.unwrap()["over"], "cancelled");
    }
}

#[tokio::test]
async fn a_link_that_is_approved_lets_the_request_through_at_once() {
    for binary in BANKS {
        let bank = Bank::start(binary).await;
        let cookie = bank.login("bob").await;
        let user = User::new(&bank, Habit::Presses("approve"));
        let began = Instant::now();
        let response = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        // One that asked again and again would have come back in an interval, or in 25 seconds.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        assert_eq!(user.asked()[0].method(), Some(Method::Passwordless));
    }
}

#[tokio::test]
async fn a_link_that_is_declined_is_told_at_once() {
    let bank = Bank::start(BANKS[0]).await;
    let cookie = bank.login("bob").await;
    let user = User::new(&bank, Habit::Presses("decline"));
    let error = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Over(Over::Declined)), "{error}");
}

#[tokio::test]
async fn a_user_whom_the_authority_refuses_is_not_asked() {
    let bank = Bank::start(BANKS[0]).await;
    let cookie = bank.login("carol").await;
    let user = User::new(&bank, Habit::Types(&[]));
    let error = user.send(statements(&bank, &cookie).build().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Over(Over::Refused)), "{error}");
    assert!(user.asked().is_empty());
}

#[tokio::test]
async fn a_proof_that_another_request_used_up_is_not_asked_for_again() {
    let bank = Bank::start(BANKS[0]).await;
    let cookie = bank.login("alice").await;
    let transfers = bank.at("/transfers");
    let habit = Habit::IsOvertaken { transfers: transfers.clone(), cookie: cookie.clone() };
    let user = User::new(&bank, habit);
    let error = user.send(transfer(&transfers, &cookie).build().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::RefusedAgain), "{error}");
    assert_eq!(user.asked().len(), 1);
    let made = Client::new().get(transfers).header(COOKIE, &cookie).send().await.unwrap();
    assert_eq!(made.json::<Vec<Value>>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn bank_cli_prints_the_result_and_nothing_else() {
    for binary in BANKS {
        let bank = Bank::start(binary).await;
        let (code, out, err) = bank.run("alice", &["balance"]).await;
        assert_eq!((code, &*out, &*err), (0, "50000.00\n", ""));
        let (code, out, err) = bank.run("alice", &["transfer", "bob", "99.99"]).await;
        assert_eq!((code, &*out, &*err), (0, "transfer 1: 99.99 EUR to bob\n", ""));
    }
}

#[tokio::test]
async fn bank_cli_says_in_one_sentence_what_the_bank_does_not_do() {
    let bank = Bank::start(BANKS[0]).await;
    for (user, arguments, code, says) in [
        ("alice", &["transfer", "bob", "10000.01"][..], 1, "not allowed"),
        ("alice", &["transfer", "bob", "1e2"], 1, "an amount is"),
        ("mallory", &["balance"], 1, "log in as alice, bob or carol"),
        ("carol", &["statements"], 4, "the authority refuses this user"),
    ] {
        let (ended, out, err) = bank.run(user, arguments).await;
        assert_eq!((ended, &*out), (code, ""), "{err}");
        assert!(err.starts_with("bank-cli: ") && err.lines().count() == 1, "{err}");
        assert!(err.contains(says), "{err}");
    }
    let mut nowhere = bank.cli("alice", &["balance"]);
    drop(bank);
    let ended = nowhere.output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(String::from_utf8(ended.stderr).unwrap().lines().count(), 1);
    let senseless = Command::new(env!("CARGO_BIN_EXE_bank-cli")).arg("balance").output().await;
    assert_eq!(senseless.unwrap().status.code(), Some(2));
}

#[tokio::test]
async fn bank_cli_takes_no_pin_where_there_is_no_terminal() {
    let bank = Bank::start(BANKS[0]).await;
    let (code, out, err) = bank.run("alice", &["transfer", "bob", "250"]).await;
    assert_eq!((code, &*out), (3, ""), "{err}");
    assert_eq!(err, "bank-cli: this takes a PIN, which is asked for at a terminal only\n");
    // A PIN that is piped in is not taken for one that is typed.
    let mut piped = bank.cli("alice", &["statements"]);
    let process = piped.stdin(Stdio::piped()).spawn().unwrap();
    let ended = tokio::time::timeout(LONGEST, process.wait_with_output()).await;
    assert_eq!(ended.expect("it ends by itself").unwrap().status.code(), Some(3));
}

#[tokio::test]
async fn bank_cli_says_the_number_once_and_waits() {
    for (button, code, result) in
        [("approve", 0, "2026-01\n2026-02\n2026-03\n"), ("decline", 4, "")]
    {
        let bank = Bank::start(BANKS[0]).await;
        let mut process = bank.cli("bob", &["statements"]).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = stderr.next_line().await.unwrap().unwrap();
        let says = "bank: open the link that was sent to you and enter ";
        let number = line.strip_prefix(says).unwrap_or_else(|| panic!("{line}"));
        let number = number.split_once(' ').unwrap().0;
        bank.inbox.answer(button, number).await;
        let ended = tokio::time::timeout(LONGEST, process.wait_with_output()).await;
        let ended = ended.expect("it ends by itself").unwrap();
        assert_eq!(ended.status.code(), Some(code));
        assert_eq!(String::from_utf8(ended.stdout).unwrap(), result);
        let rest = stderr.next_line().await.unwrap();
        assert_eq!(rest.is_some(), button == "decline", "{rest:?}");
        assert_eq!(stderr.next_line().await.unwrap(), None);
    }
}

#[tokio::test]
async fn bank_cli_does_not_wait_if_it_is_told_not_to() {
    let bank = Bank::start(BANKS[0]).await;
    let (code, out, err) = bank.run("bob", &["--no-wait", "statements"]).await;
    assert_eq!((code, &*out), (3, ""), "{err}");
    assert_eq!(err, "bank-cli: this takes an approval, and --no-wait says not to wait for one\n");
}

/// Nothing here takes as long, unless something hangs.
const LONGEST: Duration = Duration::from_secs(40);
