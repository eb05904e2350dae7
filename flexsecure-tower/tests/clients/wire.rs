use std::net::SocketAddr;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Serves `app` until the test is over.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

/// What was answered on an HTTP/1.1 connection, and the connection.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The lines of the head but for the date, in the order of the alphabet.
    pub(crate) head: Vec<String>,
    pub(crate) status: u16,
    pub(crate) rest: TcpStream,
}

impl Reply {
    /// Sends `lines` as a request without a body, and reads the head of the answer.
    pub(crate) async fn to(address: SocketAddr, lines: &[&str]) -> Self {
        let mut rest = TcpStream::connect(address).await.unwrap();
        let request = format!("{}\r\nhost: {address}\r\n\r\n", lines.join("\r\n"));
        rest.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(rest.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let lines = head.trim_end().split("\r\n").skip(1);
        let mut head: Vec<_> =
            lines.filter(|line| !line.starts_with("date:")).map(str::to_owned).collect();
        head.sort_unstable();
        Self { head, status, rest }
    }

    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.iter().filter_map(|line| line.split_once(": "));
        pairs.filter(|(known, _)| *known == name).map(|(_, value)| value).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// All that comes until the server closes the connection, as it was asked to.
    pub(crate) async fn body(mut self) -> String {
        let mut body = String::new();
        self.rest.read_to_string(&mut body).await.unwrap();
        body
    }
}
