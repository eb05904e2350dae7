use serde_json::json;
use tokio::{io::AsyncReadExt, net::TcpStream};

use crate::harness::{Place, Running, read_to_end, send, soon, write};

/// A start whose body is not there yet, in two halves.
fn halves(running: &Running) -> (String, &'static str) {
    let body = r#"{"system":"bank","authid":"alice"}"#;
    let head = format!(
        "POST /v1/start HTTP/1.1\r\nhost: x\r\napikey: {}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{{",
        running.key,
        body.len()
    );
    (head, &body[1..])
}

#[tokio::test]
async fn what_is_under_way_ends_and_starts_are_refused() {
    let place = Place::new().await;
    let mut running = place.serve(&[]).await;
    running.start_of("bob").await;
    let check = json!({"system": "bank", "authid": "bob"});
    let poll = tokio::spawn(send(running.post("/v1/check", &check).header("prefer", "wait=30")));
    let (head, rest) = halves(&running);
    let mut start = running.connect().await;
    write(&mut start, &head).await;
    let mut ready = running.connect().await;
    write(&mut ready, "GET /health/ready HTTP/1.1\r\n").await;
    // Answered on a later connection: then what came before has been accepted, and read.
    assert_eq!(send(running.get("/health/ready")).await.status, 200);

    running.signal("-TERM").await;
    running.until_logged("stopping").await;
    assert_eq!(soon(poll).await.unwrap().json()["result"], "pending");
    write(&mut start, rest).await;
    let answer = read_to_end(&mut start).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 5\r\n"));
    write(&mut ready, "host: x\r\n\r\n").await;
    assert!(read_to_end(&mut ready).await.starts_with("HTTP/1.1 503 "));
    assert_eq!(running.ended().await.code(), Some(0));
    assert!(TcpStream::connect(running.authority()).await.is_err());
    assert!(!running.log().contains("still open at the end"), "{}", running.log());
}

#[tokio::test]
async fn a_client_that_never_ends_does_not_keep_it() {
    let place = Place::new().await;
    let mut running = place.serve(&[]).await;
    let (head, _) = halves(&running);
    let mut start = running.connect().await;
    write(&mut start, &head).await;
    assert_eq!(send(running.get("/health/ready")).await.status, 200);
    running.signal("-INT").await;
    // Before the time limit of a body would end it.
    running.until_logged("connections were still open at the end").await;
    assert_eq!(running.ended().await.code(), Some(0));
}

/// F61
#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let place = Place::new().await;
    let mut running = place.serve(&[]).await;
    let (head, _) = halves(&running);
    let mut start = running.connect().await;
    write(&mut start, &head).await;
    assert_eq!(send(running.get("/health/ready")).await.status, 200);
    running.signal("-TERM").await;
    running.until_logged("stopping").await;
    running.signal("-TERM").await;
    assert_eq!(running.ended().await.code(), Some(1));
    running.until_logged("stopped at once, by a second signal").await;
    assert!(!running.log().contains("still open at the end"));
    let mut rest = [0];
    assert!(matches!(soon(start.read(&mut rest)).await, Ok(0) | Err(_)));
}
