use std::process::{ExitStatus, Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{
    database::Database,
    harness::{PATIENCE, send},
};

/// A folder and an empty database.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    database: Database,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new(folder.path());
        Self { folder, database }
    }

    /// The names of files are left at their defaults.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_flexsecure-server"));
        command.args(arguments).current_dir(self.folder.path());
        command.stdin(Stdio::null()).kill_on_drop(true);
        for name in [
            "LISTEN",
            "DATABASE",
            "SERVER_KEYS",
            "PUBLIC_URL",
            "INBOX",
            "SMTP_URL",
            "MAIL_FROM",
            "PAGES",
        ] {
            command.env_remove(format!("FLEXSECURE_{name}"));
        }
        if let Database::Postgres { url, .. } = &self.database {
            command.env("FLEXSECURE_DATABASE", url);
        }
        command
    }
}

pub(crate) async fn run(place: &Place, arguments: &[&str]) -> (ExitStatus, String, String) {
    let output = timeout(PATIENCE, place.command(arguments).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

pub(crate) async fn works(place: &Place, arguments: &[&str]) -> String {
    let (status, out, err) = run(place, arguments).await;
    assert!(status.success(), "{arguments:?}: {err}");
    out
}

pub(crate) async fn fails(place: &Place, arguments: &[&str]) -> String {
    let (status, out, err) = run(place, arguments).await;
    assert!(!status.success() && out.is_empty(), "{arguments:?}");
    assert_eq!(err.trim_end().lines().count(), 1, "{err}");
    err
}

#[tokio::test]
async fn administered_served_and_stopped() {
    let place = Place::new();
    works(&place, &["system", "add", "bank"]).await;
    works(&place, &["system", "add", "door", "--pin"]).await;
    works(&place, &["system", "policy", "door", "--passwordless", "on", "--pin", "off"]).await;
    assert_eq!(
        works(&place, &["system", "list"]).await,
        "bank\tpin on\tpasswordless on\ndoor\tpin off\tpasswordless on\n"
    );
    works(&place, &["user", "add", "alice", "--email", "alice@example.com"]).await;
    works(&place, &["user", "add", "bob", "--sms", "+41790000002"]).await;
    works(&place, &["user", "assign", "alice", "bank", "--method", "pin"]).await;
    works(&place, &["user", "disable", "bob"]).await;
    assert_eq!(
        works(&place, &["user", "list"]).await,
        "alice\tenabled\talice@example.com\t-\tbank=pin\nbob\tdisabled\t-\t+41790000002\t-\n"
    );
    let key = works(&place, &["key", "create", "app"]).await.trim().to_owned();
    let listed = works(&place, &["key", "list"]).await;
    assert!(listed.starts_with("app\tfsk_") && !listed.contains(&key));

    std::fs::create_dir_all(place.folder.path().join("pages/texts")).unwrap();
    let own = r#"{"inbox.title": "Ours"}"#;
    std::fs::write(place.folder.path().join("pages/texts/en.json"), own).unwrap();
    let mut child = place
        .command(&["serve", "--listen", "127.0.0.1:0"])
        .env("FLEXSECURE_PUBLIC_URL", "https://auth.example.com")
        .env("FLEXSECURE_INBOX", "1")
        .env("FLEXSECURE_PAGES", "pages")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, out.next_line()).await.unwrap().unwrap().unwrap();
    let base = line.strip_prefix("listening on ").unwrap();
    let http = reqwest::Client::new();
    let start = http.post(format!("{base}/v1/start")).header("apikey", &key);
    let answer = send(start.json(&json!({"system": "bank", "authid": "alice"}))).await;
    assert_eq!(answer.json()["method"], "pin");
    let inbox = send(http.get(format!("{base}/inbox.json"))).await;
    assert_eq!(inbox.json()[0]["to"], "alice@example.com");

    assert!(send(http.get(format!("{base}/inbox"))).await.body.contains("<h1>Ours</h1>"));

    // The same database, while it is served.
    works(&place, &["key", "revoke", "app"]).await;
    let capabilities = http.get(format!("{base}/v1/capabilities")).header("apikey", &key);
    assert_eq!(send(capabilities).await.status, 401);

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let status = timeout(PATIENCE, child.wait()).await.expect("SIGTERM did not end it").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn what_is_not_configured_is_said_in_a_sentence() {
    let place = Place::new();
    let url = ["serve", "--public-url", "http://127.0.0.1:4000"];
    let with = |more: &[&'static str]| [&url, more].concat();
    assert!(fails(&place, &["serve", "--inbox"]).await.contains("FLEXSECURE_PUBLIC_URL"));
    let insecure = ["serve", "--inbox", "--public-url", "http://auth.example.com"];
    assert!(fails(&place, &insecure).await.contains("must be https"));
    let no_way = fails(&place, &with(&[])).await;
    assert!(no_way.contains("--inbox") && no_way.contains("--smtp-url"), "{no_way}");
    let relay = "smtp://user:hunter2@mail.example.com";
    assert!(fails(&place, &with(&["--smtp-url", relay])).await.contains("--mail-from"));
    let bad = fails(&place, &with(&["--smtp-url", relay, "--mail-from", "nobody"])).await;
    assert!(bad.contains("sender") && !bad.contains("hunter2"), "{bad}");
    let nowhere = with(&["--inbox", "--database", "/nowhere/at/all.db"]);
    assert!(fails(&place, &nowhere).await.contains("--database"));
    std::fs::create_dir_all(place.folder.path().join("pages/texts")).unwrap();
    std::fs::write(place.folder.path().join("pages/texts/de.json"), r#"{"moment": "{{"}"#).unwrap();
    let broken = fails(&place, &with(&["--inbox", "--pages", "pages"])).await;
    assert!(broken.contains("--pages") && broken.contains("texts/de.json#moment"), "{broken}");
    let missing = fails(&place, &with(&["--inbox", "--pages", "nowhere"])).await;
    assert!(missing.contains("--pages") && missing.contains("nowhere can't be read"), "{missing}");
    assert!(fails(&place, &["user", "add", "alice"]).await.contains("e-mail address"));
    assert!(fails(&place, &["system", "policy", "bank"]).await.contains("--pin on|off"));
}

#[tokio::test]
async fn a_database_is_copied_into_an_empty_one_and_into_no_other() {
    let place = Place::new();
    works(&place, &["system", "add", "bank"]).await;
    works(&place, &["user", "add", "alice", "--email", "alice@example.com"]).await;
    works(&place, &["user", "assign", "alice", "bank", "--method", "pin"]).await;
    let file = |name: &str| place.folder.path().join(name).to_str().unwrap().to_owned();
    let (from, backup, nowhere) = (place.database.name(), file("backup.db"), file("nowhere.db"));
    let said = works(&place, &["store", "copy", "--from", &from, "--to", &backup]).await;
    for line in ["           1  users\n", "           1  assignments\n", "copied and counted"] {
        assert!(said.contains(line), "{said}");
    }

    // It is restored into a database of the same kind.
    let folder = tempfile::tempdir().unwrap();
    let restored = Database::new(folder.path());
    works(&place, &["store", "copy", "--from", &backup, "--to", &restored.name()]).await;
    let users = "SELECT auth_id FROM users";
    for database in [&place.database, &restored, &Database::File(backup.clone().into())] {
        assert_eq!(database.sql(users).await.unwrap(), [["alice"]]);
    }

    works(&place, &["user", "add", "bob", "--email", "bob@example.com"]).await;
    for to in [&backup, &restored.name(), &from] {
        let refused = fails(&place, &["store", "copy", "--from", &from, "--to", to]).await;
        assert!(refused.contains("not empty") && refused.contains("accounts"), "{refused}");
    }
    assert_eq!(restored.sql(users).await.unwrap(), [["alice"]]);

    let missing =
        fails(&place, &["store", "copy", "--from", &nowhere, "--to", &file("new.db")]).await;
    assert!(missing.contains("nowhere.db"), "{missing}");
    assert!(["nowhere.db", "new.db"].iter().all(|name| !place.folder.path().join(name).exists()));
}
