use crate::harness::{Place, run};

#[tokio::test]
async fn what_holds_is_printed_without_secrets_and_with_its_source() {
    let place = Place::empty().await;
    place.write("password", "hunter2\n");
    place.write(
        "flexsecure.toml",
        "public_url = \"https://auth.example.com\"\nlisten = \"127.0.0.1:1\"\n\n[[mail]]\n\
         url = \"smtp://me@mail.example.com\"\nfrom = \"auth@example.com\"\npassword_file = \"password\"\n",
    );
    let mut check = place.command(&["config", "check", "--config", "flexsecure.toml"]);
    check.env("FLEXSECURE_LISTEN", "127.0.0.1:2").env("FLEXSECURE_MAX_CONNECTIONS", "9");
    let output = run(check).await;
    assert!(output.status.success(), "{}", output.err);
    let has = |parts: &[&str]| {
        let found = output.out.lines().any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} is not in\n{}", output.out);
    };
    has(&["listen = \"127.0.0.1:2\"", "# FLEXSECURE_LISTEN"]);
    has(&["public_url = \"https://auth.example.com\"", "# flexsecure.toml:1"]);
    has(&["max_connections = 9", "# FLEXSECURE_MAX_CONNECTIONS"]);
    has(&["url = \"smtp://me:hidden@mail.example.com\"", "# flexsecure.toml:5"]);
    has(&["inbox = false", "# default"]);
    assert!(!output.out.contains("hunter2"));
}

#[tokio::test]
async fn a_wrong_configuration_starts_nothing() {
    let place = Place::empty().await;
    for (file, told) in [
        (
            "listen = \"127.0.0.1:0\"\nlisten_to = \"x\"\n",
            "flexsecure.toml:2: unknown field `listen_to`",
        ),
        ("[tls]\ncertificate = \"c\"\n", "`key` is not set"),
        ("trusted_proxies = [\"any\"]\n", "is not a network"),
        ("listen = 4000\n", "flexsecure.toml:1: expected a string"),
    ] {
        place.write("flexsecure.toml", file);
        for command in [["serve"].as_slice(), &["config", "check"], &["user", "list"]] {
            let mut command = place.command(command);
            command.env("FLEXSECURE_CONFIG", "flexsecure.toml");
            let output = run(command).await;
            assert!(!output.status.success() && output.err.contains(told), "{}", output.err);
            assert_eq!(output.err.lines().count(), 1, "{}", output.err);
        }
    }
    let mut serve = place.command(&["serve"]);
    serve.env("FLEXSECURE_PUBLIC_ULR", "https://auth.example.com");
    let output = run(serve).await;
    assert!(!output.status.success() && output.err.contains("FLEXSECURE_PUBLIC_ULR"));
    assert!(!place.path("flexsecure.db").exists());
}

#[tokio::test]
async fn the_command_line_administers_what_the_file_names() {
    let place = Place::empty().await;
    place.write("flexsecure.toml", "database = \"other.db\"\nserver_keys = \"other.keys\"\n");
    place.works(&["system", "add", "bank", "--config", "flexsecure.toml"]).await;
    assert!(place.path("other.db").exists() && place.path("other.keys").exists());
    assert!(!place.path("flexsecure.db").exists() && !place.path("other.db.keys").exists());
}
