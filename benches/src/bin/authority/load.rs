//! What the clients of an authority do: many at a time, each waiting for its answer.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::Connection;
use crate::latencies::Latencies;
use crate::population::{self, LINK_SYSTEM, PIN_SYSTEM};
use crate::sink::Mailbox;

/// A server under load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) mailbox: Mailbox,
    pub(crate) users: u64,
    pub(crate) clients: usize,
    /// Nothing that v1 does not know.
    pub(crate) is_v1: bool,
    key: String,
    started: Cell<u64>,
}

/// A challenge that is under way.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) system: &'static str,
    pub(crate) user: String,
    pub(crate) txn: String,
    /// The two digits of a link.
    pub(crate) number: Option<String>,
    pub(crate) secret: oneshot::Receiver<String>,
}

/// When to end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) count: u64,
    pub(crate) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) elapsed: Duration,
    pub(crate) latencies: Latencies,
    pub(crate) failures: Vec<String>,
}

impl Load {
    pub(crate) fn new(
        address: SocketAddr,
        key: String,
        mailbox: Mailbox,
        users: u64,
        clients: usize,
        is_v1: bool,
    ) -> Rc<Self> {
        let started = Cell::new(0);
        Rc::new(Self { address, key, mailbox, users, clients, is_v1, started })
    }

    /// How many more can be started before a limit is met: 5 in 10 minutes for each user, of which
    /// one is left alone. To v1, a second one is a repetition that nothing is sent for.
    pub(crate) fn starts_left(&self) -> u64 {
        let each = if self.is_v1 { 1 } else { STARTS_OF_USER };
        self.users.saturating_mul(each).saturating_sub(self.started.get())
    }

    /// Starts a challenge of the next user, so that each has as many as any other.
    pub(crate) async fn start(&self, connection: &mut Connection) -> Result<Challenge, String> {
        let serial = self.started.get();
        self.started.set(serial.saturating_add(1));
        let number = serial.checked_rem(self.users).unwrap_or_default();
        self.start_of(connection, PIN_SYSTEM, population::user(number), serial).await
    }

    /// Starts a challenge that no other start repeats, and so none is answered with.
    pub(crate) async fn start_apart(&self, connection: &mut Connection) -> Result<(), String> {
        let user = population::user(0);
        self.start_of(connection, PIN_SYSTEM, user, u64::MAX).await.map(drop)
    }

    /// Starts a challenge of a user who confirms by link.
    pub(crate) async fn start_link(
        &self,
        connection: &mut Connection,
        number: u64,
    ) -> Result<Challenge, String> {
        self.start_of(connection, LINK_SYSTEM, population::link_user(number), number).await
    }

    async fn start_of(
        &self,
        connection: &mut Connection,
        system: &'static str,
        user: String,
        serial: u64,
    ) -> Result<Challenge, String> {
        let secret = self.mailbox.expect(&population::address(&user));
        let request = self.start_request(system, &user, serial);
        let reply = connection.ask(&request).await?.expect("success")?;
        let txn = reply.text("txn").unwrap_or_default().to_owned();
        let number = reply.text("match").map(str::to_owned);
        Ok(Challenge { system, user, txn, number, secret })
    }

    /// What a gate sends: all that there is to tell, another operation and address each time.
    fn start_request(&self, system: &str, user: &str, serial: u64) -> String {
        if self.is_v1 {
            let body = format!(r#"{{"system":"{system}","authid":"{user}"}}"#);
            return self.request("/v1/start", "", &body);
        }
        let [_, _, _, _, _, second, third, fourth] = serial.to_be_bytes();
        let body = format!(
            r#"{{"system":"{system}","authid":"{user}","operation":"Transfer 250.00 EUR, order {serial}","ip":"10.{second}.{third}.{fourth}","user_agent":"{USER_AGENT}","binding":"{serial:032x}"}}"#
        );
        let idempotency = format!("idempotency-key: {system}-{serial:032x}\r\n");
        self.request("/v1/start", &idempotency, &body)
    }

    /// A check without PIN, held for up to so many seconds if any.
    pub(crate) fn check_request(&self, challenge: &Challenge, wait: Option<u64>) -> String {
        let prefer = wait.map(|wait| format!("prefer: wait={wait}\r\n")).unwrap_or_default();
        self.request("/v1/check", &prefer, &self.check_body(challenge, ""))
    }

    /// A check with the PIN that came by mail.
    pub(crate) fn pin_request(&self, challenge: &Challenge, pin: &str) -> String {
        self.request("/v1/check", "", &self.check_body(challenge, &format!(r#","pin":{pin}"#)))
    }

    fn check_body(&self, challenge: &Challenge, pin: &str) -> String {
        let Challenge { system, user, txn, .. } = challenge;
        let txn = if self.is_v1 { String::new() } else { format!(r#","txn":"{txn}""#) };
        format!(r#"{{"system":"{system}","authid":"{user}"{txn}{pin}}}"#)
    }

    fn request(&self, path: &str, headers: &str, body: &str) -> String {
        format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\napikey: {}\r\n\
             {headers}content-length: {}\r\n\r\n{body}",
            self.address,
            self.key,
            body.len(),
        )
    }

    /// The form that a person sends from the page behind a link.
    pub(crate) fn approval(&self, token: &str, number: &str) -> String {
        let body = format!("match={number}&action=approve");
        format!(
            "POST /a/{token} HTTP/1.1\r\nhost: {}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.address,
            body.len(),
        )
    }

    /// Has all clients do something over and over, each on a connection of its own.
    pub(crate) async fn drive<F>(self: &Rc<Self>, limit: Limit, operation: F) -> Run
    where
        F: AsyncFn(&mut Connection) -> Result<(), String> + 'static,
    {
        let operation = Rc::new(operation);
        let left = Rc::new(Cell::new(limit.count));
        let began = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..self.clients {
            let (operation, left) = (Rc::clone(&operation), Rc::clone(&left));
            let address = self.address;
            clients.spawn_local(async move {
                let (mut taken, mut failures) = (vec![], vec![]);
                let mut connection = match Connection::open(address).await {
                    Ok(connection) => connection,
                    Err(error) => return (taken, vec![error]),
                };
                while began.elapsed() < limit.time && failures.len() < FAILURES_OF_CLIENT {
                    let Some(rest) = left.get().checked_sub(1) else { break };
                    left.set(rest);
                    let asked = Instant::now();
                    match timeout(PATIENCE, operation(&mut connection)).await {
                        Ok(Ok(())) => taken.push(asked.elapsed()),
                        Ok(Err(error)) => failures.push(error),
                        Err(_) => failures.push("there was no answer, or no mail".to_owned()),
                    }
                }
                (taken, failures)
            });
        }
        let (mut latencies, mut failures) = (vec![], vec![]);
        for (taken, failed) in clients.join_all().await {
            latencies.extend(taken);
            failures.extend(failed);
        }
        Run { elapsed: began.elapsed(), latencies: Latencies::new(latencies), failures }
    }
}

/// Long enough for any answer but that to a long poll.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
const STARTS_OF_USER: u64 = 4;
/// A server that fails this often is not measured any further.
const FAILURES_OF_CLIENT: usize = 3;
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
