use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};

use crate::{
    certificates::{FILES, issue, issue_until},
    harness::{Output, PUBLIC, Place},
};

async fn doctor(place: &Place, more: &[&str]) -> Output {
    let with = ["doctor", "--listen", "127.0.0.1:0", "--public-url", PUBLIC];
    place.run(&[&with, more].concat()).await
}

impl Output {
    fn has(&self, verdict: &str, text: &str) {
        let found = self.out.lines().any(|line| line.starts_with(verdict) && line.contains(text));
        assert!(found, "no `{verdict}` with `{text}` in\n{}{}", self.out, self.err);
    }
}

#[tokio::test]
async fn what_is_well_is_said_to_be() {
    let place = Place::new().await;
    issue(&place, "one");
    for name in ["flexsecure.db", "flexsecure.db.keys", "key.pem"] {
        restrict(&place, name, 0o600);
    }
    place.write("password", "hunter2");
    restrict(&place, "password", 0o600);
    let relay = relay().await;
    let mail = format!(
        "[[mail]]\nurl = \"smtp://me@{relay}\"\nfrom = \"a@example.com\"\npassword_file = \"password\""
    );
    place.write("flexsecure.toml", &mail);
    let more = [&FILES[..], &["--config", "flexsecure.toml"]].concat();
    let output = doctor(&place, &more).await;
    for text in [
        "complete",
        "public url   https://auth.example.com",
        "opens and is up to date",
        "1 in the file, and none is missing",
        "flexsecure.db.keys is kept from others (mode 600)",
        "it fits its key, and is valid for",
        "key.pem is kept from others",
        "password is kept from others",
        "127.0.0.1:0 is free",
    ] {
        output.has("ok ", text);
    }
    assert!(output.out.lines().all(|line| line.starts_with("ok ")), "{}", output.out);
    assert!(output.status.success() && !output.out.contains("hunter2"));
}

/// A mail relay that lets everybody in.
async fn relay() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 relay\r\n").await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                let answer = match line.get(..4).unwrap_or_default() {
                    "EHLO" => "250-relay\r\n250 AUTH PLAIN\r\n",
                    "AUTH" => "235 welcome\r\n",
                    _ => "250 ok\r\n",
                };
                stream.write_all(answer.as_bytes()).await.unwrap();
                line.clear();
            }
        }
    });
    address
}

fn restrict(place: &Place, name: &str, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;

    let permissions = std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(place.path(name), permissions).unwrap();
}

#[tokio::test]
async fn what_others_can_read_is_a_warning() {
    let place = Place::new().await;
    restrict(&place, "flexsecure.db.keys", 0o644);
    let output = doctor(&place, &["--inbox"]).await;
    output.has(
        "warning",
        "flexsecure.db.keys can be read or changed by others (mode 644): chmod 600",
    );
    output.has("warning", "messages are shown at /inbox");
    assert!(output.status.success());
}

#[tokio::test]
async fn a_key_file_that_does_not_fit_is_a_failure() {
    let place = Place::new().await;
    let keys = std::fs::read_to_string(place.path("flexsecure.db.keys")).unwrap();
    let id = keys.split(' ').next().unwrap();
    place.write("flexsecure.db.keys", &format!("other {}\n", "A".repeat(43)));
    let output = doctor(&place, &["--inbox"]).await;
    output.has("failed", &format!("lacks {id}; restore the file"));
    assert_eq!(output.status.code(), Some(1));
    assert!(output.err.contains("1 of these would keep the server from working"));

    std::fs::remove_file(place.path("flexsecure.db.keys")).unwrap();
    doctor(&place, &["--inbox"]).await.has("failed", "is missing: restore it from a backup");
    place.write("flexsecure.db.keys", "nothing of use");
    doctor(&place, &["--inbox"]).await.has("failed", "is malformed");
}

#[tokio::test]
async fn the_database_is_looked_at_and_left_alone() {
    let place = Place::empty().await;
    let output = doctor(&place, &["--inbox"]).await;
    output.has("warning", "flexsecure.db is not there yet");
    assert!(output.status.success());
    assert_eq!(std::fs::read_dir(place.folder.path()).unwrap().count(), 0, "nothing was made");
    let output = doctor(&place, &["--inbox", "--database", "no/where.db"]).await;
    output.has("failed", "the folder of no/where.db is missing");

    place.write("flexsecure.db", &"no database, ".repeat(1000));
    doctor(&place, &["--inbox"]).await.has("failed", "is flexsecure.db a database of this server?");
    assert!(std::fs::read(place.path("flexsecure.db")).unwrap().starts_with(b"no database, "));

    std::fs::remove_file(place.path("flexsecure.db")).unwrap();
    place.write("flexsecure.db", "");
    doctor(&place, &["--inbox"]).await.has("warning", "flexsecure.db is of an older version");
    assert_eq!(std::fs::metadata(place.path("flexsecure.db")).unwrap().len(), 0);

    let newer = Place::new().await;
    let connection = rusqlite::Connection::open(newer.path("flexsecure.db")).unwrap();
    connection.pragma_update(None, "user_version", 9_999).unwrap();
    doctor(&newer, &["--inbox"]).await.has("failed", "was made by a newer version");
}

#[tokio::test]
async fn a_certificate_is_looked_at() {
    let place = Place::new().await;
    let with = [&FILES[..], &["--inbox"]].concat();
    doctor(&place, &with).await.has("failed", "certificate.pem can't be read");
    issue_until(&place, "one", 2000);
    doctor(&place, &with).await.has("failed", "it has expired; renew it");
    issue(&place, "one");
    let elsewhere = [&with[..], &["--public-url", "https://else.example.com"]].concat();
    let with_url = ["doctor", "--listen", "127.0.0.1:0"];
    let output = place.run(&[&with_url[..], &elsewhere].concat()).await;
    output.has("warning", "it is not for else.example.com");
    let other = Place::empty().await;
    issue(&other, "two");
    std::fs::copy(other.path("key.pem"), place.path("key.pem")).unwrap();
    doctor(&place, &with).await.has("failed", "does not belong to the certificate");
}

#[tokio::test]
async fn what_strangers_could_reach_is_a_warning() {
    let place = Place::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let check = ["doctor", "--public-url", "http://localhost:4000", "--inbox"];
    let output = place.run(&[&check[..], &["--listen", &address]].concat()).await;
    output.has("warning", "is taken");
    output.has("warning", "http://localhost:4000 is reached from this machine only");
    let open = ["--listen", "0.0.0.0:0", "--metrics-listen", "0.0.0.0:9464"];
    let output = place.run(&[&check[..], &open].concat()).await;
    output.has("warning", "/inbox shows every PIN and link to whoever reaches 0.0.0.0:0");
    output.has("warning", "0.0.0.0:0 speaks plain HTTP");
    output.has("warning", "0.0.0.0:9464 is not loopback");
    let output = place.run(&["doctor", "--inbox"]).await;
    output.has("failed", "set --public-url");
    assert_eq!(output.status.code(), Some(1));
    let wrong_mail = ["--smtp-url", "smtp://mail.example.com", "--mail-from", "nobody"];
    let output = place.run(&[&check[..], &wrong_mail, &["--pages", "nowhere"]].concat()).await;
    output.has("failed", "the sender must be an address");
    output.has("ok ", "opens and is up to date");
    let output = place.run(&[&check[..], &["--listen", "here"]].concat()).await;
    output.has("failed", "\"here\" is not an address");
    assert_eq!(output.status.code(), Some(1));
    let output = place.run(&[&check[..], &["--pages", "nowhere"]].concat()).await;
    output.has("failed", "nowhere");
}
