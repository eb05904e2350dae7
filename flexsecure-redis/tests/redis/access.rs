use flexsecure_core::Store;
use flexsecure_core::test_util::acceptance;
use flexsecure_redis::{ConfigError, RedisStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::captured::Captured;
use crate::server::{Server, free_port, patient};
use crate::someone::Someone;

/// The very line that the README tells operators to run.
fn documented_line() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn user_with_the_documented_rights_can_do_everything() {
    let server = Server::start();
    let line = documented_line();
    let (name, arguments) = line.split_first().unwrap();
    let mut admin = server.admin().await;
    redis::cmd(name).arg(arguments).exec_async(&mut admin).await.unwrap();
    let url = server.url().replace("redis://", "redis://bank:password@");
    let store = patient(RedisStore::builder(&url)).connect().unwrap();
    // Nothing is copied unless all that the watcher does is allowed.
    Someone::copying(&store).await;
    acceptance::run(async || store.clone()).await;
}

#[tokio::test]
async fn what_is_missing_in_the_rights_is_said_to_the_operator_and_the_password_is_not() {
    let server = Server::start();
    let mut admin = server.admin().await;
    let set = |rights: &'static str| {
        let mut set = redis::cmd("ACL");
        set.arg("SETUSER").arg("bank").arg("on").arg(">hunter2hunter2");
        set.arg(rights.split(' ').collect::<Vec<_>>());
        set
    };
    set("~flexsecure:* -@all +evalsha +eval").exec_async(&mut admin).await.unwrap();
    let (log, _guard) = Captured::begin();
    for (password, code) in [("hunter2hunter2", "NOPERM"), ("hunter3hunter3", "WRONGPASS")] {
        let url = server.url().replace("redis://", &format!("redis://bank:{password}@"));
        let builder = RedisStore::builder(&url);
        assert!(!format!("{builder:?}").contains("hunter"));
        let store = builder.connect().unwrap();
        let who = Someone::new();
        let error = store.elevations(&who.session, &who.auth_id).await.unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(code), "{source}");
        let log = log.take();
        assert!(log.contains("ERROR flexsecure::store") && log.contains(code), "{log}");
        for text in [log, source, format!("{error:?} {error}"), format!("{store:?}")] {
            assert!(!text.contains("hunter"), "{text}");
        }
    }
    for url in ["redis://:hunter2@", "http://bank:hunter2@localhost", "hunter2", "unix:///hunter2"]
    {
        let error = RedisStore::connect(url).unwrap_err();
        assert_eq!(error, ConfigError::NotARedisUrl);
        assert!(!format!("{error:?} {error}").contains("hunter"));
    }
}

#[tokio::test]
async fn server_is_reached_by_tls_if_its_certificate_is_of_the_authority_given() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = authority.certify("localhost");
    let (certificate, key) = (write("server.pem", &certificate), write("key.pem", &key));
    let port = free_port();
    let tls_port = port.to_string();
    let settings =
        ["--tls-port", &tls_port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let settings = [&settings[..], &["--tls-auth-clients", "no"]].concat();
    let _server = Server::with(&settings);
    let url = format!("rediss://localhost:{port}");
    let store = |pem: &str| RedisStore::builder(&url).root_certificates(pem).connect().unwrap();

    let right = store(&authority.pem);
    let who = Someone::copying(&right).await;
    let by_address = url.replace("localhost", "127.0.0.1");
    let by_address = RedisStore::builder(&by_address).root_certificates(authority.pem.as_str());
    let by_system = RedisStore::connect(&url).unwrap();
    let elsewhere = format!("redis://localhost:{port}");
    let unprotected = RedisStore::connect(&elsewhere).unwrap();
    for wrong in [store(&stranger.pem), by_address.connect().unwrap(), by_system, unprotected] {
        assert!(wrong.elevations(&who.session, &who.auth_id).await.is_err());
    }
    assert!(who.is_served(&right).await);
    let insecure = RedisStore::connect(&format!("{url}/#insecure"));
    assert_eq!(insecure.unwrap_err(), ConfigError::NotARedisUrl);
    let broken = RedisStore::builder(&url).root_certificates("no certificate").connect();
    assert_eq!(broken.unwrap_err(), ConfigError::Certificates);
}

/// A certificate authority of our own.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(parameters, key) }
    }

    /// A certificate for `name` and its key.
    fn certify(&self, name: &str) -> (String, String) {
        let parameters = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}
