use std::{
    path::Path,
    process::{ExitStatus, Stdio},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::harness::{PATIENCE, send};

pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flexsecure-server"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["LISTEN", "DATABASE", "PUBLIC_URL", "INBOX", "SMTP_URL", "MAIL_FROM", "PAGES"] {
        command.env_remove(format!("FLEXSECURE_{name}"));
    }
    command
}

pub(crate) async fn run(folder: &TempDir, arguments: &[&str]) -> (ExitStatus, String, String) {
    let output = timeout(PATIENCE, command(folder.path(), arguments).output()).await;
    let output = output.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status, text(output.stdout), text(output.stderr))
}

pub(crate) async fn works(folder: &TempDir, arguments: &[&str]) -> String {
    let (status, out, err) = run(folder, arguments).await;
    assert!(status.success(), "{arguments:?}: {err}");
    out
}

pub(crate) async fn fails(folder: &TempDir, arguments: &[&str]) -> String {
    let (status, out, err) = run(folder, arguments).await;
    assert!(!status.success() && out.is_empty(), "{arguments:?}");
    assert_eq!(err.trim_end().lines().count(), 1, "{err}");
    err
}

#[tokio::test]
async fn administered_served_and_stopped() {
    let folder = tempfile::tempdir().unwrap();
    works(&folder, &["system", "add", "bank"]).await;
    works(&folder, &["system", "add", "door", "--pin"]).await;
    works(&folder, &["system", "policy", "door", "--passwordless", "on", "--pin", "off"]).await;
    assert_eq!(
        works(&folder, &["system", "list"]).await,
        "bank\tpin on\tpasswordless on\ndoor\tpin off\tpasswordless on\n"
    );
    works(&folder, &["user", "add", "alice", "--email", "alice@example.com"]).await;
    works(&folder, &["user", "add", "bob", "--sms", "+41790000002"]).await;
    works(&folder, &["user", "assign", "alice", "bank", "--method", "pin"]).await;
    works(&folder, &["user", "disable", "bob"]).await;
    assert_eq!(
        works(&folder, &["user", "list"]).await,
        "alice\tenabled\talice@example.com\t-\tbank=pin\nbob\tdisabled\t-\t+41790000002\t-\n"
    );
    let key = works(&folder, &["key", "create", "app"]).await.trim().to_owned();
    let listed = works(&folder, &["key", "list"]).await;
    assert!(listed.starts_with("app\tfsk_") && !listed.contains(&key));

    std::fs::create_dir_all(folder.path().join("pages/texts")).unwrap();
    let own = r#"{"inbox.title": "Ours"}"#;
    std::fs::write(folder.path().join("pages/texts/en.json"), own).unwrap();
    let mut child = command(folder.path(), &["serve", "--listen", "127.0.0.1:0"])
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
    works(&folder, &["key", "revoke", "app"]).await;
    let capabilities = http.get(format!("{base}/v1/capabilities")).header("apikey", &key);
    assert_eq!(send(capabilities).await.status, 401);

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
    let status = timeout(PATIENCE, child.wait()).await.expect("SIGTERM did not end it").unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn what_is_not_configured_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let url = ["serve", "--public-url", "http://127.0.0.1:4000"];
    let with = |more: &[&'static str]| [&url, more].concat();
    assert!(fails(&folder, &["serve", "--inbox"]).await.contains("FLEXSECURE_PUBLIC_URL"));
    let insecure = ["serve", "--inbox", "--public-url", "http://auth.example.com"];
    assert!(fails(&folder, &insecure).await.contains("must be https"));
    let no_way = fails(&folder, &with(&[])).await;
    assert!(no_way.contains("--inbox") && no_way.contains("--smtp-url"), "{no_way}");
    let relay = "smtp://user:hunter2@mail.example.com";
    assert!(fails(&folder, &with(&["--smtp-url", relay])).await.contains("--mail-from"));
    let bad = fails(&folder, &with(&["--smtp-url", relay, "--mail-from", "nobody"])).await;
    assert!(bad.contains("sender") && !bad.contains("hunter2"), "{bad}");
    let nowhere = with(&["--inbox", "--database", "/nowhere/at/all.db"]);
    assert!(fails(&folder, &nowhere).await.contains("--database"));
    std::fs::create_dir_all(folder.path().join("pages/texts")).unwrap();
    std::fs::write(folder.path().join("pages/texts/de.json"), r#"{"moment": "{{"}"#).unwrap();
    let broken = fails(&folder, &with(&["--inbox", "--pages", "pages"])).await;
    assert!(broken.contains("--pages") && broken.contains("texts/de.json#moment"), "{broken}");
    let missing = fails(&folder, &with(&["--inbox", "--pages", "nowhere"])).await;
    assert!(missing.contains("--pages") && missing.contains("nowhere can't be read"), "{missing}");
    assert!(fails(&folder, &["user", "add", "alice"]).await.contains("e-mail address"));
    assert!(fails(&folder, &["system", "policy", "bank"]).await.contains("--pin on|off"));
}
