use std::time::{Duration, Instant};

use tokio::{io::AsyncReadExt, net::TcpStream, task::JoinSet, time::timeout};

use crate::harness::{Place, read_to_end, send, soon, write};

/// What the server promises, and what a busy machine takes on top of it.
const CLOSED_WITHIN: Duration = Duration::from_secs(10 + 15);

/// T61
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_half_heads_harm_nobody_and_are_closed() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let mut half = Vec::new();
    for _ in 0..2000 {
        let mut stream = running.connect().await;
        write(&mut stream, "POST /v1/start HTTP/1.1\r\nhost: x\r\nx-slow: ").await;
        half.push((stream, Instant::now()));
    }
    let mut closing = JoinSet::new();
    for (mut stream, since) in half {
        closing.spawn(async move {
            let mut answer = Vec::new();
            let closed = timeout(CLOSED_WITHIN, stream.read_to_end(&mut answer)).await;
            assert!(closed.is_ok(), "it was not closed");
            since.elapsed()
        });
    }
    let mut answered = 0_u32;
    let mut closed = 0;
    while closed < 2000 {
        tokio::select! {
            ended = closing.join_next() => {
                let took = ended.expect("all are closed").unwrap();
                assert!(took < CLOSED_WITHIN, "closed after {took:?}");
                closed += 1;
            }
            answer = running.ask_with(&running.key) => {
                assert_eq!(answer.status, 200);
                answered += 1;
            }
        }
    }
    assert!(answered >= 100, "only {answered} were answered meanwhile");
}

#[tokio::test]
async fn a_second_half_head_is_closed_like_a_first_one() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let mut stream = running.connect().await;
    ask_on(&mut stream).await;
    let since = Instant::now();
    write(&mut stream, "GET /health/alive HTTP/1.1\r\nhost: ").await;
    read_to_end(&mut stream).await;
    assert!(since.elapsed() < CLOSED_WITHIN, "closed after {:?}", since.elapsed());
}

/// T61
#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408_and_closed() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let head = format!(
        "POST /v1/start HTTP/1.1\r\nhost: x\r\napikey: {}\r\ncontent-type: application/json\r\n\
         content-length: 40\r\n\r\n{{\"system\"",
        running.key
    );
    let since = Instant::now();
    let mut start = running.connect().await;
    write(&mut start, &head).await;
    let mut form = running.connect().await;
    write(
        &mut form,
        "POST /a/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         transfer-encoding: chunked\r\n\r\n3\r\nmat\r\n",
    )
    .await;
    for stream in [&mut start, &mut form] {
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n") && answer.contains("x-request-id: "));
        assert!(since.elapsed() < CLOSED_WITHIN);
    }
}

#[tokio::test]
async fn a_body_of_more_than_16_kib_is_refused() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let long = serde_json::json!({"system": "bank", "authid": "a".repeat(16 * 1024)});
    assert_eq!(send(running.post("/v1/start", &long)).await.status, 413);
}

/// T60
#[tokio::test]
async fn no_more_than_the_configured_connections_are_served_at_once() {
    let place = Place::new().await;
    let running = place.serve(&["--max-connections", "2"]).await;
    let mut one = running.connect().await;
    let mut two = running.connect().await;
    for stream in [&mut one, &mut two] {
        ask_on(stream).await;
    }
    let mut three = running.connect().await;
    write(&mut three, "GET /health/alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    for _ in 0..100 {
        ask_on(&mut one).await;
    }
    let early = three.try_read(&mut [0]);
    assert_eq!(early.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(one);
    assert!(read_to_end(&mut three).await.ends_with("alive\n"));
    ask_on(&mut two).await;
}

async fn ask_on(stream: &mut TcpStream) {
    write(stream, "GET /health/alive HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut answer = Vec::new();
    while !answer.ends_with(b"alive\n") {
        assert_ne!(soon(stream.read_buf(&mut answer)).await.unwrap(), 0, "it was closed");
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// F72
#[tokio::test]
async fn running_out_of_file_descriptors_is_survived() {
    let place = Place::new().await;
    let program = env!("CARGO_BIN_EXE_flexsecure-server");
    let mut shell = tokio::process::Command::new("sh");
    shell.current_dir(place.folder.path()).kill_on_drop(true).args([
        "-c",
        &format!(
            "ulimit -n 64; exec {program} serve --listen 127.0.0.1:0 --public-url {} --inbox",
            crate::harness::PUBLIC
        ),
    ]);
    let mut running = crate::harness::Running::start(shell, &place.key).await;
    let mut taken = Vec::new();
    for _ in 0..100 {
        taken.push(running.connect().await);
    }
    running.until_logged("no connection can be accepted for now").await;
    drop(taken);
    assert_eq!(send(running.get("/health/ready")).await.status, 200);
    let told = running.log().matches("no connection can be accepted").count();
    assert!(told <= 3, "told {told} times");
}
