use reqwest::RequestBuilder;

use crate::{
    asked::Asked,
    harness::{Authority, send},
};

/// What a page says: its heading, and the first words of what to do next.
type Says = (&'static str, &'static str);

/// Status, English and German.
type Outcome = (u16, Says, Says);

const APPROVED: Outcome = (
    200,
    ("Approved", "Go back to the page where you asked"),
    ("Zugestimmt", "Gehen Sie zurück zu der Seite, auf der Sie das angefordert haben"),
);

const DECLINED: Outcome =
    (200, ("Declined", "Nobody is let in"), ("Abgelehnt", "Niemand wird eingelassen"));

const WRONG_NUMBER: Outcome = (
    200,
    ("Wrong number", "If it was you who asked, go back there and ask again"),
    ("Falsche Zahl", "Wenn Sie es waren, gehen Sie dorthin zurück"),
);

const NO_NUMBER: Outcome = (
    422,
    ("Is this you?", "Enter the two digits shown on the page where you asked."),
    ("Sind Sie das?", "Geben Sie die zwei Ziffern von der Seite ein"),
);

const GONE: Outcome = (
    404,
    ("This link is over", "go back to where you came from, and ask again"),
    ("Dieser Link ist erledigt", "gehen Sie dorthin zurück, wo Sie herkamen"),
);

const FOREIGN: Outcome = (
    403,
    ("Not from here", "Open the link in your message, and answer there."),
    ("Nicht von hier", "Öffnen Sie den Link in Ihrer Nachricht, und antworten Sie dort."),
);

const UNREADABLE: Says = ("Not understood", "Open the link in your message, and answer there.");

const UNREADABLE_IN_GERMAN: Says =
    ("Nicht verstanden", "Öffnen Sie den Link in Ihrer Nachricht, und antworten Sie dort.");

const FAILED: Outcome = (
    503,
    ("Try again", "Wait a few seconds, then open the link in your message again."),
    ("Noch einmal versuchen", "Warten Sie ein paar Sekunden"),
);

const NOT_FOUND: Outcome = (
    404,
    ("Not found", "see that you have opened all of it"),
    ("Nicht gefunden", "prüfen Sie, ob Sie ihn ganz geöffnet haben"),
);

const METHOD: Outcome = (
    405,
    ("Not allowed", "Open the link in your message in a browser."),
    ("Nicht erlaubt", "Öffnen Sie den Link in Ihrer Nachricht in einem Browser."),
);

const LANGUAGES: [&str; 2] = ["en", "de"];

/// Sends it for a reader of `language`.
async fn says_in(language: &str, outcome: Outcome, request: RequestBuilder) {
    let (status, english, german) = outcome;
    let (heading, next) = if language == "de" { german } else { english };
    let page = send(request.header("accept-language", language)).await;
    assert_eq!(page.status, status, "{page:?}");
    assert_eq!(page.headers["content-language"], language, "{page:?}");
    assert_eq!(page.headers["vary"], "Accept-Language", "{page:?}");
    for text in [
        format!("<html lang=\"{language}\""),
        format!("<title>{heading} · FlexSecure</title>"),
        format!("<h1>{heading}</h1>"),
        next.to_owned(),
    ] {
        assert!(page.body.contains(&text), "{text}: {page:?}");
    }
}

/// What can be sent more than once.
async fn says(outcome: Outcome, request: RequestBuilder) {
    for language in LANGUAGES {
        says_in(language, outcome, request.try_clone().unwrap()).await;
    }
}

#[tokio::test]
async fn each_answer_says_what_to_do_next() {
    for language in LANGUAGES {
        for outcome in [APPROVED, DECLINED, WRONG_NUMBER, NO_NUMBER] {
            let asked = Asked::new().await;
            let (action, number) = match outcome {
                APPROVED => ("approve", &*asked.number),
                DECLINED => ("decline", ""),
                WRONG_NUMBER => ("approve", asked.other_number()),
                _ => ("approve", ""),
            };
            let form = [("action", action), ("match", number)];
            says_in(language, outcome, asked.authority.http.post(&asked.link).form(&form)).await;
        }
    }
}

#[tokio::test]
async fn each_problem_says_what_to_do_next() {
    let asked = Asked::new().await;
    let (http, link) = (&asked.authority.http, &asked.link);
    let at = |path: &str| format!("{}{path}", asked.authority.base);
    says(GONE, http.get(at("/a/unknown"))).await;
    says(GONE, http.post(at("/a/unknown")).form(&[("action", "decline")])).await;
    let form = [("action", "approve"), ("match", asked.number.as_str())];
    says(FOREIGN, http.post(link).form(&form).header("sec-fetch-site", "cross-site")).await;
    let large = "x".repeat(20_000);
    let twice = [("match", "12"), ("match", "12"), ("action", "approve")];
    for (status, request) in [
        (415, http.post(link).body("action=approve&match=12")),
        (413, http.post(link).form(&[("match", &large)])),
        (422, http.post(link).form(&twice)),
    ] {
        let outcome = (status, UNREADABLE, UNREADABLE_IN_GERMAN);
        says(outcome, request).await;
    }
    says(NOT_FOUND, http.get(at("/nothing"))).await;
    says(METHOD, http.delete(link)).await;
    assert!(asked.is_pending().await);

    asked.authority.sql("ALTER TABLE challenges RENAME TO gone").await.unwrap();
    says(FAILED, http.get(link)).await;
    says(FAILED, http.post(link).form(&[("action", "decline")])).await;
}

#[tokio::test]
async fn the_other_pages_speak_both_languages_too() {
    let authority = Authority::new().await;
    let home = (200, ("FlexSecure authority", "inbox"), ("FlexSecure-Authority", "Posteingang"));
    says(home, authority.http.get(&authority.base)).await;
    let inbox = || authority.http.get(format!("{}/inbox", authority.base));
    says((200, ("Inbox", "Nothing yet."), ("Posteingang", "Noch nichts.")), inbox()).await;
    authority.start("bob").await;
    let to = ("to bob@example.com by e-mail", "an bob@example.com per E-Mail");
    says((200, ("Inbox", to.0), ("Posteingang", to.1)), inbox()).await;
}
