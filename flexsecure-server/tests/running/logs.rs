use serde_json::{Value, json};

use crate::harness::{Place, Running, send};

fn entries(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

fn access<'a>(entries: &'a [Value], route: &str) -> Vec<&'a Value> {
    let is_of = |entry: &&Value| entry["target"] == "flexsecure::access" && entry["route"] == route;
    entries.iter().filter(is_of).collect()
}

/// T26
#[tokio::test]
async fn each_request_has_a_line_with_its_id_and_never_a_secret() {
    let place = Place::new().await;
    let mut running = place.serve(&["--log", "json"]).await;
    running.start_of("bob").await;
    let message = running.newest().await;
    let token = message["link"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let shown = send(running.get(&format!("/a/{token}"))).await;
    assert_eq!(shown.status, 200);
    let odd = send(running.get("/v1/no%0asuch/path?apikey=c4n4ry")).await;
    assert_eq!(odd.status, 404);
    let method = reqwest::Method::from_bytes(b"C4N4RY").unwrap();
    let odd_method = running.http.request(method, format!("{}/", running.base));
    assert_eq!(send(odd_method).await.status, 405);
    // The last one: all lines before it are there by then.
    let last = send(running.get("/style.css")).await;
    running.until_logged("/style.css").await;

    let log = running.log();
    let entries = entries(&log);
    for secret in [&*token, &running.key, &running.key[15..], "c4n4ry", "C4N4RY"] {
        assert!(!log.contains(secret), "{secret} is in {log}");
    }
    let shown_lines = access(&entries, "/a/{token}");
    assert_eq!(shown_lines.len(), 1, "{log}");
    assert_eq!(
        (&shown_lines[0]["status"], &shown_lines[0]["method"]),
        (&json!(200), &json!("GET"))
    );
    assert!(shown_lines[0]["milliseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(shown_lines[0]["client"], "127.0.0.1");
    assert_eq!(
        shown_lines[0]["span"]["request_id"],
        shown.headers["x-request-id"].to_str().unwrap()
    );
    assert_eq!(access(&entries, "none").len(), 1, "{log}");
    assert_eq!(access(&entries, "/").len(), 1, "{log}");
    assert_ne!(last.headers["x-request-id"], shown.headers["x-request-id"]);
    assert!(log.lines().any(|line| line.contains("/v1/start")));
}

/// Whoever waits asks again and again.
#[tokio::test]
async fn a_check_that_finds_nothing_new_has_no_line_and_any_other_has() {
    let place = Place::new().await;
    let mut running = place.serve(&["--log", "json"]).await;
    running.start_of("bob").await;
    assert_eq!(running.check("bob", json!({})).await.json()["result"], "pending");
    assert_ne!(running.check("nobody", json!({})).await.json()["result"], "pending");
    send(running.get("/style.css")).await;
    running.until_logged("/style.css").await;
    let log = running.log();
    assert_eq!(access(&entries(&log), "/v1/check").len(), 1, "{log}");
}

async fn id_of(running: &Running, given: &str) -> String {
    let answer = send(running.get("/style.css").header("x-request-id", given)).await;
    answer.headers["x-request-id"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn only_a_trusted_proxy_names_a_request() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    assert_ne!(id_of(&running, "mine-1").await, "mine-1");
    let running = place.serve(&["--trusted-proxy", "127.0.0.1"]).await;
    assert_eq!(id_of(&running, "mine-1").await, "mine-1");
    assert_ne!(id_of(&running, "mine 1").await, "mine 1");
    for path in ["/", "/nowhere", "/v1/nowhere", "/v1/start", "/health/alive", "/health/ready"] {
        assert!(send(running.get(path)).await.headers.contains_key("x-request-id"), "{path}");
    }
}

#[tokio::test]
async fn what_is_done_in_a_task_of_its_own_is_logged_under_the_request() {
    let place = Place::new().await;
    let mut running = place.serve(&["--log", "json"]).await;
    let former = std::fs::read_to_string(place.path("flexsecure.db.keys")).unwrap();
    place.works(&["server-key", "rotate"]).await;
    running.signal("-HUP").await;
    running.until_logged("were read again").await;
    running.start_of("alice").await;
    // The key of this challenge gets lost; the one of the API key is still there.
    place.write("flexsecure.db.keys", &former);
    let told = running.log().matches("were read again").count();
    running.signal("-HUP").await;
    while running.log().matches("were read again").count() == told {
        tokio::task::yield_now().await;
    }
    let answer = running.check("alice", json!({"pin": "12345678"})).await;
    assert_eq!(answer.status, 503);
    running.until_logged("the key file was read again").await;
    let id = answer.headers["x-request-id"].to_str().unwrap();
    let log = running.log();
    let line = log.lines().find(|line| line.contains("the key file was read again")).unwrap();
    assert!(line.contains(id), "{line}");
}
