//! An HTTP/1.1 client that costs next to nothing: one connection, one request at a time.

use std::net::SocketAddr;
use std::str;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that is kept open. What is answered without a length is not understood.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("no connection to {address}: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, buffer: Vec::with_capacity(2048) })
    }

    /// Sends a whole request, and gives the whole reply.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<Reply, String> {
        let lost = |error: std::io::Error| format!("the connection was lost: {error}");
        self.stream.write_all(request.as_bytes()).await.map_err(lost)?;
        self.buffer.clear();
        loop {
            if let Some(reply) = reply(&self.buffer)? {
                return Ok(reply);
            }
            if self.stream.read_buf(&mut self.buffer).await.map_err(lost)? == 0 {
                return Err("the connection was closed".to_owned());
            }
        }
    }
}

/// None as long as there is too little of it.
fn reply(bytes: &[u8]) -> Result<Option<Reply>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, rest) = bytes.split_at(end);
    let head = str::from_utf8(head).map_err(|error| error.to_string())?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| format!("no status in {head:?}"))?;
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let length = length.ok_or_else(|| format!("no length in {head:?}"))?;
    let body = rest.get(4..).unwrap_or_default();
    let Some(body) = body.get(..length) else { return Ok(None) };
    Ok(Some(Reply { status, body: String::from_utf8_lossy(body).into_owned() }))
}

impl Reply {
    /// A text in a flat JSON object without escapes, as `txn`.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!("\"{name}\":\""))?;
        Some(rest.split_once('"')?.0)
    }

    /// Itself, if it says what was expected.
    pub(crate) fn expect(self, result: &str) -> Result<Self, String> {
        if self.status == 200 && self.text("result") == Some(result) {
            return Ok(self);
        }
        Err(format!("{result} was expected, not {} {}", self.status, self.body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_or_not_there_yet() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 24\r\nx: y\r\n\r\n{\"result\":\"ok\",\"n\":\"12\"}";
        for end in 0..whole.len() {
            assert!(reply(&whole[..end]).unwrap().is_none(), "{end}");
        }
        let reply = reply(whole).unwrap().unwrap().expect("ok").unwrap();
        assert_eq!((reply.status, reply.text("n"), reply.text("m")), (200, Some("12"), None));
        assert!(reply.expect("pending").unwrap_err().starts_with("pending was expected, not 200"));
    }
}
