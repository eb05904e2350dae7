//! A client that shows exactly what was answered: status, headers in their order, bytes.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One browser or program: an address and the cookies it holds.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    cookies: Vec<(String, String)>,
}

/// A request to be sent as it stands.
#[derive(Clone, Debug)]
#[must_use]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What was answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names as they were sent, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, without the framing of the connection.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `address` that holds no cookies.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        Self { address, cookies: Vec::new() }
    }

    /// The same cookies at another server.
    #[must_use]
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, cookies: self.cookies.clone() }
    }

    /// Names and values of the cookies it holds.
    #[must_use]
    pub fn cookies(&self) -> &[(String, String)] {
        &self.cookies
    }

    /// Changes the value of every cookie.
    pub fn tamper(&mut self, change: impl Fn(&str) -> String) {
        for (_, value) in &mut self.cookies {
            *value = change(value);
        }
    }

    /// Sends `request` and takes over the cookies it is given.
    pub async fn send(&mut self, request: Request) -> Answer {
        let answer = self.peek(request).await;
        for (_, value) in answer.headers.iter().filter(|(name, _)| is(name, "set-cookie")) {
            self.take_cookie(value);
        }
        answer
    }

    /// Sends `request` and leaves the cookies as they are, so that many can be on their way.
    pub async fn peek(&self, request: Request) -> Answer {
        let is_head = request.method == "HEAD";
        let bytes = self.wire_form(&request);
        let answered = tokio::time::timeout(LONGEST_ANSWER, exchange(self.address, bytes, is_head));
        answered.await.unwrap_or_else(|_| {
            panic!("no answer to {} {} in {LONGEST_ANSWER:?}", request.method, request.target)
        })
    }

    /// `GET path`.
    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path)).await
    }

    /// `POST path` with `body` as JSON.
    pub async fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.send(Request::post(path).json(body)).await
    }

    /// The request as it goes over the wire, cookies included.
    #[must_use]
    pub fn wire_form(&self, request: &Request) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        };
        if !request.has("host") {
            line("host", &self.address.to_string());
        }
        if !self.cookies.is_empty() && !request.has("cookie") {
            let pairs: Vec<_> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            line("cookie", &pairs.join("; "));
        }
        for (name, value) in &request.headers {
            line(name, value);
        }
        let needs_length = !matches!(&*request.method, "GET" | "HEAD" | "DELETE" | "OPTIONS");
        if (needs_length || !request.body.is_empty()) && !request.has("transfer-encoding") {
            line("content-length", &request.body.len().to_string());
        }
        head.push_str("\r\n");
        [head.into_bytes(), request.body.clone()].concat()
    }

    /// Sends `bytes` over one connection, and reads `count` answers to requests that have bodies.
    pub async fn pipeline(&self, bytes: Vec<u8>, count: usize) -> Vec<Answer> {
        let mut connection = Connection::open(self.address).await;
        connection.write(&bytes).await;
        let mut answers = Vec::new();
        while answers.len() < count {
            match connection.read_answer(false).await {
                Some(answer) => answers.push(answer),
                None => break,
            }
        }
        answers
    }

    fn take_cookie(&mut self, set_cookie: &str) {
        let mut parts = set_cookie.split(';').map(str::trim);
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie");
        self.cookies.retain(|(held, _)| held != name);
        let is_removal =
            value.is_empty() || parts.any(|part| part.eq_ignore_ascii_case("max-age=0"));
        if !is_removal {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }
}

impl Request {
    /// A request with `method` in capitals and the target as it stands.
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// `POST path`.
    pub fn post(path: &str) -> Self {
        Self::new("POST", path)
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Waits for news up to `seconds` (RFC 7240).
    pub fn wait(self, seconds: u32) -> Self {
        self.header("prefer", &format!("wait={seconds}"))
    }

    /// As a browser that follows a link or submits a form of the same site.
    pub fn navigate(self) -> Self {
        self.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", "same-origin")
    }

    /// A JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// A form as a body.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.body("application/x-www-form-urlencoded", form)
    }

    /// A body of any type.
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self.header("content-type", content_type)
    }

    /// A body of no type.
    pub fn untyped(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(held, _)| is(held, name))
    }
}

impl Answer {
    /// The first header called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| is(held, name)).map(|(_, value)| &**value)
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Itself, if it has `status`.
    #[must_use = "or call `assert_status`"]
    #[track_caller]
    pub fn with(self, status: u16) -> Self {
        self.assert_status(status);
        self
    }

    /// Fails unless it has `status`.
    #[track_caller]
    pub fn assert_status(&self, status: u16) {
        assert_eq!(self.status, status, "{self:?}");
    }

    /// Fails unless it is the problem called `name`, complete in itself (RFC 9457).
    #[track_caller]
    pub fn assert_problem(&self, status: u16, name: &str) {
        self.assert_status(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:flexsecure:problem:{name}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{self:?}");
    }

    /// The seconds of `Retry-After`, of which there is at least one.
    #[track_caller]
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        let seconds = self.header("retry-after").unwrap_or_else(|| panic!("no wait in {self:?}"));
        let seconds = seconds.parse().unwrap_or_else(|_| panic!("no seconds in {self:?}"));
        assert!(seconds > 0, "{self:?}");
        seconds
    }

    /// All but the date and what concerns the connection alone (RFC 9110, section 7.6.1), in an
    /// order that does not depend on the server.
    #[must_use]
    pub fn comparable_headers(&self) -> Vec<(String, String)> {
        let mut headers = self.headers.clone();
        headers.retain(|(name, _)| !is(name, "date") && !is(name, "connection"));
        headers.sort();
        headers
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        write!(f, "\n{}", String::from_utf8_lossy(&self.body))
    }
}

/// A connection, and what was read of it and not used yet.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the subject accepts connections");
        Self { stream, read: Vec::new() }
    }

    /// A server that answers before it has read all may close early: the answer tells.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn read_answer(&mut self, is_head: bool) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end;
            }
            if !self.read_more().await {
                assert!(self.read.is_empty(), "a broken answer: {:?}", self.read);
                return None;
            }
        };
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).expect("a plain head");
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().expect("a status line");
        let status = status_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {status_line:?}"));
        let headers = lines
            .map(|line| line.split_once(':').expect("a header"))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        let has_body = !is_head && status >= 200 && !matches!(status, 204 | 304);
        if has_body {
            answer.body = self.read_body(&answer).await;
        }
        Some(answer)
    }

    async fn read_body(&mut self, answer: &Answer) -> Vec<u8> {
        if answer.header("transfer-encoding").is_some_and(|value| is(value, "chunked")) {
            return self.read_chunks().await;
        }
        if let Some(length) = answer.header("content-length") {
            let length = length.parse().expect("a length");
            self.fill(length).await;
            return self.read.drain(..length).collect();
        }
        while self.read_more().await {}
        std::mem::take(&mut self.read)
    }

    async fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(end) = find(&self.read, b"\r\n") {
                    break end;
                }
                assert!(self.read_more().await, "a chunk is missing");
            };
            let line: Vec<u8> = self.read.drain(..end + 2).collect();
            let size = std::str::from_utf8(&line[..end]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a size");
            self.fill(size + 2).await;
            body.extend(self.read.drain(..size));
            self.read.drain(..2);
            if size == 0 {
                return body;
            }
        }
    }

    async fn fill(&mut self, length: usize) {
        while self.read.len() < length {
            assert!(self.read_more().await, "a body breaks off: {:?}", self.read);
        }
    }

    async fn read_more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(1..))
    }
}

async fn exchange(address: SocketAddr, bytes: Vec<u8>, is_head: bool) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.write(&bytes).await;
    connection.read_answer(is_head).await.expect("an answer")
}

fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Beyond any wait that a subject may take: what takes longer hangs.
const LONGEST_ANSWER: Duration = Duration::from_secs(90);
