//! Requests whose bodies are sent as far as the server takes them, over HTTP/1.1 and HTTP/2.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::Answer;
use crate::connection::Connection;

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct Streamed {
    sent: Arc<AtomicUsize>,
    answer: JoinHandle<Answer>,
}

impl Streamed {
    /// Over HTTP/1.1: `head` is sent as it is, with its last line.
    pub(crate) async fn over_http1(address: SocketAddr, head: &[u8], mut body: Bytes) -> Self {
        let stream = TcpStream::connect(address).await.expect("the subject accepts connections");
        let (reading, mut writing) = stream.into_split();
        let (sent, head) = (Arc::new(AtomicUsize::new(0)), head.to_vec());
        let counted = Arc::clone(&sent);
        let writer = tokio::spawn(async move {
            writing.write_all(&head).await.expect("a head");
            while !body.is_empty() {
                let Ok(length @ 1..) = writing.write(&body).await else { break };
                counted.fetch_add(length, Ordering::SeqCst);
                let _sent = body.split_to(length);
            }
            writing
        });
        let answer = tokio::spawn(async move {
            let mut connection = Connection::reading(reading);
            loop {
                let answer = connection.read_answer(false).await.expect("an answer");
                // An interim answer is not yet one (RFC 9110, section 15.2).
                if answer.status >= 200 {
                    writer.abort();
                    return answer;
                }
            }
        });
        Self { sent, answer }
    }

    /// Over HTTP/2, on a connection of its own.
    pub(crate) async fn over_http2(
        address: SocketAddr,
        head: http::Request<()>,
        body: Bytes,
    ) -> Self {
        let stream = TcpStream::connect(address).await.expect("the subject accepts connections");
        let (client, connection) = h2::client::handshake(stream).await.expect("HTTP/2");
        tokio::spawn(connection);
        let mut client = client.ready().await.expect("a connection");
        let (answer, sender) = client.send_request(head, body.is_empty()).expect("a request");
        let sent = Arc::new(AtomicUsize::new(0));
        let writer = tokio::spawn(write(sender, body, Arc::clone(&sent)));
        let answer = tokio::spawn(async move {
            let answer = read(answer.await.expect("an answer")).await;
            // The connection ends with its last handle.
            drop((client, writer));
            answer
        });
        Self { sent, answer }
    }

    /// How much of the body has been taken from this side, once that is no more for a while.
    pub(crate) async fn settled(&self) -> usize {
        let mut before = (0, 0);
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let sent = self.sent.load(Ordering::SeqCst);
            before = if sent == before.0 { (sent, before.1 + 1) } else { (sent, 0) };
            if sent > 0 && before.1 == 5 {
                return sent;
            }
        }
    }

    /// The answer.
    pub(crate) async fn answer(self) -> Answer {
        let answered = tokio::time::timeout(LONGEST_ANSWER, self.answer).await;
        answered.expect("in time").expect("an answer")
    }
}

async fn write(mut sender: h2::SendStream<Bytes>, mut body: Bytes, sent: Arc<AtomicUsize>) {
    while !body.is_empty() {
        sender.reserve_capacity(body.len());
        // A server that has answered may reset what it does not want to read.
        let Some(Ok(room)) = poll_fn(|cx| sender.poll_capacity(cx)).await else { return };
        let part = body.split_to(room.min(body.len()));
        sent.fetch_add(part.len(), Ordering::SeqCst);
        if sender.send_data(part, body.is_empty()).is_err() {
            return;
        }
    }
}

async fn read(answer: http::Response<h2::RecvStream>) -> Answer {
    let (head, mut stream) = answer.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(part)) = stream.data().await {
        stream.flow_control().release_capacity(part.len()).expect("what was taken");
        body.extend_from_slice(&part);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    if let Ok(Some(trailers)) = stream.trailers().await {
        headers.extend(trailers.iter().map(|(name, value)| (name.to_string(), text(value))));
    }
    Answer { status: head.status.as_u16(), headers, body }
}

const LONGEST_ANSWER: Duration = Duration::from_secs(60);
