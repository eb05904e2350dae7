use std::process::Stdio;

use bytes::Bytes;
use h2::client;
use serde_json::json;
use tokio::{net::TcpStream, process::Command, task::JoinSet};

use crate::{
    certificates::{FILES, issue},
    harness::{Place, Running, run, send, soon},
};

fn trusting(running: &Running, certificate: &str) -> reqwest::Client {
    let port = running.authority().rsplit(':').next().unwrap().parse().unwrap();
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap()])
        .resolve("localhost", std::net::SocketAddr::from(([127, 0, 0, 1], port)))
        .build()
        .unwrap()
}

fn url(running: &Running, path: &str) -> String {
    let port = running.authority().rsplit(':').next().unwrap();
    format!("https://localhost:{port}{path}")
}

/// T51
#[tokio::test]
async fn a_whole_login_over_tls_with_the_right_certificate_only() {
    let place = Place::new().await;
    let certificate = issue(&place, "one");
    let running = place.serve(&FILES).await;
    assert!(running.base.starts_with("https://"));
    let http = trusting(&running, &certificate);
    let body = json!({"system": "bank", "authid": "alice"});
    let start = http.post(url(&running, "/v1/start")).header("apikey", &running.key).json(&body);
    assert_eq!(send(start).await.json()["method"], "pin");

    let stranger = issue(&Place::empty().await, "stranger");
    let refused = trusting(&running, &stranger).get(url(&running, "/health/alive")).send().await;
    assert!(refused.is_err());
    // Plain HTTP is no way in.
    let plain = reqwest::get(format!("http://{}/health/alive", running.authority())).await;
    assert!(plain.is_err());
}

/// What openssl says of a handshake in one version.
async fn handshake(running: &Running, version: &str) -> (bool, String) {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-brief", "-connect", running.authority(), version]);
    // Openssl itself refuses old versions unless told to offer anything.
    client.args(["-cipher", "DEFAULT@SECLEVEL=0"]).stdin(Stdio::null());
    let output = run(client).await;
    (output.status.success(), output.err)
}

/// T51
#[tokio::test]
async fn nothing_older_than_tls_1_2_is_spoken() {
    let place = Place::new().await;
    issue(&place, "one");
    let running = place.serve(&FILES).await;
    for version in ["-tls1", "-tls1_1"] {
        let (works, told) = handshake(&running, version).await;
        assert!(!works && told.contains("alert"), "{version}: {told}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let (works, told) = handshake(&running, version).await;
        assert!(works && told.contains("TLSv1."), "{version}: {told}");
    }
}

async fn name_served(running: &Running) -> String {
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", running.authority()]).stdin(Stdio::null());
    let text = run(client).await.out;
    let line = text.lines().find(|line| line.contains("CN")).unwrap_or_else(|| panic!("{text}"));
    line.to_owned()
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let place = Place::new().await;
    issue(&place, "name-one");
    let mut running = place.serve(&FILES).await;
    assert!(name_served(&running).await.contains("name-one"));

    issue(&place, "name-two");
    running.signal("-HUP").await;
    running.until_logged("were read again").await;
    assert!(name_served(&running).await.contains("name-two"));

    // Nobody tells it this time, and only one of the two files has been replaced yet.
    let key = std::fs::read(place.path("key.pem")).unwrap();
    issue(&place, "name-three");
    let new_key = std::fs::read(place.path("key.pem")).unwrap();
    std::fs::write(place.path("key.pem"), key).unwrap();
    running.until_logged("does not belong to the certificate").await;
    assert!(name_served(&running).await.contains("name-two"));
    std::fs::write(place.path("key.pem"), new_key).unwrap();
    running.until_logged("a new TLS certificate is served").await;
    assert!(name_served(&running).await.contains("name-three"));
}

#[tokio::test]
async fn files_that_do_not_belong_together_start_nothing() {
    let place = Place::new().await;
    issue(&place, "one");
    let other = Place::empty().await;
    issue(&other, "two");
    std::fs::copy(other.path("key.pem"), place.path("key.pem")).unwrap();
    let serve = ["serve", "--public-url", crate::harness::PUBLIC, "--inbox"];
    let output = place.run(&[&serve[..], &FILES].concat()).await;
    assert!(!output.status.success());
    assert!(output.err.contains("does not belong to the certificate"), "{}", output.err);
    place.write("key.pem", "no key\n");
    let output = place.run(&[&serve[..], &FILES].concat()).await;
    assert!(output.err.contains("key.pem holds no usable private key"), "{}", output.err);
}

#[tokio::test]
async fn http_2_has_a_hundred_streams_and_no_more() {
    let place = Place::new().await;
    let certificate = issue(&place, "one");
    let running = place.serve(&FILES).await;
    let mut roots = rustls::RootCertStore::empty();
    let pem = rustls::pki_types::pem::PemObject::from_pem_slice(certificate.as_bytes()).unwrap();
    roots.add(pem).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(running.authority()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut client, connection) = client::handshake(stream).await.unwrap();
    tokio::spawn(connection);

    let request = |path: &str| {
        http::Request::builder().uri(format!("https://localhost{path}")).body(()).unwrap()
    };
    // With its answer comes what the server allows.
    let (first, _) = client.send_request(request("/health/alive"), true).unwrap();
    assert_eq!(soon(first).await.unwrap().status(), 200);
    assert_eq!(client.current_max_send_streams(), 100);
    let mut answers = JoinSet::new();
    for _ in 0..250 {
        client = soon(client.ready()).await.unwrap();
        let (response, _) = client.send_request(request("/health/alive"), true).unwrap();
        answers.spawn(response);
    }
    for answer in answers.join_all().await {
        assert_eq!(answer.unwrap().status(), 200);
    }

    // A body that never ends holds its stream no longer than it may.
    let post = http::Request::post("https://localhost/v1/start")
        .header("apikey", &running.key)
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    client = soon(client.ready()).await.unwrap();
    let (response, mut body) = client.send_request(post, false).unwrap();
    body.send_data(Bytes::from_static(b"{"), false).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), 408);
}
