use flexsecure_core::test_util::acceptance;

use crate::server::Server;

#[tokio::test]
async fn every_key_is_forgotten_by_the_server_within_two_hours() {
    let server = Server::start();
    acceptance::run(async || server.patient().connect().unwrap()).await;
    let mut admin = server.admin().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut admin).await.unwrap();
    for kind in ["flows", "elevations", "sessions", "revoked"] {
        assert!(keys.iter().any(|key| key.starts_with(&format!("flexsecure:{kind}"))), "{kind}");
    }
    for key in keys {
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut admin).await.unwrap();
        assert!((1..=7_200_000).contains(&left), "{key} is kept for {left} ms");
    }
}
