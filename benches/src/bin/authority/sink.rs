//! A mail server that takes everything, and hands what is in a mail to whoever waits for it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::spawn_local;

/// Whose mail is waited for, and how many came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mailbox(Rc<Awaited>);

#[derive(Debug, Default)]
struct Awaited {
    secrets: RefCell<HashMap<String, oneshot::Sender<String>>>,
    mails: Cell<u64>,
}

impl Mailbox {
    /// Listens on the loopback interface until the program ends.
    pub(crate) async fn open() -> std::io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mailbox = Self::default();
        let taking = mailbox.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                spawn_local(converse(stream, taking.clone()));
            }
        });
        Ok((mailbox, address))
    }

    /// The PIN, or the last part of the link, of the next mail to `address`.
    pub(crate) fn expect(&self, address: &str) -> oneshot::Receiver<String> {
        let (sender, receiver) = oneshot::channel();
        self.0.secrets.borrow_mut().insert(address.to_owned(), sender);
        receiver
    }

    /// How many mails have come.
    pub(crate) fn mails(&self) -> u64 {
        self.0.mails.get()
    }

    fn put(&self, to: &str, mail: &str) {
        self.0.mails.set(self.mails().saturating_add(1));
        let awaited = self.0.secrets.borrow_mut().remove(to);
        if let (Some(awaited), Some(secret)) = (awaited, secret(mail)) {
            // Whoever waited may have given up.
            let _ = awaited.send(secret.to_owned());
        }
    }
}

/// The server's side of RFC 5321, as far as a relay needs it.
async fn converse(stream: TcpStream, mailbox: Mailbox) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let (mut line, mut to, mut mail) = (String::new(), String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "RCPT" => {
                let address = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
                to = address.map(|(address, _)| address.to_owned()).unwrap_or_default();
                b"250 ok\r\n"
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                mail.clear();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await.ok()? == 0 {
                        return None;
                    }
                }
                mailbox.put(&to, &mail);
                b"250 ok\r\n"
            }
            "QUIT" => return stream.write_all(b"221 bye\r\n").await.ok(),
            _ => b"250 ok\r\n",
        };
        stream.write_all(answer).await.ok()?;
    }
}

/// The word of a mail that it is about.
fn secret(mail: &str) -> Option<&str> {
    let (_, text) = mail.split_once("\r\n\r\n")?;
    text.split_whitespace().find_map(|word| {
        let is_pin = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
        if is_pin { Some(word) } else { word.split_once("/a/").map(|(_, token)| token) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_about_a_pin_or_a_link() {
        let pin = "Message-ID: 11111111\r\n\r\nYour PIN for bank 7 is\r\n\r\n    12345678\r\n.\r\n";
        assert_eq!(secret(pin), Some("12345678"));
        let link = "To: a\r\n\r\nOpen\r\n\r\n    http://localhost/a/t-0_k\r\n\r\nsoon.\r\n.\r\n";
        assert_eq!(secret(link), Some("t-0_k"));
        assert_eq!(secret("To: a\r\n\r\nnothing\r\n.\r\n"), None);
    }
}
