//! Which configurations there are, and that none of them shows the key.

use std::ffi::OsString;

use super::{KEY, v1};
use crate::authority::http::config::Builder;
use crate::authority::{Authority, Capabilities, ConfigError, HttpAuthority};

fn refusal(url: &str, key: &str) -> ConfigError {
    HttpAuthority::new(url, key).unwrap_err()
}

#[test]
fn https_anywhere_and_http_to_this_machine() {
    let good = [
        "https://auth.example.com",
        "https://auth.example.com:8443/flexsecure/",
        "HTTPS://AUTH.EXAMPLE.COM",
        "https://192.0.2.7",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:8080",
        "http://localhost",
        "http://LOCALHOST:80/x",
        "http://127.1",
    ];
    for url in good {
        assert!(HttpAuthority::new(url, KEY).is_ok(), "{url}");
    }
}

#[test]
fn plain_http_to_anybody_else_is_refused() {
    let bad = [
        "http://auth.example.com",
        "http://192.0.2.7",
        "http://0.0.0.0",
        "http://[::]",
        "http://10.0.0.1",
        "http://[::ffff:127.0.0.1]",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://app.localhost",
        "http://128.0.0.1",
        "http://169.254.169.254",
    ];
    for url in bad {
        assert!(matches!(refusal(url, KEY), ConfigError::PlainHttp), "{url}");
    }
}

#[test]
fn addresses_that_are_none() {
    assert!(matches!(refusal("", KEY), ConfigError::MissingUrl));
    for url in ["auth.example.com", "//auth.example.com", "https://", "https://a b", "http://[::1"]
    {
        assert!(matches!(refusal(url, KEY), ConfigError::MalformedUrl(_)), "{url}");
    }
    for url in
        ["ftp://auth.example.com", "file:///etc/passwd", "data:,x", "localhost:80", "unix:/run/x"]
    {
        assert!(matches!(refusal(url, KEY), ConfigError::UnsupportedScheme), "{url}");
    }
    let host = "auth.example.com";
    for url in [
        format!("https://{KEY}@{host}"),
        format!("https://user:{KEY}@{host}"),
        format!("https://:{KEY}@{host}"),
        format!("https://{host}/?apikey={KEY}"),
        format!("https://{host}?"),
        format!("https://{host}/#{KEY}"),
        format!("https://{host}/#"),
        format!("http://127.0.0.1@{host}/"),
    ] {
        assert!(matches!(refusal(&url, KEY), ConfigError::SuperfluousUrlPart), "{url}");
    }
}

#[test]
fn keys_that_no_header_carries() {
    assert!(matches!(refusal("https://a.example", ""), ConfigError::MissingKey));
    for key in ["key\n", "key\r\nx: y", " key", "a b", "k\u{e4}y", "k\0", "\t", "k\u{7f}"] {
        assert!(matches!(refusal("https://a.example", key), ConfigError::MalformedKey), "{key:?}");
    }
}

fn from(variables: &[(&str, &str)]) -> Result<HttpAuthority, ConfigError> {
    let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
    Builder::from_variables(|name| find(name).map(|(_, value)| OsString::from(value)))?.build()
}

#[tokio::test]
async fn the_environment_names_the_authority() {
    let url = ("FLEXSECURE_URL", "https://auth.example.com");
    let key = ("FLEXSECURE_API_KEY", KEY);
    assert!(from(&[url, key]).is_ok());
    assert!(from(&[url, key, ("FLEXSECURE_CAPABILITIES", "")]).is_ok());
    let v1 = from(&[url, key, ("FLEXSECURE_CAPABILITIES", "v1")]).unwrap();
    assert_eq!(v1.capabilities().await, Capabilities::V1);
    let full = from(&[url, key, ("FLEXSECURE_CAPABILITIES", "full")]).unwrap();
    assert_eq!(full.capabilities().await, Capabilities::FULL);

    assert!(matches!(from(&[key]), Err(ConfigError::MissingUrl)));
    assert!(matches!(from(&[("FLEXSECURE_URL", ""), key]), Err(ConfigError::MissingUrl)));
    assert!(matches!(from(&[url]), Err(ConfigError::MissingKey)));
    assert!(matches!(from(&[url, ("FLEXSECURE_API_KEY", "")]), Err(ConfigError::MissingKey)));
    for word in ["V1", "all", "txn"] {
        let result = from(&[url, key, ("FLEXSECURE_CAPABILITIES", word)]);
        assert!(matches!(result, Err(ConfigError::UnknownCapabilities)), "{word}");
    }
}

#[test]
fn nothing_shows_the_key() {
    let authority = v1("https://auth.example.com/x");
    let shown = format!("{authority:?} {authority:#?}");
    assert!(shown.contains("https://auth.example.com/x"));
    let builder = HttpAuthority::builder(&format!("https://u:{KEY}@a.example"), KEY);
    let shown = format!("{shown} {builder:?} {builder:#?}");
    assert!(!shown.contains(KEY), "{shown}");

    let errors = [
        refusal(&format!("https://u:{KEY}@a.example"), KEY),
        refusal(&format!("ht!tp://{KEY}"), KEY),
        refusal("https://a.example", &format!("{KEY}\n")),
    ];
    for error in errors {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let shown = format!("{error} {error:?} {source:?}");
        assert!(!shown.contains(KEY), "{shown}");
        assert!(error.to_string().starts_with("set "), "{error}");
    }
}
