use std::collections::BTreeSet;

use flexsecure_core::page::Pages;
use serde_json::{Map, Value};
use tempfile::TempDir;

use super::{builtin::AUTHORITY, load};

fn texts(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

/// What `pages` make of each sample of a page, for whoever prefers `accept`.
fn rendered(pages: &Pages, accept: &str) -> Vec<String> {
    let language = pages.language(accept);
    (AUTHORITY.samples)()
        .into_iter()
        .filter(|(template, _)| template.ends_with(".html"))
        .map(|(template, context)| pages.render(template, language, &context).unwrap())
        .collect()
}

#[test]
fn every_language_has_every_text() {
    let keys = |(_, json): &(&str, &str)| texts(json).keys().cloned().collect::<BTreeSet<_>>();
    let all: Vec<_> = AUTHORITY.texts.iter().map(keys).collect();
    assert_eq!(all.len(), 2);
    assert_eq!(all[0], all[1]);
}

#[test]
fn every_text_is_used() {
    let english = texts(AUTHORITY.texts[0].1);
    let marked = |(key, text): (&String, &Value)| {
        (key.clone(), Value::from(format!("{}<{key}>", text.as_str().unwrap())))
    };
    let marked: Map<_, _> = english.iter().map(marked).collect();
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("texts")).unwrap();
    std::fs::write(folder.path().join("texts/xx.json"), Value::Object(marked).to_string()).unwrap();
    let pages = load(Some(folder.path())).unwrap();
    let language = pages.language("xx");
    let render = |(template, context)| pages.render(template, language, &context).unwrap();
    let messages: String = (AUTHORITY.samples)().into_iter().map(render).collect();
    let pages = rendered(&pages, "xx").concat();
    for key in english.keys() {
        let is_of_a_message = key.starts_with("email.") || key.starts_with("sms.");
        let is_there = match is_of_a_message {
            true => messages.contains(&format!("<{key}>")),
            false => pages.contains(&format!("&lt;{key}&gt;")),
        };
        assert!(is_there, "{key}");
    }
}

#[test]
fn each_case_has_a_page_in_each_language() {
    let pages = load(None).unwrap();
    for (accept, text) in [("en", ">Approve<"), ("de", ">Zustimmen<")] {
        let pages = rendered(&pages, accept);
        assert!(pages.len() > 25);
        for page in &pages {
            assert!(page.starts_with(&format!("<!doctype html>\n<html lang=\"{accept}\"")));
            assert!(!page.contains("{{") && !page.contains(">none<"), "{page}");
            // The policy of the pages forbids what stands in them.
            assert!(!page.contains("style=") && !page.contains("<script"), "{page}");
        }
        assert!(pages.iter().any(|page| page.contains(text)));
    }
}

#[test]
fn each_template_is_tried_out() {
    let tried: BTreeSet<_> = (AUTHORITY.samples)().into_iter().map(|(name, _)| name).collect();
    for (name, _) in AUTHORITY.templates {
        assert!(*name == "layout.html" || tried.contains(name), "{name}");
    }
}
