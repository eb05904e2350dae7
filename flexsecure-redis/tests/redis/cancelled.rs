use std::time::Duration;

use flexsecure_core::Store;

use crate::proxy::{Proxy, random};
use crate::server::{Server, patient};
use crate::someone::{Someone, bank};

/// An answer that nobody waits for any more must not be given to the next who asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_that_to_its_question_whoever_has_gone_away() {
    let server = Server::start();
    let proxy = Proxy::before(&server).await;
    let store = patient(proxy.builder().without_local_copies()).connect().unwrap();
    let mut users = Vec::new();
    for _ in 0..64 {
        let who = Someone::new();
        users.push((who.elevate(&store, &bank()).await, who));
    }
    proxy.delay(0, 20);
    let tasks = users.into_iter().map(|(elevation, who)| {
        let store = store.clone();
        tokio::spawn(async move {
            let (mut answered, mut gone) = (0_u32, 0_u32);
            while answered + gone < 160 {
                let limit = Duration::from_micros(random() % 20_000);
                let asked = store.elevations(&who.session, &who.auth_id);
                match tokio::time::timeout(limit, asked).await {
                    Ok(held) => {
                        let held = held.unwrap().unwrap();
                        assert_eq!(held.auth_id(), &*who.auth_id);
                        assert_eq!(held.list(), std::slice::from_ref(&elevation));
                        answered += 1;
                    }
                    Err(_) => gone += 1,
                }
            }
            (answered, gone)
        })
    });
    let (mut answered, mut gone) = (0, 0);
    for task in tasks.collect::<Vec<_>>() {
        let counted = task.await.unwrap();
        (answered, gone) = (answered + counted.0, gone + counted.1);
    }
    assert!(answered > 500 && gone > 500, "{answered} answered, {gone} went away");
}
