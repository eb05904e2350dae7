use serde_json::{Value, json};

use super::{Office, is_problem};
use crate::harness::{Answer, send};

impl Office {
    async fn import(&self, query: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
        let url = format!("{}/v1/admin/users/import{query}", self.authority.base);
        let request = self.authority.http.post(url).header("apikey", &self.key);
        send(request.header("content-type", kind).body(body)).await
    }
}

const CSV: &str = "text/csv";
const GOOD: &str = "authid,sms,email,locale,disabled,assignments\r\n\
    alice,+41790000001,alice@example.com;second@example.com,de,,\r\n\
    =new,,\"new@example.com\",,true,\"bank=pin; bank-transfers=passwordless\"\r\n\
    \r\n\
    carol,+41790000001,,,false,none\r\n\
    erin,+41790000005,,,,\r\n";

fn outcomes(report: &Value) -> Vec<(u64, &str, &str)> {
    let lines = report["lines"].as_array().unwrap().iter();
    lines
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap_or_default();
            (line["line"].as_u64().unwrap(), text("authid"), text("outcome"))
        })
        .collect()
}

#[tokio::test]
async fn a_dry_run_says_exactly_what_then_happens() {
    let office = Office::new().await;
    let before = office.authority.dump().await;
    let dry = office.import("?dry_run=true", CSV, GOOD).await;
    assert_eq!(dry.status, 200, "{dry:?}");
    assert_eq!(office.authority.dump().await, before);
    let done = office.import("", CSV, GOOD).await.json();
    let expected = [
        (2, "alice", "updated"),
        (3, "=new", "created"),
        (5, "carol", "updated"),
        (6, "erin", "unchanged"),
    ];
    assert_eq!(outcomes(&done), expected);
    assert_eq!(outcomes(&dry.json()), expected);
    assert_eq!((&dry.json()["written"], &done["written"]), (&json!(false), &json!(true)));

    let alice = office.get("users/alice").await.json();
    assert_eq!(alice["contacts"][0]["channel"], "sms", "in the order of the columns");
    assert_eq!(alice["contacts"].as_array().unwrap().len(), 3);
    assert_eq!(alice["assignments"].as_array().unwrap().len(), 2, "an empty cell leaves them");
    let new = office.get("users/%3Dnew").await.json();
    assert_eq!((&new["authid"], &new["disabled"]), (&json!("=new"), &json!(true)), "data");
    assert_eq!(new["assignments"].as_array().unwrap().len(), 2);

    let before = office.authority.dump().await;
    let again = office.import("", CSV, GOOD).await.json();
    assert_eq!(again["unchanged"], 4);
    assert_eq!(office.authority.dump().await, before, "the same again leaves no trace");
}

const BAD: &str = "authid,email,assignments\n\
    one,one@example.com,\n\
    two,two,\n\
    three,three@example.com,nowhere=pin\n\
    four,four@example.com\n\
    one,again@example.com,\n\
    five,five@example.com,bank\n\
    six,,\n\
    \"a\nb\",x@example.com,\n\
    seven,seven@example.com,bank=pin\n";

#[tokio::test]
async fn nothing_is_written_if_a_line_is_refused_unless_it_is_to_be_skipped() {
    let office = Office::new().await;
    let before = office.authority.dump().await;
    let refused = office.import("", CSV, BAD).await;
    is_problem(&refused, 422, "invalid", &[]);
    let report = refused.json()["report"].clone();
    assert_eq!(
        outcomes(&report),
        [
            (2, "one", "created"),
            (3, "two", "refused"),
            (4, "three", "refused"),
            (5, "four", "refused"),
            (6, "one", "refused"),
            (7, "five", "refused"),
            (8, "six", "refused"),
            (9, "a\nb", "refused"),
            (11, "seven", "created"),
        ]
    );
    let why = |line: usize| report["lines"][line]["detail"].as_str().unwrap().to_owned();
    assert!(why(1).contains("name@example.com"), "{}", why(1));
    assert!(why(2).contains("no system `nowhere`"), "{}", why(2));
    assert!(why(3).contains("2 cells"), "{}", why(3));
    assert!(why(4).contains("line 2"), "{}", why(4));
    assert_eq!(office.authority.dump().await, before);

    let skipped = office.import("?skip_refused=true", CSV, BAD).await;
    assert_eq!(skipped.status, 200, "{skipped:?}");
    assert_eq!(skipped.json()["lines"], report["lines"]);
    assert_eq!(office.get("users/seven").await.status, 200);
    assert_eq!(office.get("users/two").await.status, 404);
}

/// T46
#[tokio::test]
async fn a_report_in_csv_has_no_cell_that_a_spreadsheet_would_run() {
    let office = Office::new().await;
    let file = "authid,email\n=1+1,x\n+2,a@example.com\n-3,a@example.com\n@SUM(A1),a@example.com\n";
    let url = format!("{}/v1/admin/users/import?skip_refused=true", office.authority.base);
    let request = office.authority.http.post(url).header("apikey", &office.key);
    let request = request.header("content-type", CSV).header("accept", CSV).body(file);
    let report = send(request).await;
    assert_eq!(report.headers["content-type"], "text/csv; charset=utf-8");
    for (line, begins) in
        report.body.lines().zip(["line", "2,'=1+1,", "3,'+2,", "4,'-3,", "5,'@SUM"])
    {
        assert!(line.starts_with(begins), "{line}");
    }
    assert_eq!(office.get("users/@SUM(A1)").await.status, 200, "as it was given");
}

#[tokio::test]
async fn what_a_list_shows_can_be_imported_and_changes_nothing() {
    let office = Office::new().await;
    let users = office.get("users").await.json();
    let lines: Vec<_> =
        users["items"].as_array().unwrap().iter().map(ToString::to_string).collect();
    let before = office.authority.dump().await;
    let report = office.import("", "application/x-ndjson", lines.join("\n")).await.json();
    assert_eq!((&report["unchanged"], &report["refused"]), (&json!(5), &json!(0)), "{report}");
    assert_eq!(office.authority.dump().await, before);
}

#[tokio::test]
async fn a_line_of_json_is_read_as_strictly_as_a_body() {
    let office = Office::new().await;
    let lines = [
        r#"{"authid": "a", "email": "a@example.com", "sms": ["+41790000001"]}"#,
        r#"{"authid": "b", "email": "b@example.com", "admin": true}"#,
        r#"{"authid": "c", "contacts": [], "email": "c@example.com"}"#,
        r#"{"authid": "d", "email": "d@example.com"} {"#,
        r#"{"authid": "e","#,
        "",
        r#"{"authid": "f", "email": "f@example.com", "assignments": [{"system": "bank", "method": "fax"}]}"#,
    ];
    let answer = office.import("?skip_refused=true", "application/jsonl", lines.join("\n")).await;
    let report = answer.json();
    let lines: Vec<_> = outcomes(&report);
    assert_eq!(lines[0], (1, "a", "created"));
    assert!(lines[1..].iter().all(|line| line.2 == "refused"), "{report}");
    assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 7]);
}

#[tokio::test]
async fn what_is_no_file_of_users_is_told_so() {
    let office = Office::new().await;
    for (kind, body, status, name) in [
        ("text/plain", "authid\n", 415, "media-type"),
        (CSV, "", 422, "invalid"),
        (CSV, "email\na@example.com\n", 422, "invalid"),
        (CSV, "authid,phone\na,1\n", 422, "invalid"),
        (CSV, "authid,email,email\na,b,c\n", 422, "invalid"),
    ] {
        is_problem(&office.import("", kind, body).await, status, name, &[]);
    }
    let unclosed = format!("authid,email\n\"a,{}", "x".repeat(300 * 1024));
    is_problem(&office.import("", CSV, unclosed).await, 413, "too-large", &[]);
    let too_long = vec![b'x'; 16 * 1024 * 1024 + 1];
    is_problem(&office.import("", CSV, too_long).await, 413, "too-large", &[]);
    let mark = "\u{feff}authid,email\nmarked,m@example.com\n";
    assert_eq!(office.import("", CSV, mark).await.json()["created"], 1);
}

#[tokio::test]
async fn many_users_are_imported_while_others_log_in() {
    let office = Office::new().await;
    let mut file = "authid,email,assignments\n".to_owned();
    for number in 0..5_000 {
        file.push_str(&format!("user-{number},user-{number}@example.com,bank=pin\n"));
    }
    let (report, started) =
        tokio::join!(office.import("", CSV, file), office.authority.start("alice"));
    assert_eq!(started["method"], "pin");
    assert_eq!(report.json()["created"], 5_000);
    assert_eq!(office.authority.audited("user added").await, 5_005);
}
