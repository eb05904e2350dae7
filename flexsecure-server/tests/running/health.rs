use crate::harness::{Place, send, soon};

#[tokio::test]
async fn alive_and_ready_are_not_the_same() {
    let place = Place::new().await;
    let running = place.serve(&[]).await;
    let alive = send(running.get("/health/alive")).await;
    assert_eq!((alive.status.as_u16(), &*alive.body), (200, "alive\n"));
    let ready = send(running.get("/health/ready")).await;
    assert_eq!((ready.status.as_u16(), &*ready.body), (200, "ready\n"));

    // What it has opened is no database any more.
    std::fs::write(place.path("flexsecure.db"), vec![0x55; 1 << 16]).unwrap();
    for name in ["flexsecure.db-wal", "flexsecure.db-shm"] {
        std::fs::write(place.path(name), vec![0x55; 1 << 16]).unwrap();
    }
    let not_ready = async {
        loop {
            // What it said is kept for a second.
            let ready = send(running.get("/health/ready")).await;
            if ready.status != 200 {
                break ready;
            }
        }
    };
    let ready = soon(not_ready).await;
    assert_eq!((ready.status.as_u16(), &*ready.body), (503, "not ready\n"));
    assert_eq!(ready.headers["retry-after"], "5");
    assert_eq!(send(running.get("/health/alive")).await.status, 200);
    assert!(running.log().contains("not ready"));
}
