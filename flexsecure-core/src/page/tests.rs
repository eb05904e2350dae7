use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::step_up::STEP_UP;
use super::{Language, Pages, PagesError, language};

fn pages() -> Pages {
    Pages::load(&STEP_UP, None).unwrap()
}

/// A folder with one file in it.
fn folder(name: &str, content: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    folder
}

fn with(name: &str, content: &str) -> Result<Pages, PagesError> {
    Pages::load(&STEP_UP, Some(folder(name, content).path()))
}

fn fault(name: &str, content: &str) -> String {
    with(name, content).unwrap_err().to_string()
}

/// What `pages` make of each sample.
fn rendered(pages: &Pages, accept: &str) -> Vec<String> {
    let language = pages.language(accept);
    let samples = (STEP_UP.samples)().into_iter();
    samples.map(|(template, context)| pages.render(template, language, &context).unwrap()).collect()
}

#[test]
fn every_language_has_every_text_and_nothing_but_texts() {
    let keys = |(_, texts): &(&str, &str)| -> BTreeSet<String> {
        let texts: Value = serde_json::from_str(texts).unwrap();
        texts.as_object().unwrap().keys().cloned().collect()
    };
    let all: Vec<_> = STEP_UP.texts.iter().map(keys).collect();
    assert!(all.len() >= 2 && all.iter().all(|keys| *keys == all[0]));
}

#[test]
fn every_text_is_used() {
    let (_, english) = STEP_UP.texts[0];
    let texts: serde_json::Map<String, Value> = serde_json::from_str(english).unwrap();
    let marked = texts.iter().map(|(key, text)| {
        let text = text.as_str().unwrap();
        (key.clone(), format!("{text}<{key}>").into())
    });
    let marked = Value::Object(marked.collect()).to_string();
    let pages = rendered(&with("texts/xx.json", &marked).unwrap(), "xx").concat();
    // There is no logo to describe.
    for key in texts.keys().filter(|key| *key != "brand") {
        assert!(pages.contains(&format!("&lt;{key}&gt;")), "{key}");
    }
}

#[test]
fn each_case_has_a_page_in_each_language() {
    for (accept, text) in [("en", "Confirm"), ("de", "Best\u{e4}tigen")] {
        let pages = rendered(&pages(), accept);
        assert!(pages.len() > 200);
        assert!(pages.iter().all(|page| page.contains(&format!("<html lang=\"{accept}\""))));
        assert!(pages.iter().any(|page| page.contains(text)));
        // Nothing that a template forgot to fill in.
        assert!(pages.iter().all(|page| !page.contains("{{") && !page.contains(">none<")));
    }
}

#[test]
fn what_holds_a_secret_is_not_shown() {
    let carrying: Vec<_> =
        rendered(&pages(), "en").into_iter().filter(|page| page.contains("id=\"again\"")).collect();
    assert!(!carrying.is_empty());
    for page in carrying {
        assert!(page.contains("<dd><bdi>250.00</bdi></dd>"), "{page}");
        assert!(page.contains("name=\"password\" value=\"x\""), "{page}");
        assert!(!page.contains("<bdi>x</bdi>"), "{page}");
    }
}

#[test]
fn the_language_is_the_best_one_that_there_is() {
    let pages = pages();
    for (accept, expected) in [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("de-CH-1996, en", "de"),
        ("fr, de;q=0.5, en;q=0.4", "de"),
        ("en;q=0.4, de;q=0.5", "de"),
        ("de;q=0.5, en;q=0.5", "de"),
        ("en, de", "en"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=0", "en"),
        ("fr, *;q=0.5", "en"),
        ("*, de;q=0.1", "en"),
        ("fr", "en"),
        ("deu", "en"),
        ("de;q=x, ;;,=, de;level=1", "en"),
    ] {
        assert_eq!(pages.tag(pages.language(accept)), expected, "{accept:?}");
    }
    assert_eq!(pages.tag(Language::default()), "en");
}

#[test]
fn what_is_written_from_right_to_left_is_told_apart() {
    for tag in ["ar", "he-IL", "fa", "az-Arab-IR", "UR"] {
        assert_eq!(language::direction(tag), "rtl", "{tag}");
    }
    for tag in ["en", "de", "ku-Latn", "ar-Latn", "az"] {
        assert_eq!(language::direction(tag), "ltr", "{tag}");
    }
}

#[test]
fn a_language_is_added_by_a_file_and_lacks_nothing() {
    let pages = with("texts/ar.json", r#"{"title": "\u0627\u0644\u062a\u0623\u0643\u064a\u062f"}"#);
    let pages = rendered(&pages.unwrap(), "ar");
    assert!(pages.iter().all(|page| page.contains("<html lang=\"ar\" dir=\"rtl\">")));
    assert!(pages.iter().any(|page| page.contains("<h1 tabindex=\"-1\">\u{627}\u{644}")));
    assert!(pages.iter().any(|page| page.contains("Send me the message")));
}

#[test]
fn a_text_is_replaced_and_the_rest_stays() {
    let pages = with("texts/de.json", r#"{"pin.button": "Best\u00e4tigen & <weiter>"}"#).unwrap();
    let german = rendered(&pages, "de");
    assert!(german.iter().any(|page| page.contains("Best\u{e4}tigen &amp; &lt;weiter&gt;<")));
    assert!(german.iter().any(|page| page.contains("Nachricht schicken")));
    assert!(rendered(&pages, "en").iter().any(|page| page.contains("<button>Confirm</button>")));
}

#[test]
fn a_template_can_be_replaced_as_a_whole_or_block_by_block() {
    let whole = with("step-up.html", "<main id=\"step-up\">{{ t('title') }}</main>").unwrap();
    assert_eq!(
        rendered(&whole, "de")[0],
        "<main id=\"step-up\">Best\u{e4}tigen Sie, dass Sie es sind</main>"
    );

    let template =
        "{% extends 'builtin/step-up.html' %}{% block above %}<header>Bank</header>{% endblock %}";
    let extended = rendered(&with("step-up.html", template).unwrap(), "en");
    assert!(extended.iter().all(|page| page.contains("<header>Bank</header>")));
    assert!(extended.iter().any(|page| page.contains("name=\"pin\"")));
}

#[test]
fn a_theme_comes_after_the_style_and_a_logo_above_the_page() {
    let themed = with("theme.css", ":root{--step-up-accent:#800}").unwrap();
    let style = std::str::from_utf8(themed.style()).unwrap();
    assert!(style.contains(STEP_UP.style) && style.ends_with("#800}"));
    assert!(pages().logo().is_none());

    let branded = with("logo.svg", "<svg/>").unwrap();
    let logo = branded.logo().unwrap();
    assert_eq!((logo.content_type, &*logo.bytes), ("image/svg+xml", &b"<svg/>"[..]));
    assert!(rendered(&branded, "en").iter().all(|page| page.contains("alt=\"Home\"")));
}

#[test]
fn what_is_wrong_with_a_folder_is_said() {
    let missing = Pages::load(&STEP_UP, Some(Path::new("/nowhere"))).unwrap_err().to_string();
    assert_eq!(missing, "/nowhere can't be read");
    for (name, content, expected) in [
        ("step_up.html", "", "step_up.html replaces nothing: there are step-up.html"),
        ("texts/de.json", "[]", "de.json has to be a JSON object of strings"),
        ("texts/german.json", "{}", "german.json has to be called after a language"),
        ("texts/de.json", r#"{"pin.buton": ""}"#, "there is no text called \"pin.buton\""),
        ("texts/de.json", r#"{"attempts": "{{ atempts }}"}"#, "texts/de.json#attempts"),
        ("texts/de.json", r#"{"title": "{{"}"#, "texts/de.json#title"),
        ("step-up.html", "{{ flow.nmae }}", "step-up.html"),
        ("step-up.html", "{% if %}", "step-up.html"),
        ("step-up.html", "{{ t('nothing') }}", "step-up.html"),
    ] {
        let fault = fault(name, content);
        assert!(fault.contains(expected), "{name} {content}: {fault}");
    }
}
