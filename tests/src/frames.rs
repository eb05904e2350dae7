//! HTTP/2 frame by frame (RFC 9113), for requests that no client library would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How the server took a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It was answered.
    Answered,
    /// The stream was reset.
    Reset,
    /// The connection was ended.
    Ended,
}

/// Sends a request with exactly these header fields, in their order, over a connection of its own.
pub(crate) async fn send(address: SocketAddr, fields: &[(&str, &str)], body: &[u8]) -> Taken {
    let mut stream = TcpStream::connect(address).await.expect("the subject accepts connections");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal that is not indexed, with a name that is not either (RFC 7541, section 6.2.2).
        block.push(0);
        for text in [name, value] {
            block
                .push(u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("short"));
            block.extend(text.bytes());
        }
    }
    let end = if body.is_empty() { END_STREAM } else { 0 };
    bytes.extend(frame(HEADERS, END_HEADERS | end, 1, &block));
    if !body.is_empty() {
        bytes.extend(frame(DATA, END_STREAM, 1, body));
    }
    // A server that has seen enough may have closed already: what it says is read all the same.
    let _ = stream.write_all(&bytes).await;
    let taken = tokio::time::timeout(LONGEST_ANSWER, taken(&mut stream)).await;
    taken.unwrap_or_else(|_| panic!("no answer to {fields:?}"))
}

async fn taken(stream: &mut TcpStream) -> Taken {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return Taken::Ended;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        if stream.read_exact(&mut payload).await.is_err() {
            return Taken::Ended;
        }
        match head[3] {
            HEADERS | DATA if head[4] & END_STREAM != 0 => return Taken::Answered,
            RST_STREAM => return Taken::Reset,
            GOAWAY => return Taken::Ended,
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, stream];
    [&head, payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const LONGEST_ANSWER: Duration = Duration::from_secs(30);
