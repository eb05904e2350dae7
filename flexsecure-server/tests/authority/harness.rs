use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use flexsecure_server::{
    Clock, Config, Message, Method, NewUser, Policies, PublicUrl, ServeError, Server, UnixMillis,
};
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};

use crate::database::Database;

/// A clock that goes only when told, and knows how often it was looked at.
#[derive(Clone, Debug)]
pub(crate) struct TestClock {
    now: Arc<AtomicI64>,
    looks: Arc<AtomicUsize>,
}

impl TestClock {
    fn new() -> Self {
        let now = UnixMillis::from(SystemTime::now()).as_millis();
        Self { now: Arc::new(AtomicI64::new(now)), looks: Arc::default() }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.now.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Returns once it was looked at so often: whoever did is at work.
    pub(crate) async fn looked_at(&self, times: usize) {
        while self.looks() < times {
            tokio::task::yield_now().await;
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> UnixMillis {
        self.looks.fetch_add(1, Ordering::SeqCst);
        UnixMillis::new(self.now.load(Ordering::SeqCst))
    }
}

/// A served authority. alice has a PIN and bob a link on `bank` and `bank-transfers`; carol has nothing; dave is
/// disabled; erin has an SMS number only.
pub(crate) struct Authority {
    pub(crate) server: Server,
    pub(crate) base: String,
    pub(crate) key: String,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: TestClock,
    pub(crate) database: Database,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<Result<(), ServeError>>>,
    _folder: Arc<TempDir>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub(crate) fn is(&self, status: u16, body: &Value) {
        assert_eq!((self.status.as_u16(), &self.json()), (status, body));
    }
}

impl Authority {
    pub(crate) async fn new() -> Self {
        Self::with(|config| config.inbox(true)).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Config) -> Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(folder.path());
        Self::on(database, folder, configure).await
    }

    /// On a new database.
    pub(crate) async fn on(
        database: Database,
        folder: TempDir,
        configure: impl FnOnce(Config) -> Config,
    ) -> Self {
        let (folder, clock) = (Arc::new(folder), TestClock::new());
        let mut authority = Self::open(folder, database, clock, configure).await;
        let directory = authority.server.directory();
        for system in ["bank", "bank-transfers"] {
            directory.add_system(system, Policies::both()).await.unwrap();
        }
        for user in ["alice", "bob", "carol", "dave"] {
            let email = format!("{user}@example.com");
            directory.add_user(NewUser::new(user).email(email).sms("+41790000001")).await.unwrap();
        }
        directory.add_user(NewUser::new("erin").sms("+41790000005")).await.unwrap();
        let both = ["bank", "bank-transfers"];
        directory.assign("alice", &both, Method::Pin).await.unwrap();
        directory.assign("bob", &both, Method::Passwordless).await.unwrap();
        directory.assign("dave", &both, Method::Pin).await.unwrap();
        directory.assign("erin", &both, Method::Pin).await.unwrap();
        directory.disable("dave").await.unwrap();
        directory.allow_sms_to(&["+41"]).await.unwrap();
        authority.key = directory.create_key("tests").await.unwrap().expose().to_owned();
        authority
    }

    /// Another server on the same database, as another process would be.
    pub(crate) async fn twin(&self) -> Self {
        let (folder, database) = (Arc::clone(&self._folder), self.database.clone());
        let inbox = |config: Config| config.inbox(true);
        let mut twin = Self::open(folder, database, self.clock.clone(), inbox).await;
        twin.key.clone_from(&self.key);
        twin
    }

    async fn open(
        folder: Arc<TempDir>,
        database: Database,
        clock: TestClock,
        configure: impl FnOnce(Config) -> Config,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let config = database.config(PublicUrl::parse(&base).unwrap()).clock(clock.clone());
        let server = Server::open(configure(config)).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn({
            let server = server.clone();
            async move { server.serve(listener, async { drop(stopped.await) }).await }
        });
        Self {
            server,
            base,
            key: String::new(),
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap(),
            clock,
            database,
            stop: Some(stop),
            serving: Some(serving),
            _folder: folder,
        }
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.take();
        self.serving.take().unwrap().await.unwrap().unwrap();
    }

    pub(crate) fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).header("apikey", &self.key).json(body)
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.request(path, body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(crate) async fn start(&self, user: &str) -> Value {
        let answer = self.post("/v1/start", &json!({"system": "bank", "authid": user})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn check(&self, user: &str, more: Value) -> Answer {
        self.post("/v1/check", &check_body(user, more)).await
    }

    pub(crate) fn newest(&self) -> Message {
        self.server.inbox().messages().into_iter().next().expect("nothing was sent")
    }

    pub(crate) fn sent(&self) -> usize {
        self.server.inbox().messages().len()
    }

    pub(crate) async fn answer_link(&self, link: &str, form: &[(&str, &str)]) -> Answer {
        send(self.http.post(link).form(form)).await
    }

    /// See [`Database::sql`].
    pub(crate) async fn sql(&self, statement: &str) -> Result<Vec<Vec<String>>, String> {
        self.database.sql(statement).await
    }

    pub(crate) async fn audited(&self, event: &str) -> i64 {
        let counted = format!("SELECT count(*) FROM audit WHERE event = '{event}'");
        self.sql(&counted).await.unwrap()[0][0].parse().unwrap()
    }

    /// Waits until the first row of what `statement` returns is `expected`, with a space between two values.
    pub(crate) async fn until_sql(&self, statement: &str, expected: &str) {
        let mut row = String::new();
        let seen = async {
            while row != expected {
                tokio::task::yield_now().await;
                row = self.sql(statement).await.unwrap().first().unwrap_or(&vec![]).join(" ");
            }
        };
        let waited = timeout(PATIENCE, seen).await;
        assert!(waited.is_ok(), "{statement}: `{row}` instead of `{expected}`");
    }

    /// Waits for what is written when something else is done, such as sending.
    pub(crate) async fn until_audited(&self, event: &str) {
        let seen = async {
            while self.audited(event).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("`{event}` is not in the trail"));
    }

    /// See [`Database::dump`].
    pub(crate) async fn dump(&self) -> String {
        self.database.dump().await
    }
}

pub(crate) fn check_body(user: &str, mut more: Value) -> Value {
    more["system"] = json!("bank");
    more["authid"] = json!(user);
    more
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.text().await.unwrap() }
}

/// What takes longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Eight digits that are not `pin`.
pub(crate) fn wrong(pin: &str) -> &'static str {
    if pin == "11111111" { "22222222" } else { "11111111" }
}
