//! A client that shows exactly what was answered: status, headers in their order, bytes.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::connection::Connection;

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

    /// The server.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
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

    /// Sends `request` over `count` connections so that all of them arrive at once: their last bytes
    /// are held back until everything else is there.
    pub async fn volley(&self, request: &Request, count: usize) -> Vec<Answer> {
        let bytes = self.wire_form(request);
        let (most, last) = bytes.split_at(bytes.len() - 1);
        let mut connections = Vec::new();
        for _ in 0..count {
            let mut connection = Connection::open(self.address).await;
            connection.write(most).await;
            connections.push(connection);
        }
        for connection in &mut connections {
            connection.write(last).await;
        }
        let mut answers = Vec::new();
        for mut connection in connections {
            let answered = tokio::time::timeout(LONGEST_ANSWER, connection.read_answer(false));
            answers.push(answered.await.expect("in time").expect("an answer"));
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

    /// The body as HTML, with slashes as a browser reads them: a template escapes those, too.
    #[must_use]
    pub fn html(&self) -> String {
        self.text().replace("&#x2f;", "/")
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

async fn exchange(address: SocketAddr, bytes: Vec<u8>, is_head: bool) -> Answer {
    let mut connection = Connection::open(address).await;
    connection.write(&bytes).await;
    connection.read_answer(is_head).await.expect("an answer")
}

pub(crate) fn is(name: &str, wanted: &str) -> bool {
    name.eq_ignore_ascii_case(wanted)
}

/// Beyond any wait that a subject may take: what takes longer hangs.
const LONGEST_ANSWER: Duration = Duration::from_secs(90);
