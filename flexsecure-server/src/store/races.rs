//! Two servers on one database, each with connections of its own, and many calls at once: one connection can't interleave
//! with itself.

use temporary_postgres::TemporaryPostgres;
use tokio::task::JoinSet;

use crate::{
    Config, Method, NewUser, Policies, PublicUrl, Server,
    challenge::{Answer, CheckRequest, Reason, StartRequest},
    directory::Caller,
};

/// Two servers, and what they stand on.
struct Twins {
    servers: [Server; 2],
    caller: Caller,
    _postgres: Option<TemporaryPostgres>,
    _folder: tempfile::TempDir,
}

impl Twins {
    async fn on_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flexsecure.db");
        Self::open(folder, None, |url| Config::new(&path, url)).await
    }

    async fn on_postgres() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let postgres = TemporaryPostgres::start().unwrap();
        let database = postgres.create_database("twins").unwrap();
        let keys = folder.path().join("flexsecure.keys");
        let config = |url| Config::postgres(database.as_str(), &*keys, url);
        Self::open(folder, Some(postgres), config).await
    }

    async fn open(
        folder: tempfile::TempDir,
        postgres: Option<TemporaryPostgres>,
        config: impl Fn(PublicUrl) -> Config,
    ) -> Self {
        let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
        let config = || config(url.clone()).inbox(true);
        let first = Server::open(config()).await.unwrap();
        let servers = [first, Server::open(config()).await.unwrap()];
        let directory = servers[0].directory();
        directory.add_system("bank", Policies::both()).await.unwrap();
        let key = directory.create_key("tests").await.unwrap();
        let caller = directory.authorize(key.expose()).await.unwrap().unwrap();
        Self { servers, caller, _postgres: postgres, _folder: folder }
    }

    async fn add_user(&self, auth_id: &str) {
        let directory = self.servers[0].directory();
        let email = format!("{auth_id}@example.com");
        directory.add_user(NewUser::new(auth_id).email(email)).await.unwrap();
        directory.assign(auth_id, &["bank"], Method::Pin).await.unwrap();
    }

    /// Gives the PIN that was sent.
    async fn start(&self, auth_id: &str) -> String {
        let start = StartRequest {
            account: self.caller.account,
            api_key: self.caller.api_key,
            system: "bank".to_owned(),
            auth_id: auth_id.to_owned(),
            operation: String::new(),
            binding: String::new(),
            ip: None,
            user_agent: None,
            idempotency_key_hash: None,
        };
        self.servers[0].inner.challenges.start(start).await.unwrap();
        self.servers[0].inbox().messages()[0].pin().unwrap().to_owned()
    }

    /// So many checks at once, in turn by one server and the other.
    async fn check(&self, count: usize, auth_id: &str, pin: &str) -> Vec<Answer> {
        let mut checks = JoinSet::new();
        for server in self.servers.iter().cycle().take(count) {
            let server = server.clone();
            let check = CheckRequest {
                account: self.caller.account,
                api_key: self.caller.api_key,
                system: "bank".to_owned(),
                auth_id: auth_id.to_owned(),
                txn: None,
                pin: Some(pin.to_owned().into()),
            };
            checks.spawn(async move { server.inner.challenges.check(&check).await.unwrap() });
        }
        checks.join_all().await
    }
}

/// T20
async fn of_right_pins_one_is_authenticated(twins: &Twins) {
    for round in 0..200 {
        let user = format!("user{round}");
        twins.add_user(&user).await;
        let pin = twins.start(&user).await;
        let answers = twins.check(64, &user, &pin).await;
        let taken = answers.iter().filter(|answer| **answer == Answer::Authenticated).count();
        let late = answers.iter().filter(|answer| **answer == Answer::Expired).count();
        assert_eq!((taken, late), (1, 63), "round {round}");
    }
}

/// T20
#[tokio::test(flavor = "multi_thread")]
async fn of_right_pins_one_is_authenticated_on_sqlite() {
    of_right_pins_one_is_authenticated(&Twins::on_sqlite().await).await;
}

/// T20
#[tokio::test(flavor = "multi_thread")]
async fn of_right_pins_one_is_authenticated_on_postgres() {
    of_right_pins_one_is_authenticated(&Twins::on_postgres().await).await;
}

/// T21
async fn of_wrong_pins_five_are_compared(twins: &Twins) {
    for round in 0..5 {
        let user = format!("user{round}");
        twins.add_user(&user).await;
        let pin = twins.start(&user).await;
        let wrong = if pin == "11111111" { "22222222" } else { "11111111" };
        let answers = twins.check(200, &user, wrong).await;
        let mut left: Vec<_> = answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Rejected { reason: Reason::Pin, attempts_left } => *attempts_left,
                Answer::Rejected { .. }
                | Answer::Authenticated
                | Answer::Pending { .. }
                | Answer::Expired
                | Answer::Refused
                | Answer::TooSoon { .. } => None,
            })
            .collect();
        left.sort_unstable();
        assert_eq!(left, [1, 2, 3, 4], "round {round}");
        let locked = Answer::Rejected { reason: Reason::Attempts, attempts_left: Some(0) };
        assert_eq!(answers.iter().filter(|answer| **answer == locked).count(), 196);
        assert_eq!(twins.check(1, &user, &pin).await, [locked]);
    }
}

/// T21
#[tokio::test(flavor = "multi_thread")]
async fn of_wrong_pins_five_are_compared_on_sqlite() {
    of_wrong_pins_five_are_compared(&Twins::on_sqlite().await).await;
}

/// T21
#[tokio::test(flavor = "multi_thread")]
async fn of_wrong_pins_five_are_compared_on_postgres() {
    of_wrong_pins_five_are_compared(&Twins::on_postgres().await).await;
}
