use reqwest::RequestBuilder;
use serde_json::json;

use crate::harness::{PUBLIC, Place, Running, send};

const HEADERS: [&str; 5] =
    ["x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"];

/// The same wrong key each time, and another address in each header.
fn guess(running: &Running, number: usize) -> RequestBuilder {
    let mut request = running.get("/v1/capabilities").header("apikey", "fsk_wrong");
    for name in HEADERS {
        let address = format!("203.0.{}.{}", number / 250, number % 250 + 1);
        let value = if name == "forwarded" { format!("for={address}") } else { address };
        request = request.header(name, value);
    }
    request
}

async fn looked_at(running: &Running, count: usize) -> usize {
    let mut looked_at = 0;
    for number in 0..count {
        let answer = send(guess(running, number)).await;
        match answer.status.as_u16() {
            401 => looked_at += 1,
            429 => {
                let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=4).contains(&wait), "{wait}");
                assert_eq!(answer.json()["result"], "security error");
            }
            other => panic!("{other}"),
        }
    }
    looked_at
}

/// T23
#[tokio::test]
async fn headers_of_a_stranger_do_not_get_round_the_limit() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let began = std::time::Instant::now();
    let looked_at = looked_at(&running, 500).await;
    // One more is looked at every 3 seconds, however slow this machine is.
    let regained = usize::try_from(began.elapsed().as_secs() / 3).unwrap() + 1;
    assert!((20..=20 + regained).contains(&looked_at), "{looked_at} were looked at");
}

#[tokio::test]
async fn a_trusted_proxy_tells_clients_apart() {
    let place = Place::new().await;
    let running = place.serve(&["--trusted-proxy", "127.0.0.0/8"]).await;
    assert_eq!(looked_at(&running, 100).await, 100, "each is another client");
    // Of what the client wrote itself, nothing counts: the proxy appends the address that it sees.
    let mut refused = 0;
    for number in 0..100 {
        let forwarded = format!("203.0.113.{number}, 198.51.100.7");
        let request = running.get("/v1/capabilities").header("apikey", "fsk_wrong");
        let answer = send(request.header("x-forwarded-for", forwarded)).await;
        refused += usize::from(answer.status == 429);
    }
    assert!(refused > 50, "{refused}");
}

/// T27
#[tokio::test]
async fn a_link_begins_with_the_configured_address_whatever_a_request_says() {
    let place = Place::new().await;
    for more in [&[][..], &["--trusted-proxy", "127.0.0.0/8"]] {
        let running = place.serve(more).await;
        let body = json!({"system": "bank", "authid": "bob", "operation": format!("{more:?}")});
        let mut request = running.post("/v1/start", &body).header("host", "evil.example");
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "666"),
            ("x-forwarded-prefix", "/evil"),
            ("x-original-url", "https://evil.example/"),
            ("forwarded", "for=1.1.1.1;host=evil.example;proto=http"),
        ] {
            request = request.header(name, value);
        }
        let answer = send(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let message = running.newest().await;
        let link = message["link"].as_str().unwrap();
        assert!(link.starts_with(&format!("{PUBLIC}/a/")), "{link}");
        assert!(!message.to_string().contains("evil") && !answer.body.contains("evil"));
    }
}
