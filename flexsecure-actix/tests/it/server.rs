//! Over sockets: what only a server shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use flexsecure_actix::{Gate, StepUp};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PIN, bank, elevate, step_up};

struct Served {
    address: SocketAddr,
    handle: ServerHandle,
    smuggled: Arc<AtomicUsize>,
}

fn serve(step_up: &StepUp, workers: usize) -> Served {
    let (step_up, smuggled) = (step_up.clone(), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&smuggled);
    let server = HttpServer::new(move || {
        let counter = Arc::clone(&counter);
        let worker = || std::future::ready(format!("{:?}", std::thread::current().id()));
        App::new()
            .service(step_up.scope())
            .service(web::resource("/vault").wrap(step_up.require(bank())).to(worker))
            .route(
                "/open",
                web::to(move || {
                    counter.fetch_add(1, Ordering::SeqCst);
                    std::future::ready("open")
                }),
            )
    });
    let server = server.workers(workers).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Served { address, handle, smuggled }
}

impl Served {
    /// Sends `request` as it stands and reads until the server closes the connection.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        // A reset behind the answer ends it as well.
        let _ = stream.read_to_end(&mut response).await;
        String::from_utf8(response).unwrap()
    }

    async fn ask(&self, line: &str, body: &str) -> String {
        let length = body.len();
        self.exchange(&format!(
            "{line} HTTP/1.1\r\nhost: {}\r\nx-user: alice\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}",
            self.address
        ))
        .await
    }

    async fn flow_url(&self) -> String {
        let refused = self.ask("GET /vault", "").await;
        let url = refused.split_once("\"url\":\"").unwrap().1;
        url.split_once('"').unwrap().0.to_owned()
    }
}

#[actix_web::test]
async fn workers_share_one_gate() {
    let step_up = step_up();
    let served = serve(&step_up, 2);
    let url = served.flow_url().await;
    let body = format!("{{\"pin\":\"{PIN}\"}}");
    let answer = served.ask(&format!("POST {url}/pin"), &body).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut workers = std::collections::HashSet::new();
    for _ in 0..8 {
        let passed = served.ask("GET /vault", "").await;
        assert!(passed.starts_with("HTTP/1.1 200 "), "{passed}");
        workers.insert(passed.split_once("\r\n\r\n").unwrap().1.to_owned());
    }
    assert_eq!(workers.len(), 2);
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_server_adds_no_headers_of_its_own() {
    let step_up = step_up();
    let served = serve(&step_up, 1);
    let url = served.flow_url().await;
    let cases = [
        ("GET /vault".to_owned(), "401", &["www-authenticate"][..]),
        (format!("GET {url}"), "200", &[]),
        (format!("HEAD {url}"), "200", &[]),
        (format!("PUT {url}"), "405", &["allow"]),
        (format!("DELETE {url}"), "200", &[]),
        ("GET /step-up/nothing".to_owned(), "404", &[]),
        ("GET /step-up/step-up.css".to_owned(), "200", &["x-content-type-options"]),
    ];
    for (line, status, more) in cases {
        let answer = served.ask(&line, "").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        assert!(
            lines.next().unwrap().starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {head}"
        );
        let mut names: Vec<_> = lines.map(|line| line.split_once(':').unwrap().0).collect();
        names.sort_unstable();
        let mut expected =
            vec!["cache-control", "connection", "content-length", "content-type", "date"];
        // A file is the same for everybody.
        let is_file = line.ends_with(".css");
        expected.extend((!is_file).then_some("vary"));
        expected.extend(more);
        expected.sort_unstable();
        assert_eq!(names, expected, "{line}");
        assert_eq!(body.is_empty(), line.starts_with("HEAD"), "{line}");
        assert!(!head.contains("content-length: 0"), "{line}");
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_refused_body_is_no_second_request() {
    let step_up = step_up();
    let served = serve(&step_up, 1);
    let inner = "GET /open HTTP/1.1\r\nhost: a\r\n\r\n";
    // Where the connection is kept alive, it is this that ends it.
    let last = "GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    for user in ["", "x-user: alice\r\n"] {
        for (framing, body) in [
            (format!("content-length: {}", inner.len()), inner.to_owned()),
            (format!("content-length: {}", 1 << 20), inner.repeat(100)),
            (
                "transfer-encoding: chunked".to_owned(),
                format!("{:x}\r\n{inner}\r\n0\r\n\r\n", inner.len()),
            ),
        ] {
            let head = format!("POST /vault HTTP/1.1\r\nhost: a\r\n{user}{framing}");
            let answer = served.exchange(&format!("{head}\r\n\r\n{body}{last}")).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            assert!(!answer.contains("HTTP/1.1 200 "), "{answer}");
        }
    }
    assert_eq!(served.smuggled.load(Ordering::SeqCst), 0);
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_large_body_is_answered_before_it_is_read() {
    let step_up = step_up();
    let served = serve(&step_up, 1);
    let url = served.flow_url().await;
    let sent = "1".repeat(Gate::MAX_BODY * 2);
    let head = format!(
        "POST {url}/pin HTTP/1.1\r\nhost: a\r\nx-user: alice\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{sent}",
        1_u64 << 40
    );
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn an_elevation_is_of_no_one_app() {
    let step_up = step_up();
    elevate(&step_up).await;
    let served = serve(&step_up, 1);
    assert!(served.ask("GET /vault", "").await.starts_with("HTTP/1.1 200 "));
    served.handle.stop(false).await;
}
