use serde_json::json;

use crate::harness::{Place, send};

#[tokio::test]
async fn what_happens_is_counted_on_a_listener_of_its_own() {
    let place = Place::new().await;
    let running = place.serve(&["--metrics-listen", "127.0.0.1:0"]).await;
    assert_eq!(send(running.get("/metrics")).await.status, 404);
    running.start_of("alice").await;
    let pin = running.newest().await["pin"].clone();
    assert_eq!(running.check("alice", json!({"pin": pin})).await.status, 200);
    let number = running.start_of("bob").await["match"].clone();
    let link = running.newest().await["link"].as_str().unwrap().to_owned();
    let path = link.strip_prefix(crate::harness::PUBLIC).unwrap();
    let form = [("match", number.as_str().unwrap()), ("action", "approve")];
    let approval = running.http.post(format!("{}{path}", running.base)).form(&form);
    assert_eq!(send(approval).await.status, 200);
    let body = json!({"system": "bank", "authid": "c4n4ry"});
    assert_eq!(send(running.post("/v1/start", &body)).await.status, 403);
    send(running.get("/c4n4ry")).await;
    send(running.get("/v1/c4n4ry")).await;

    let text = send(running.http.get(running.metrics.clone().unwrap())).await;
    assert!(text.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    for line in [
        "flexsecure_starts_total{outcome=\"accepted\"} 2",
        "flexsecure_starts_total{outcome=\"refused\"} 1",
        "flexsecure_challenges_ended_total{method=\"pin\",outcome=\"authenticated\"} 1",
        "flexsecure_challenges_ended_total{method=\"passwordless\",outcome=\"authenticated\"} 1",
        "flexsecure_http_requests_total{route=\"/a/{token}\",status=\"2xx\"} 1",
        "flexsecure_http_requests_total{route=\"/v1/start\",status=\"2xx\"} 2",
        "flexsecure_http_requests_total{route=\"none\",status=\"4xx\"} 3",
        "# TYPE flexsecure_http_request_duration_seconds histogram",
    ] {
        assert!(text.body.lines().any(|found| found == line), "{line} is not in\n{}", text.body);
    }
    for (name, at_least) in [
        ("flexsecure_connections_open", 1.0),
        ("process_resident_memory_bytes", 1e6),
        ("process_open_fds", 5.0),
        ("process_cpu_seconds_total", 0.0),
    ] {
        let line = text.body.lines().find(|line| line.starts_with(&format!("{name} ")));
        let value: f64 = line.unwrap().split_once(' ').unwrap().1.parse().unwrap();
        assert!(value >= at_least, "{name} {value}");
    }
    let token = path.rsplit('/').next().unwrap();
    for secret in ["c4n4ry", token, "alice", "bob", &running.key] {
        assert!(!text.body.contains(secret), "{secret} is in {}", text.body);
    }
    // Every series is described, and nothing is described that the manual does not have.
    let manual = include_str!("../../../docs/operations.md");
    let named = text.body.lines().filter_map(|line| line.strip_prefix("# HELP "));
    for name in named.map(|line| line.split(' ').next().unwrap()) {
        assert!(manual.contains(&format!("`{name}`")), "{name} is not in the manual");
    }
}
