//! What can go wrong between us and the authority, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;

use super::fake::{Act, Fake, TINY, json, response};
use super::{KEY, check, check_pin, hasty, start, v1};
use crate::authority::{Accepted, CheckReply, StartReply};

const NOT_STARTED: StartReply = StartReply::NotStarted { retry_after: None };
const NOT_SENT: CheckReply = CheckReply::Unavailable { retry_after: None, sent: false };
const LOST: CheckReply = CheckReply::Unavailable { retry_after: None, sent: true };
const AUTHENTICATED: &str = r#"{"result":"authenticated"}"#;

/// Nobody knows what came of it, be it a start or a check.
async fn expect_lost(act: Act) {
    let fake = Fake::always(act).await;
    let authority = hasty(&fake.url());
    assert_eq!(start(&authority).await, StartReply::Unknown);
    assert_eq!(check(&authority).await, LOST);
    assert_eq!(check_pin(&authority, "12345678").await, LOST);
    assert_eq!((fake.count("/v1/start"), fake.count("/v1/check")), (1, 2), "sent again");
}

async fn expect_not_sent(url: &str) {
    let authority = hasty(url);
    assert_eq!(start(&authority).await, NOT_STARTED);
    assert_eq!(check_pin(&authority, "12345678").await, NOT_SENT);
}

#[tokio::test]
async fn refused_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    expect_not_sent(&format!("http://{address}")).await;
}

#[tokio::test]
async fn unknown_name() {
    expect_not_sent("https://authority.invalid").await;
}

#[tokio::test]
async fn blackhole() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut backlog = Vec::new();
    while let Ok(stream) = tokio::time::timeout(TINY, TcpStream::connect(address)).await {
        backlog.push(stream.unwrap());
    }
    expect_not_sent(&format!("http://{address}")).await;
}

#[tokio::test]
async fn tls_to_a_plain_port() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut heard = Vec::new();
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut heard).await.unwrap();
            stream.write_all(&response(400, "", b"")).await.unwrap();
        }
        heard
    });
    expect_not_sent(&format!("https://{address}")).await;
    let heard = String::from_utf8_lossy(&server.await.unwrap()).into_owned();
    assert!(!heard.contains(KEY) && !heard.contains("12345678"));
}

#[tokio::test]
async fn tls_handshake_that_never_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    expect_not_sent(&format!("https://{}", listener.local_addr().unwrap())).await;
}

#[tokio::test]
async fn slower_than_the_limit() {
    expect_lost(Act::Stall(Vec::new())).await;
    expect_lost(Act::Stall(b"HTTP/1.1 200 OK\r\ncontent-le".to_vec())).await;
    expect_lost(Act::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 26\r\n\r\n{".to_vec())).await;
}

#[tokio::test]
async fn slow_but_within_the_limit() {
    let allowed = Arc::new(Notify::new());
    let act = Act::Await(allowed.clone(), response(200, "", AUTHENTICATED.as_bytes()));
    let fake = Fake::always(act).await;
    let authority = v1(&fake.url());
    let (reply, ()) = tokio::join!(check(&authority), async { allowed.notify_one() });
    assert_eq!(reply, CheckReply::Authenticated);
}

#[tokio::test]
async fn a_held_check_has_its_limit_beyond_the_hold() {
    let fake = Fake::always(Act::Stall(Vec::new())).await;
    let authority = super::HttpAuthority::builder(&fake.url(), KEY)
        .capabilities(super::Capabilities::FULL)
        .limits(super::TINY_LIMITS)
        .build()
        .unwrap();
    let began = tokio::time::Instant::now();
    let reply = super::check_with(&authority, None, None, Duration::from_millis(1900)).await;
    assert_eq!(reply, LOST);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1900), "{took:?}");
}

#[tokio::test]
async fn server_errors() {
    for status in [500, 501, 502, 504, 505, 599] {
        expect_lost(json(status, r#"{"result":"success"}"#)).await;
        expect_lost(json(status, AUTHENTICATED)).await;
    }
}

#[tokio::test]
async fn a_status_that_says_not_processed_needs_no_body() {
    for status in [429, 503] {
        let head = format!("HTTP/1.1 {status} X\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\n");
        for act in [Act::Stall(head.clone().into()), Act::Close(head.clone().into())] {
            let fake = Fake::always(act).await;
            let authority = hasty(&fake.url());
            let retry_after = Some(Duration::from_secs(7));
            assert_eq!(start(&authority).await, StartReply::NotStarted { retry_after });
            assert_eq!(
                check(&authority).await,
                CheckReply::Unavailable { retry_after, sent: false }
            );
        }
    }
}

#[tokio::test]
async fn refused_key() {
    for (status, body) in [(401, ""), (401, AUTHENTICATED), (403, ""), (403, "<html>")] {
        let fake = Fake::always(json(status, body)).await;
        let authority = v1(&fake.url());
        assert_eq!(start(&authority).await, StartReply::Misconfigured);
        assert_eq!(check(&authority).await, LOST);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = Fake::always(json(200, AUTHENTICATED)).await;
    for status in [300, 301, 302, 303, 304, 307, 308] {
        let location = format!("location: {}/v1/check\r\n", target.url());
        let bytes = response(status, &location, AUTHENTICATED.as_bytes());
        let fake = Fake::always(Act::Close(bytes)).await;
        let authority = v1(&fake.url());
        assert_eq!(start(&authority).await, NOT_STARTED);
        assert_eq!(check(&authority).await, LOST);
    }
    assert_eq!((target.requests().len(), target.connections()), (0, 0));
}

#[tokio::test]
async fn no_flow_or_no_such_path() {
    for status in [400, 404, 405, 409, 410, 415, 422] {
        let fake = Fake::always(json(status, AUTHENTICATED)).await;
        let authority = v1(&fake.url());
        assert_eq!(start(&authority).await, NOT_STARTED);
        assert_eq!(check(&authority).await, LOST);
    }
}

#[tokio::test]
async fn closed_without_an_answer() {
    expect_lost(Act::Close(Vec::new())).await;
    expect_lost(Act::Reset(Vec::new())).await;
}

#[tokio::test]
async fn a_used_connection_that_breaks_is_no_reason_to_send_again() {
    for broken in [Act::Reset(Vec::new()), Act::Close(Vec::new())] {
        let fake = Fake::new(move |request| match request.line.as_str() {
            "POST /v1/start HTTP/1.1" => broken.clone(),
            _ => json(200, ""),
        })
        .await;
        let authority = v1(&fake.url());
        for _ in 0..20 {
            assert_eq!(check(&authority).await, CheckReply::Pending);
            assert_eq!(start(&authority).await, StartReply::Unknown);
        }
        assert_eq!((fake.count("/v1/start"), fake.connections()), (20, 20));
    }
}

#[tokio::test]
async fn truncated() {
    for head in ["content-length: 99", "transfer-encoding: chunked"] {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
        let chunk = if head.contains("chunked") { "1a\r\n" } else { "" };
        for result in [AUTHENTICATED, r#"{"result":"success"}"#] {
            let bytes = format!("{head}{chunk}{result}").into_bytes();
            expect_lost(Act::Close(bytes.clone())).await;
            expect_lost(Act::Reset(bytes.clone())).await;
            expect_lost(Act::Stall(bytes)).await;
        }
    }
}

#[tokio::test]
async fn no_http_at_all() {
    expect_lost(Act::Close(AUTHENTICATED.into())).await;
    expect_lost(Act::Close(b"220 mail.example.com ESMTP\r\n".to_vec())).await;
}

#[tokio::test]
async fn endless_body() {
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let heads = [
        ("transfer-encoding: chunked", chunk),
        ("content-length: 99999999999", vec![b' '; 0x10000]),
        ("connection: close", vec![b'['; 0x10000]),
    ];
    for (header, drop) in heads {
        let head = format!("HTTP/1.1 200 OK\r\n{header}\r\n\r\n").into_bytes();
        let fake = Fake::always(Act::Flood(head, drop)).await;
        let authority = v1(&fake.url());
        assert_eq!(start(&authority).await, StartReply::Unknown);
        assert_eq!(check(&authority).await, LOST);
        assert!(fake.written() < 32 << 20, "read on for {} bytes", fake.written());
    }
}

#[tokio::test]
async fn header_flood() {
    let drop = [b"x-flood: ".as_slice(), &[b'x'; 1000], b"\r\n"].concat();
    let fake = Fake::always(Act::Flood(b"HTTP/1.1 200 OK\r\n".to_vec(), drop)).await;
    let authority = v1(&fake.url());
    assert_eq!(start(&authority).await, StartReply::Unknown);
    assert_eq!(check(&authority).await, LOST);
    assert!(fake.written() < 32 << 20, "read on for {} bytes", fake.written());
}

#[tokio::test]
async fn compression_is_not_undone() {
    for encoding in ["content-encoding: gzip\r\n", ""] {
        let fake = Fake::always(Act::Write(response(200, encoding, GZIPPED))).await;
        let authority = v1(&fake.url());
        assert_eq!(start(&authority).await, StartReply::Unknown);
        assert_eq!(check(&authority).await, CheckReply::Pending);
    }
}

#[tokio::test]
async fn what_follows_an_answer_answers_no_other_request() {
    let pending = response(200, "", br#"{"result":"pending"}"#);
    let smuggled = response(200, "", AUTHENTICATED.as_bytes());
    let fake = Fake::always(Act::Write([pending, smuggled].concat())).await;
    let authority = v1(&fake.url());
    for _ in 0..100 {
        assert_ne!(check(&authority).await, CheckReply::Authenticated);
    }
}

#[tokio::test]
async fn recovery() {
    let failing = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_failing = failing.clone();
    let fake = Fake::new(move |_| {
        if is_failing.load(std::sync::atomic::Ordering::SeqCst) {
            Act::Reset(Vec::new())
        } else {
            json(200, r#"{"result":"success"}"#)
        }
    })
    .await;
    let authority = v1(&fake.url());
    assert_eq!(start(&authority).await, StartReply::Unknown);
    failing.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(start(&authority).await, StartReply::Accepted(Accepted::default()));
    assert_eq!(check(&authority).await, CheckReply::Pending);
}

/// `{"result":"authenticated"}`, compressed.
const GZIPPED: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x2a, 0x4a, 0x2d, 0x2e,
    0xcd, 0x29, 0x51, 0xb2, 0x52, 0x4a, 0x2c, 0x2d, 0xc9, 0x48, 0xcd, 0x2b, 0xc9, 0x4c, 0x4e, 0x2c,
    0x49, 0x4d, 0x51, 0xaa, 0x05, 0x00, 0x68, 0xcb, 0xf2, 0x00, 0x1a, 0x00, 0x00, 0x00,
];
