//! Where one message ends and the next begins, on connections of which a relay knows nothing else.

use crate::client::is;

/// What is spoken on a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1
    Http,
    /// What Redis speaks, in its second or third version.
    Redis,
}

impl Protocol {
    /// The length of the first request in `bytes`, once all of it is there.
    pub(super) fn request(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Http => http(bytes),
            Self::Redis => redis(bytes),
        }
    }

    /// The length of the first answer in `bytes`, once all of it is there.
    pub(super) fn reply(self, bytes: &[u8]) -> Option<usize> {
        self.request(bytes)
    }

    /// Whether `message` answers a request; a server of Redis also tells things unasked.
    pub(super) fn is_reply(self, message: &[u8]) -> bool {
        match self {
            Self::Http => !message.starts_with(b"HTTP/1.1 1"),
            Self::Redis => message.first() != Some(&b'>'),
        }
    }

    /// Whether `reply` says that nothing was done because the script of the request is not known yet.
    pub(super) fn is_to_be_repeated(self, reply: &[u8]) -> bool {
        self == Self::Redis && reply.starts_with(b"-NOSCRIPT")
    }
}

fn http(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]);
    let mut headers = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    let framing =
        headers.find(|(name, _)| is(name, "content-length") || is(name, "transfer-encoding"));
    let body = match framing {
        None => 0,
        Some((name, value)) if is(name, "content-length") => value.trim().parse().ok()?,
        Some(_) => chunks(&bytes[head..])?,
    };
    (bytes.len() >= head + body).then_some(head + body)
}

fn chunks(bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    loop {
        let (line, size) = line(&bytes[length..])?;
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        length += line + size + 2;
        if size == 0 {
            return (bytes.len() >= length).then_some(length);
        }
        bytes.get(length..)?;
    }
}

/// RESP2 and RESP3: one value, with whatever is in it.
fn redis(bytes: &[u8]) -> Option<usize> {
    let (line, text) = line(bytes)?;
    let (kind, number) = text.split_first()?;
    let number = || std::str::from_utf8(number).ok()?.parse::<i64>().ok();
    match kind {
        b'$' | b'!' | b'=' => {
            let length = usize::try_from(number()?).map_or(0, |length| length + 2);
            (bytes.len() >= line + length).then_some(line + length)
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let pairs = if matches!(kind, b'%' | b'|') { 2 } else { 1 };
            let count = usize::try_from(number()?).unwrap_or_default() * pairs;
            // An attribute stands before the value that it is one of.
            let count = count + usize::from(*kind == b'|');
            (0..count).try_fold(line, |length, _| Some(length + redis(&bytes[length..])?))
        }
        _ => Some(line),
    }
}

/// The first line, with and without its end.
fn line(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    Some((end + 2, &bytes[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_where_it_says() {
        for (protocol, message) in [
            (Protocol::Http, "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
            (Protocol::Http, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"),
            (
                Protocol::Http,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            ),
            (Protocol::Redis, "*2\r\n$4\r\nPING\r\n$0\r\n\r\n"),
            (Protocol::Redis, "%1\r\n+a\r\n*1\r\n_\r\n"),
            (Protocol::Redis, "$-1\r\n"),
            (Protocol::Redis, "-NOSCRIPT No matching script.\r\n"),
            (Protocol::Redis, ">3\r\n+message\r\n$1\r\na\r\n:1\r\n"),
        ] {
            let twice = format!("{message}{message}");
            assert_eq!(protocol.request(twice.as_bytes()), Some(message.len()), "{message:?}");
            for length in 0..message.len() {
                assert_eq!(protocol.request(&message.as_bytes()[..length]), None, "{message:?}");
            }
        }
    }
}
