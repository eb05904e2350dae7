//! An authority on a real socket that answers with whatever bytes a test wants.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// What to do about a request.
#[derive(Clone)]
pub(super) enum Act {
    /// Write the bytes and read the next request.
    Write(Vec<u8>),
    /// Write the bytes and close.
    Close(Vec<u8>),
    /// Write the bytes and never say another word.
    Stall(Vec<u8>),
    /// Write the bytes once the test allows it.
    Await(Arc<Notify>, Vec<u8>),
    /// Write the first bytes, then the second without end.
    Flood(Vec<u8>, Vec<u8>),
    /// Reset the connection.
    Reset(Vec<u8>),
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    connections: Arc<AtomicUsize>,
    written: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Fake {
    pub(super) async fn new(script: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let written = Arc::new(AtomicUsize::new(0));
        let script = Arc::new(script);
        let seen = (requests.clone(), connections.clone(), written.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.1.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, script.clone(), seen.0.clone(), seen.2.clone()));
            }
        });
        Self { address, requests, connections, written, accepting }
    }

    pub(super) async fn always(act: Act) -> Self {
        Self::new(move |_| act.clone()).await
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn count(&self, path: &str) -> usize {
        let line = format!(" {path} ");
        self.requests().iter().filter(|request| request.line.contains(&line)).count()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many bytes of a flood went out.
    pub(super) fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    script: Arc<impl Fn(&Request) -> Act>,
    requests: Arc<Mutex<Vec<Request>>>,
    written: Arc<AtomicUsize>,
) {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await {
        requests.lock().unwrap().push(request.clone());
        match script(&request) {
            Act::Write(bytes) => stream.write_all(&bytes).await.unwrap_or_default(),
            Act::Close(bytes) => {
                stream.write_all(&bytes).await.unwrap_or_default();
                return;
            }
            Act::Stall(bytes) => {
                stream.write_all(&bytes).await.unwrap_or_default();
                std::future::pending::<()>().await;
            }
            Act::Await(allowed, bytes) => {
                allowed.notified().await;
                stream.write_all(&bytes).await.unwrap_or_default();
            }
            Act::Flood(head, drop) => {
                stream.write_all(&head).await.unwrap_or_default();
                while stream.write_all(&drop).await.is_ok() {
                    written.fetch_add(drop.len(), Ordering::SeqCst);
                }
                return;
            }
            Act::Reset(bytes) => {
                stream.write_all(&bytes).await.unwrap_or_default();
                stream.set_zero_linger().unwrap();
                return;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some(request) = parse(buffer) {
            return Some(request);
        }
        if stream.read_buf(buffer).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

fn parse(buffer: &mut Vec<u8>) -> Option<Request> {
    let text = String::from_utf8(buffer.clone()).unwrap();
    let (head, rest) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (body, rest) = rest.split_at_checked(length.map_or(0, |(_, n)| n.parse().unwrap()))?;
    *buffer = rest.as_bytes().to_vec();
    Some(Request { line, headers, body: body.to_owned() })
}

pub(super) fn response(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

pub(super) fn json(status: u16, body: &str) -> Act {
    Act::Write(response(status, "content-type: application/json\r\n", body.as_bytes()))
}

pub(super) fn capable() -> Act {
    json(200, r#"{"txn":true,"match":true,"wait":30,"idempotency":true}"#)
}

/// Long enough for a loopback socket, short enough to be waited out.
pub(super) const TINY: Duration = Duration::from_millis(400);
