//! The same by the command line.

use std::{fs, time::Instant};

use serde_json::{Value, json};

use crate::cli::{Place, fails, run, works};

async fn json_of(place: &Place, arguments: &[&str]) -> Vec<Value> {
    let out = works(place, &[arguments, &["--json"]].concat()).await;
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn an_account_is_made_and_nothing_of_it_is_in_another() {
    let place = Place::new();
    works(&place, &["account", "create", "other"]).await;
    assert!(fails(&place, &["account", "create", "other"]).await.contains("already"));
    let missing = fails(&place, &["user", "list", "--account", "oter"]).await;
    assert!(missing.contains("account create"), "{missing}");
    works(&place, &["system", "add", "bank", "--account", "other"]).await;
    assert_eq!(works(&place, &["system", "list"]).await, "");
    let set = ["account", "set", "--account", "other", "--sms-country", "+41"];
    works(&place, &[&set[..], &["--sms-country", "+49", "--sms-daily-budget", "5"]].concat()).await;
    let shown = json_of(&place, &["account", "show", "--account", "other"]).await;
    assert_eq!(shown[0]["sms_countries"], json!(["+41", "+49"]));
    works(&place, &["account", "set", "--account", "other", "--no-sms"]).await;
    let all = json_of(&place, &["account", "list"]).await;
    assert_eq!(all[1]["sms_countries"], json!([]));
    assert_eq!((all.len(), &all[1]["sms_daily_budget"]), (2, &json!(5)));
    assert!(fails(&place, &["account", "set"]).await.contains("--sms-daily-budget"));
    assert!(fails(&place, &["account", "set", "--sms-country", "41"]).await.contains("+41"));
}

#[tokio::test]
async fn whatever_the_api_can_do_the_command_line_can() {
    let place = Place::new();
    let put = ["system", "put", "bank", "--pin", "on", "--passwordless", "on"];
    assert_eq!(works(&place, &put).await, "created system bank\n");
    assert_eq!(works(&place, &put).await, "unchanged system bank\n");
    works(&place, &["system", "policy", "bank", "--requires-txn", "on"]).await;
    assert_eq!(json_of(&place, &["system", "show", "bank"]).await[0]["requires_txn"], true);

    let put = ["user", "put", "alice", "--email", "a@example.com", "--sms", "+41790000001"];
    assert_eq!(works(&place, &put).await, "created user alice\n");
    let again = [&put[..], &["--sms-first", "--locale", "de"]].concat();
    assert_eq!(works(&place, &again).await, "updated user alice\n");
    works(&place, &["user", "assign", "alice", "bank", "--method", "pin"]).await;
    works(&place, &["user", "disable", "alice"]).await;
    let alice = json_of(&place, &["user", "list", "--prefix", "al", "--disabled", "true"]).await;
    let expected = json!({"authid": "alice", "locale": "de", "disabled": true,
        "contacts": [{"channel": "sms", "address": "+41790000001"},
                     {"channel": "email", "address": "a@example.com"}],
        "assignments": [{"system": "bank", "method": "pin"}]});
    assert_eq!(alice, [expected]);
    works(&place, &["user", "forgive", "alice"]).await;
    works(&place, &["user", "unassign", "alice", "bank"]).await;
    assert!(fails(&place, &["user", "unassign", "alice", "bank"]).await.contains("no assignment"));
    works(&place, &["user", "delete", "alice"]).await;
    assert!(fails(&place, &["user", "show", "alice"]).await.contains("no user `alice`"));

    let create = ["key", "create", "office", "--scope", "admin:read", "--scope", "admin:write"];
    let first = works(&place, &create).await;
    let second = works(&place, &["key", "rotate", "office"]).await;
    assert!(first.starts_with("fsk_") && second.starts_with("fsk_") && first != second);
    let keys = json_of(&place, &["key", "list"]).await;
    assert_eq!(keys[0]["scopes"], json!(["admin:read", "admin:write"]));
    assert!(keys[0]["replaced_at"].is_string() && keys[1]["replaced_at"].is_null());
    let both = ["key", "create", "x", "--scope", "admin:read", "--system", "bank"];
    assert!(fails(&place, &both).await.contains("limited to a system"));
    works(&place, &["key", "revoke", "office"]).await;
    assert!(fails(&place, &["key", "show", "office"]).await.contains("no live API key"));
    works(&place, &["system", "delete", "bank"]).await;
    assert!(fails(&place, &["system", "show", "bank"]).await.contains("no system `bank`"));
}

#[tokio::test]
async fn a_file_is_imported_whole_or_not_at_all() {
    let place = Place::new();
    works(&place, &["system", "add", "bank"]).await;
    let file = place.folder.path().join("users.csv");
    let text = "authid,email,assignments\nalice,a@example.com,bank=pin\n=bob,bob,\n";
    fs::write(&file, text).unwrap();
    let import = ["user", "import", "users.csv"];
    let (status, out, err) = run(&place, &import).await;
    assert!(!status.success() && err.contains("--skip-refused"), "{err}");
    assert!(out.starts_with("line 2\tcreated\talice\nline 3\trefused\t=bob\t"), "{out}");
    assert!(out.contains("nothing written: 1 created"), "{out}");
    assert_eq!(works(&place, &["user", "list"]).await, "");
    let skip = [&import[..], &["--skip-refused", "--csv"]].concat();
    let out = works(&place, &skip).await;
    assert!(out.starts_with("line,authid,outcome,detail\n2,alice,created,\n3,'=bob,"), "{out}");
    assert_eq!(json_of(&place, &["user", "list"]).await.len(), 1);

    // What is listed can be imported.
    let listed = works(&place, &["user", "list", "--json"]).await;
    fs::write(place.folder.path().join("users.jsonl"), listed).unwrap();
    let again = json_of(&place, &["user", "import", "users.jsonl", "--dry-run"]).await;
    assert_eq!((&again[0]["outcome"], &again[1]["written"]), (&json!("unchanged"), &json!(false)));
    assert!(fails(&place, &["user", "import", "users"]).await.contains("--format"));
    assert!(fails(&place, &["user", "import", "gone.csv"]).await.contains("can't be read"));
}

/// All of them twice, as they are looked at before they are written.
#[tokio::test]
async fn a_large_file_takes_seconds() {
    let place = Place::new();
    works(&place, &["system", "add", "bank"]).await;
    let mut text = "authid,email,assignments\n".to_owned();
    for number in 0..20_000 {
        text.push_str(&format!("user-{number},user-{number}@example.com,bank=pin\n"));
    }
    fs::write(place.folder.path().join("users.csv"), text).unwrap();
    let begun = Instant::now();
    let out = works(&place, &["user", "import", "users.csv"]).await;
    println!("20,000 users in {:?}", begun.elapsed());
    assert!(out.ends_with("written: 20000 created, 0 updated, 0 unchanged, 0 refused\n"));
}
