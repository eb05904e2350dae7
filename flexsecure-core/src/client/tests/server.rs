//! A server that says whatever a test has it say.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What it was asked, in order.
#[derive(Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<Request>>>);

#[derive(Clone, Debug)]
pub(super) struct Request {
    /// Method and path, such as `GET /balance`.
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) heard: Heard,
}

/// An answer in full, but for one that goes on for as long as it is read.
pub(super) enum Answer {
    Whole(String),
    Endless(String),
    /// The connection is closed without a word.
    Nothing,
}

impl Request {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Heard {
    pub(super) fn all(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.all().into_iter().map(|request| request.line).collect()
    }

    pub(super) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|heard| *heard == line).count()
    }
}

impl Server {
    /// One whose answers depend on all it was asked so far, the last being what to answer.
    pub(super) async fn start(
        answer: impl Fn(&[Request]) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Heard::default();
        let (known, answer) = (heard.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (known, answer) = (known.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    // A client may leave whenever it likes.
                    let _ = serve(stream, &known, &*answer).await;
                });
            }
        });
        Self { address, heard }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

pub(super) fn answer(status: u16, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Whole(format!(
        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    ))
}

async fn serve(
    stream: TcpStream,
    heard: &Heard,
    answer: &(dyn Fn(&[Request]) -> Answer + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut headers = Vec::new();
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.parse().unwrap();
        }
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request { line, headers, body: String::from_utf8(body).unwrap() };
    let answer = {
        let mut heard = heard.0.lock().unwrap();
        heard.push(request);
        answer(&heard)
    };
    match answer {
        Answer::Whole(text) => stream.write_all(text.as_bytes()).await?,
        Answer::Endless(head) => {
            stream.write_all(head.as_bytes()).await?;
            loop {
                stream.write_all(&[b' '; 4096]).await?;
            }
        }
        Answer::Nothing => {}
    }
    stream.shutdown().await
}
