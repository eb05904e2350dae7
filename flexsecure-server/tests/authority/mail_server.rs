//! A real mail server, aiosmtpd, on a port of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::harness::PATIENCE;

pub(crate) struct MailServer {
    pub(crate) port: u16,
    told: Lines<BufReader<ChildStdout>>,
    child: Child,
}

impl MailServer {
    /// `what` is `certificate`, `key`, `implicit`, `old`, `user`, `password`, `pipelining` and `script`, as
    /// `mail_server.py` has them.
    pub(crate) async fn start(what: &Value) -> Self {
        let python = tokio::task::spawn_blocking(python).await.unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/authority/mail_server.py");
        let mut child = tokio::process::Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = child.stdin.as_mut().unwrap();
        input.write_all(format!("{what}\n").as_bytes()).await.unwrap();
        let told = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut server = Self { port: 0, told, child };
        let port = server.told().await["port"].as_u64().unwrap();
        server.port = port.try_into().unwrap();
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The next thing that it tells.
    pub(crate) async fn told(&mut self) -> Value {
        let line = timeout(PATIENCE, self.told.next_line()).await.expect("it tells nothing");
        serde_json::from_str(&line.unwrap().expect("it has ended")).unwrap()
    }

    /// All that it has told and nobody has asked for, once it is stopped.
    pub(crate) async fn stop(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        let mut rest = Vec::new();
        while let Some(line) = timeout(PATIENCE, self.told.next_line()).await.unwrap().unwrap() {
            rest.push(serde_json::from_str(&line).unwrap());
        }
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        rest
    }
}

/// The interpreter of an environment below `target` that has aiosmtpd in it. Whoever comes first makes it.
fn python() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(PACKAGE.replace("==", "-"));
    fs::create_dir_all(&folder).unwrap();
    let python = folder.join("bin/python");
    let lock = File::create(folder.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let ready = folder.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder));
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", PACKAGE]));
        File::create(ready).unwrap();
    }
    python
}

fn run(command: &mut Command) {
    let output = command.output();
    let is_done = output.as_ref().is_ok_and(|output| output.status.success());
    assert!(
        is_done,
        "the tests of mail need python3 with venv and pip (python3-venv in Debian), and {PACKAGE} \
         from the package index: {command:?} failed: {output:?}"
    );
}

/// Certificates of an authority that only those who are told trust.
pub(crate) struct Certificates {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new([]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let folder = tempfile::tempdir().unwrap();
        let root = authority.self_signed(&key).unwrap();
        fs::write(folder.path().join("root.pem"), root.pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(authority, key), folder }
    }

    /// Whom to trust.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// What a server needs to be `host`, until `year`.
    pub(crate) fn server(&self, host: &str, year: i32) -> Value {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut server = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
        server.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = server.signed_by(&key, &self.issuer).unwrap();
        // Each server has its own files.
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap().keep();
        let [certificate, key] = [("certificate", certificate.pem()), ("key", key.serialize_pem())]
            .map(|(name, pem)| {
                let path = folder.join(name);
                fs::write(&path, pem).unwrap();
                path
            });
        json!({"certificate": certificate, "key": key})
    }
}

const PACKAGE: &str = "aiosmtpd==1.4.6";
