use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use super::{Answer, CheckRequest, StartRequest};
use crate::{Clock, Config, Method, NewUser, Policies, PublicUrl, Server, UnixMillis};

#[derive(Clone, Debug, Default)]
struct SetClock(Arc<AtomicI64>);

impl SetClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixMillis {
        UnixMillis::new(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn what_ran_out_is_marked_and_a_day_later_forgotten() {
    let clock = SetClock::default();
    let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
    let server = Server::open(Config::ephemeral(url).clock(clock.clone())).await.unwrap();
    let directory = server.directory();
    directory.add_system("bank", Policies::both()).await.unwrap();
    directory.add_user(NewUser::new("alice").email("alice@example.com")).await.unwrap();
    directory.assign("alice", &["bank"], Method::Pin).await.unwrap();
    let key = directory.create_key("tests").await.unwrap();
    let caller = directory.authorize(key.expose()).await.unwrap().unwrap();

    let (system, auth_id) = ("bank".to_owned(), "alice".to_owned());
    let start = StartRequest {
        account: caller.account,
        api_key: caller.api_key,
        system: system.clone(),
        auth_id: auth_id.clone(),
        operation: String::new(),
        binding: String::new(),
        ip: None,
        user_agent: None,
        idempotency_key_hash: Some([0; 32]),
    };
    let check = CheckRequest {
        account: caller.account,
        api_key: caller.api_key,
        system,
        auth_id,
        txn: None,
        pin: None,
    };
    let challenges = &server.inner.challenges;
    challenges.start(start).await.unwrap();

    challenges.sweep().await.unwrap();
    assert!(matches!(challenges.check(&check).await.unwrap(), Answer::Pending { .. }));
    clock.advance(Duration::from_secs(300));
    challenges.sweep().await.unwrap();
    assert_eq!(challenges.check(&check).await.unwrap(), Answer::Expired);
    clock.advance(Duration::from_secs(24 * 60 * 60));
    challenges.sweep().await.unwrap();
    assert_eq!(challenges.check(&check).await.unwrap(), Answer::Refused);
}
