//! The clients: a socket for each request, and one request for each user.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::PATIENCE;
use crate::population::user;

/// Clients that are about to ask, or have asked.
#[derive(Debug)]
pub(super) struct Clients {
    address: SocketAddr,
    users: std::ops::Range<usize>,
    sent: Vec<TcpStream>,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// How many were held and then let through.
    pub(super) right: usize,
    /// The first that was not.
    pub(super) wrong: Option<String>,
}

impl Clients {
    /// A client for each of `many` users, of whom `first` have asked before.
    pub(super) fn connect(address: SocketAddr, first: usize, many: usize) -> Self {
        Self { address, users: first..first.saturating_add(many), sent: Vec::new() }
    }

    /// Has them ask without wanting to wait, and waits until all are refused.
    pub(super) async fn first_refused(self) {
        for number in self.users {
            let mut client = TcpStream::connect(self.address).await.unwrap();
            let answer = async {
                client.write_all(request(number, "").as_bytes()).await?;
                answer(&mut client).await
            };
            let answer = answer.await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 "), "nobody has a proof yet: {answer}");
        }
    }

    /// Has them ask to be held.
    pub(super) async fn sent(mut self) -> Self {
        let (address, mut sending) = (self.address, JoinSet::new());
        // More would overrun what a listener lets wait for it.
        let at_a_time = Arc::new(Semaphore::new(100));
        for number in self.users.clone() {
            let at_a_time = Arc::clone(&at_a_time);
            sending.spawn(async move {
                let _permit = at_a_time.acquire().await.unwrap();
                let mut client = TcpStream::connect(address).await.unwrap();
                let request = request(number, "prefer: wait=60\r\n");
                client.write_all(request.as_bytes()).await.unwrap();
                client
            });
        }
        self.sent = sending.join_all().await;
        self
    }

    /// Waits until each is answered.
    pub(super) async fn answers(self) -> Answers {
        let mut reading = JoinSet::new();
        for mut client in self.sent {
            reading.spawn(async move {
                let answer = timeout(PATIENCE, answer(&mut client)).await;
                match answer {
                    Ok(Ok(answer)) if is_right(&answer) => None,
                    Ok(Ok(answer)) => Some(answer),
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(late) => Some(late.to_string()),
                }
            });
        }
        let mut answers = Answers::default();
        for wrong in reading.join_all().await {
            match wrong {
                None => answers.right = answers.right.saturating_add(1),
                Some(wrong) => answers.wrong = answers.wrong.or(Some(wrong)),
            }
        }
        answers
    }
}

fn is_right(answer: &str) -> bool {
    let head = answer.to_ascii_lowercase();
    head.starts_with("http/1.1 200 ") && head.contains("\r\npreference-applied: wait=60\r\n")
}

fn request(number: usize, header: &str) -> String {
    let user = user(number);
    format!(
        "POST /transfers HTTP/1.1\r\nhost: bank.example\r\nx-user: {user}\r\n{header}\
         content-length: 0\r\nconnection: close\r\n\r\n"
    )
}

/// All that comes until the server closes the connection, as it was asked to.
async fn answer(client: &mut TcpStream) -> std::io::Result<String> {
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    Ok(answer)
}
