use std::process::Stdio;

use reqwest::{Client, Response};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// An example in a process of its own.
pub(crate) struct Program {
    process: Child,
    _stdout: Lines<BufReader<ChildStdout>>,
    pub(crate) url: String,
    authority: String,
    http: Client,
}

impl Program {
    pub(crate) async fn start(binary: &str) -> Self {
        let mut process = Command::new(binary)
            .env_clear()
            .envs([("BANK_ADDR", "127.0.0.1:0"), ("AUTHORITY_ADDR", "127.0.0.1:0")])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = async || stdout.next_line().await.unwrap().expect("it says where it is");
        let authority = line().await;
        let authority = authority.strip_prefix("authority on ").unwrap().split(' ').next().unwrap();
        let url = line().await.strip_prefix("listening on ").unwrap().to_owned();
        let authority = authority.to_owned();
        Self { process, _stdout: stdout, url, authority, http: Client::new() }
    }

    /// All messages to anybody, the newest first.
    pub(crate) async fn messages(&self) -> Vec<Value> {
        let inbox = self.http.get(format!("{}/inbox.json", self.authority)).send().await.unwrap();
        inbox.json().await.unwrap()
    }

    /// The PIN of the newest message.
    pub(crate) async fn pin(&self) -> String {
        self.messages().await[0]["pin"].as_str().expect("a PIN").to_owned()
    }

    /// Its user opens the link of the newest message and approves.
    pub(crate) async fn approve(&self, number: &str) {
        let messages = self.messages().await;
        let link = messages[0]["link"].as_str().expect("a link");
        let answer = [("action", "approve"), ("match", number)];
        let approved = self.http.post(link).form(&answer).send().await.unwrap();
        assert_eq!(approved.status(), 200);
    }

    pub(crate) async fn terminate(mut self) {
        let id = self.process.id().unwrap().to_string();
        let sent = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await;
        assert!(sent.unwrap().success());
        assert_eq!(self.process.wait().await.unwrap().code(), Some(0));
    }
}

/// A PIN that is not this one.
pub(crate) fn wrong(pin: &str) -> String {
    if pin == "11111111" { "22222222".to_owned() } else { "11111111".to_owned() }
}

/// The status with the name of the problem, else with the text.
pub(crate) async fn told(answer: Response) -> String {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let problem = serde_json::from_str::<Value>(&text).ok();
    let name = problem.as_ref().and_then(|problem| problem["type"].as_str());
    let name = name.and_then(|name| name.strip_prefix("urn:flexsecure:problem:"));
    format!("{status} {}", name.unwrap_or(&text))
}

pub(crate) const ASKED: &str = "401 step-up-required";
pub(crate) const NOBODY: &str = "401 identification-required";
