//! HTTP/1.1 on the wire.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Answer, is};

/// A connection, and what was read of it and not used yet.
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the subject accepts connections");
        Self { stream, read: Vec::new() }
    }

    /// A server that answers before it has read all may close early: the answer tells.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }
}

impl<S: AsyncRead + Unpin> Connection<S> {
    /// What is read of a connection to which somebody else writes.
    pub(crate) const fn reading(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn read_answer(&mut self, is_head: bool) -> Option<Answer> {
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

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
