//! Many requests over few connections.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{Answer, is};
use crate::connection::Connection;

/// A connection for one request after the other, opened anew whenever the server has closed it.
pub(crate) struct KeepAlive {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl KeepAlive {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// What is answered to `bytes`, if anything is before the connection is closed.
    pub(crate) async fn send(&mut self, method: &str, bytes: &[u8]) -> Option<Answer> {
        if method != "CONNECT"
            && let Some(connection) = self.connection.take()
            && let Some(answer) = self.exchange(connection, method, bytes).await
        {
            return Some(answer);
        }
        let connection = Connection::open(self.address).await;
        self.exchange(connection, method, bytes).await
    }

    async fn exchange(
        &mut self,
        mut connection: Connection,
        method: &str,
        bytes: &[u8],
    ) -> Option<Answer> {
        connection.write(bytes).await;
        let is_tunnel = method == "CONNECT";
        let longest = if is_tunnel { LONGEST_SILENCE } else { LONGEST_ANSWER };
        let answer = connection.read_answer(method == "HEAD");
        let answer = match tokio::time::timeout(longest, answer).await {
            Ok(answer) => answer?,
            Err(_) if is_tunnel => return None,
            Err(_) => panic!("no answer to {}", String::from_utf8_lossy(bytes)),
        };
        let is_closed = answer.header("connection").is_some_and(|value| is(value, "close"));
        if !is_closed && !is_tunnel {
            self.connection = Some(connection);
        }
        Some(answer)
    }
}

/// A server may take whatever follows for the tunnel's, and wait for it to end.
const LONGEST_SILENCE: Duration = Duration::from_millis(500);

const LONGEST_ANSWER: Duration = Duration::from_secs(30);
