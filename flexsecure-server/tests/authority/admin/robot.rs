//! schemathesis: a stranger who has read the document, and tries whatever it allows and does not allow.

use std::{path::PathBuf, process::Stdio, time::Duration};

use flexsecure_server::Scopes;
use tokio::{process::Command, time::timeout};

use super::{Office, admin_key};

/// The version that answers as it did before: what it tries depends on it.
const SCHEMATHESIS: &str = "4.32.5";

/// Installed below the target folder, once.
async fn schemathesis() -> PathBuf {
    let tools = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../tools");
    let folder = tools.join(format!("schemathesis-{SCHEMATHESIS}"));
    let program = folder.join("bin/schemathesis");
    if !program.exists() {
        std::fs::create_dir_all(&tools).unwrap();
        let package = format!("schemathesis=={SCHEMATHESIS}");
        let python = folder.join("bin/python").to_str().unwrap().to_owned();
        let folder = folder.to_str().unwrap();
        done("python3", &["-m", "venv", "--clear", folder]).await;
        done(&python, &["-m", "pip", "install", "--quiet", &package]).await;
    }
    program
}

async fn done(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).kill_on_drop(true).status();
    let status = timeout(Duration::from_secs(300), status).await;
    let status = status.unwrap_or_else(|_| panic!("{program} {arguments:?} does not end"));
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "{program} {arguments:?} fails: is Debian's python3-venv installed? {status:?}"
    );
}

/// No server error, and no answer that the document does not describe.
#[tokio::test]
async fn whatever_is_sent_is_answered_as_described() {
    let program = schemathesis().await;
    let office = Office::new().await;
    let all = Scopes { authenticate: true, admin_read: true, admin_write: true };
    let key = admin_key(office.directory(), all).await;
    let run = Command::new(program)
        .args(["run", &format!("{}/v1/admin/openapi.json", office.authority.base)])
        .args(["-H", &format!("apikey: {key}"), "--seed", "1", "--max-examples", "30"])
        // What is right is more than a schema can say; a user may be called like the call that imports; and after twenty
        // wrong keys the answer is 429, which a test of its own expects.
        .args([
            "--exclude-checks",
            "positive_data_acceptance,allow_header_conformance,ignored_auth",
        ])
        .args(["--generation-database", "none", "--no-color"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(120), run).await.expect("it does not end").unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("Tested: 26"), "{report}");
}
