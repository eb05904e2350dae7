use std::{fs, path::Path};

use flexsecure_server::{Config, OpenError, PublicUrl, Server};
use tempfile::TempDir;

use crate::{asked::Asked, harness::Authority};

/// A folder with these files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// bob has been sent a link by an authority with these files.
async fn asked_with(files: &[(&str, &str)]) -> Asked {
    let folder = folder(files);
    let path = folder.path().to_owned();
    // What is there when it is opened counts: the folder is gone afterwards.
    Asked::of(Authority::with(|config| config.inbox(true).pages(path)).await).await
}

#[tokio::test]
async fn texts_colours_logo_and_templates_are_replaced_by_files() {
    let asked = asked_with(&[
        ("texts/de.json", r#"{"approve.approve": "Ja & <los>"}"#),
        ("theme.css", ":root{--step-up-accent:#800}"),
        ("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        (
            "layout.html",
            "{% extends 'builtin/layout.html' %}{% block below %}<p>The bank</p>{% endblock %}",
        ),
        ("email-link.txt", "{{ system }}: {{ secret }}"),
    ])
    .await;
    let german = asked.page("de").await;
    assert!(german.body.contains(">Ja &amp; &lt;los&gt;</button>"), "{german:?}");
    assert!(german.body.contains(">Das war ich nicht</button>"), "{german:?}");
    let english = asked.page("en").await;
    assert!(english.body.contains(">Approve</button>"), "{english:?}");
    let authority = &asked.authority;
    for page in [&english, &german, &authority.get("/").await, &authority.get("/nothing").await] {
        assert!(page.body.contains("<img class=\"logo\" src=\"/logo\" alt=\"FlexSecure\">"));
        assert!(page.body.contains("<p>The bank</p>"), "{page:?}");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("img-src 'self'") && !policy.contains("unsafe"), "{policy}");
    }
    let style = authority.get("/style.css").await;
    assert!(style.body.contains(".choice") && style.body.ends_with("#800}"));
    let logo = authority.get("/logo").await;
    assert_eq!(
        (logo.status.as_u16(), logo.headers["content-type"].to_str().unwrap()),
        (200, "image/svg+xml")
    );
    assert_eq!(authority.newest().text(), format!("bank: {}", asked.link));
    assert_eq!(asked.answer(&asked.number, "approve").await.status, 200);
}

#[tokio::test]
async fn a_language_of_an_operator_turns_the_page_around() {
    let arabic = r#"{"approve.title": "\u0647\u0644 \u0647\u0630\u0627 \u0623\u0646\u062a\u061f"}"#;
    let asked = asked_with(&[("texts/ar.json", arabic)]).await;
    let page = asked.page("ar-EG, en;q=0.1").await;
    assert_eq!(page.headers["content-language"], "ar");
    for text in [
        "<html lang=\"ar\" dir=\"rtl\">",
        "<h1>\u{647}\u{644} \u{647}\u{630}\u{627} \u{623}\u{646}\u{62a}\u{61f}</h1>",
        // What it lacks is in English; what others wrote keeps its own direction.
        ">Approve</button>",
        "<bdi>Transfer 250.00 EUR",
        "<bdi>203.0.113.7</bdi>",
    ] {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(asked.page("en").await.body.contains("dir=\"ltr\""));
}

#[tokio::test]
async fn what_is_wrong_with_a_folder_is_an_error_that_names_the_file() {
    let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
    let fault =
        async |path: &Path| match Server::open(Config::ephemeral(url.clone()).pages(path)).await {
            Err(OpenError::Pages(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
    assert_eq!(fault(Path::new("/nowhere")).await, "/nowhere can't be read");
    for (name, content, expected) in [
        ("approval.html", "", "approval.html replaces nothing: there are approve.html, email-"),
        ("texts/de.json", "[]", "de.json has to be a JSON object of strings"),
        ("texts/de.json", r#"{"approve.titel": ""}"#, "de.json: there is no text called"),
        ("texts/de.json", r#"{"moment": "{{ dya }}"}"#, "texts/de.json#moment"),
        ("texts/deutsch-.json", "{}", "has to be called after a language"),
        ("approve.html", "{{ asked.wehn }}", "approve.html"),
        ("notice.html", "{% if %}", "notice.html"),
        ("sms-pin.txt", "{{ pin }}", "sms-pin.txt"),
        ("layout.html", "{{ t('nothing') }}", "layout.html"),
    ] {
        let folder = folder(&[(name, content)]);
        let fault = fault(folder.path()).await;
        assert!(fault.contains(expected), "{name} {content}: {fault}");
    }
}

#[tokio::test]
async fn a_page_that_fails_when_it_is_shown_is_no_answer_to_anything() {
    let template = "{% if ip == '203.0.113.7' %}{{ nothing }}{% endif %}";
    let asked = asked_with(&[("approve.html", template)]).await;
    let page = asked.page("en").await;
    assert_eq!(page.status, 500);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert!(page.body.contains("<h1>") && !page.body.contains("nothing"), "{page:?}");
    assert!(asked.is_pending().await);
}
