use std::{ffi::OsString, path::Path};

use super::{Flags, Settings, SettingsError};

fn with(file: &str, variables: &[(&str, &str)], flags: Flags) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), "hunter2\n").unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let path = folder.path().join("flexsecure.toml");
    std::fs::write(&path, file).unwrap();
    let mut all: Vec<(OsString, OsString)> =
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    all.push(("FLEXSECURE_CONFIG".into(), path.clone().into()));
    flags.settings_in(&all).map_err(|error| told(&error).replace(&*path.to_string_lossy(), "FILE"))
}

fn told(error: &SettingsError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

fn shown(settings: &Settings, key: &str) -> String {
    let shown = settings.to_string();
    let line = shown.lines().find(|line| line.starts_with(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("no {key} in {shown}")).to_owned()
}

#[test]
fn flags_stand_over_the_environment_and_that_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nlog = \"json\"\nmax_connections = 7\n";
    let variables = [("FLEXSECURE_LISTEN", "127.0.0.1:2"), ("FLEXSECURE_LOG", "text")];
    let flags = Flags { listen: Some("127.0.0.1:3".to_owned()), ..Flags::default() };
    let settings = with(file, &variables, flags).unwrap();
    assert!(shown(&settings, "listen").contains("127.0.0.1:3"));
    assert!(shown(&settings, "listen").ends_with("# --listen"));
    assert!(shown(&settings, "log").ends_with("# FLEXSECURE_LOG"));
    assert_eq!(settings.max_connections.value, 7);
    assert!(shown(&settings, "max_connections").ends_with("flexsecure.toml:3"));
    assert!(shown(&settings, "database").ends_with("# default"));
}

#[test]
fn unknown_keys_and_variables_are_named_with_their_place() {
    let refused = |file: &str| with(file, &[], Flags::default()).unwrap_err();
    let error = refused("inbox = true\n\nlisten_on = \"127.0.0.1:1\"\n");
    assert!(error.starts_with("FILE:3: unknown field `listen_on`"), "{error}");
    let error = refused("[tls]\ncertificates = \"a\"\n");
    assert!(error.starts_with("FILE:2: unknown field `certificates`"), "{error}");
    let error = refused("[[mail]]\nurl = \"smtp://a\"\npasword = \"hunter2\"\n");
    assert!(error.starts_with("FILE:3: unknown field `pasword`"), "{error}");
    assert!(!error.contains("hunter2"));
    let error = with("", &[("FLEXSECURE_LISTN", "x")], Flags::default()).unwrap_err();
    assert!(error.contains("FLEXSECURE_LISTN, which is no setting"), "{error}");
    // An app of the same machine may have these.
    let clients = [("FLEXSECURE_URL", "x"), ("FLEXSECURE_API_KEY", "y")];
    assert!(with("", &clients, Flags::default()).is_ok());
}

#[test]
fn a_wrong_value_is_told_with_its_place_but_a_secret_never() {
    let error = with("\nlisten = \"here\"", &[], Flags::default()).unwrap_err();
    assert!(error.starts_with("`listen` (FILE:2) can't be used: \"here\" is not an address"));
    for (file, place) in [
        ("[[mail]]\nfrom = \"a@b.c\"\nurl = \"smtp://h\"\npassword = 1234567\n", "FILE:4"),
        ("[[mail]]\nfrom = \"a@b.c\"\nurl = [\"hunter2\"]\n", "FILE:3"),
        ("[[mail]]\nfrom = \"a@b.c\"\nurl = \"smtp://h\"\npassword = \"hunter2\n", "FILE:4"),
        ("[[mail]]\nurl = \"smtp://h\"\nfrom = \"a@b.c\"\npassword = \"hunter2\"\n", "FILE:4"),
        ("database = \"mysql://u:hunter2@h/d\"\n", "FILE:1"),
        ("database = true\n", "FILE:1"),
    ] {
        let error = with(file, &[], Flags::default()).unwrap_err();
        assert!(error.contains(place), "{error}");
        assert!(!error.contains("hunter2") && !error.contains("1234567"), "{error}");
    }
}

#[test]
fn a_secret_comes_from_a_file_or_not_but_not_both() {
    let mail = "[[mail]]\nurl = \"smtp://me@mail.example.com\"\nfrom = \"a@b.c\"\n";
    let settings =
        with(&format!("{mail}password_file = \"secret\"\n"), &[], Flags::default()).unwrap();
    let url = settings.mail[0].url.value.expose();
    assert_eq!(url, "smtp://me:hunter2@mail.example.com");
    assert_eq!(settings.secret_files.len(), 1);
    for text in [settings.to_string(), format!("{settings:?}")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    let both = format!("{mail}password_file = \"secret\"\npassword = \"x\"\n");
    let error = with(&both, &[], Flags::default()).unwrap_err();
    assert!(error.starts_with("`password` and `password_file` are both set (FILE:5 and FILE:4)"));
    let empty = format!("{mail}password_file = \"empty\"\n");
    assert!(with(&empty, &[], Flags::default()).unwrap_err().ends_with("is empty"));
    let missing = format!("{mail}password_file = \"nowhere\"\n");
    let error = with(&missing, &[], Flags::default()).unwrap_err();
    assert!(error.contains("nowhere can't be read: No such file"), "{error}");

    // A variable stands over both of the file.
    let file = format!("{mail}password_file = \"nowhere\"\n");
    let settings = with(&file, &[("FLEXSECURE_SMTP_PASSWORD", "p:w")], Flags::default()).unwrap();
    assert_eq!(settings.mail[0].url.value.expose(), "smtp://me:p%3Aw@mail.example.com");
}

#[test]
fn half_a_setting_is_no_setting() {
    let refused = |file: &str| with(file, &[], Flags::default()).unwrap_err();
    assert!(refused("[tls]\nkey = \"k\"\n").contains("`certificate` is not set"));
    assert!(refused("[[mail]]\nurl = \"smtp://h\"\n").contains("--mail-from"));
    assert!(refused("[[mail]]\nfrom = \"a@b.c\"\n").contains("--smtp-url"));
    let error = refused("trusted_proxies = [\"10.0.0.0/8\", \"10.0.0\"]\n");
    assert!(error.contains("\"10.0.0\" is not a network"), "{error}");
    let settings = with("inbox = true\n", &[], Flags::default()).unwrap();
    assert!(matches!(settings.config(), Err(SettingsError::NoPublicUrl)));
    let settings = with("public_url = \"https://a.example\"", &[], Flags::default()).unwrap();
    assert!(matches!(settings.config(), Err(SettingsError::NoDelivery)));
}

#[test]
fn a_path_in_the_file_is_relative_to_it() {
    let settings = with("database = \"a.db\"\n", &[], Flags::default()).unwrap();
    assert!(settings.server_key_file().is_absolute());
    let flags = Flags { server_keys: Some("k".to_owned()), ..Flags::default() };
    assert_eq!(with("", &[], flags).unwrap().server_key_file(), Path::new("k"));
}
