//! A bank's own texts, colours and logo.

use flexsecure_conformance::browser::{Scripts, Settings, start};
use flexsecure_conformance::in_front_of_one_bank;
use flexsecure_conformance::subject::Launch;
use serde_json::json;
use tempfile::TempDir;

in_front_of_one_bank! {
    on:
        a_bank_has_its_own_language_colours_and_logo;
}

async fn a_bank_has_its_own_language_colours_and_logo(launch: &Launch, scripts: Scripts) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("texts")).unwrap();
    write("texts/ar.json", TEXTS);
    write("theme.css", ":root, :host { --step-up-accent: light-dark(#0a6b3c, #6fd6a0); }");
    write("logo.svg", LOGO);
    let launch = launch.clone().set("STEP_UP_PAGES", folder.path().to_str().unwrap());
    let settings = Settings::default().scripts(scripts).languages("ar,en").phone();
    let visit = start(&launch, &settings).await;
    let browser = &visit.browser;
    visit.log_in("alice").await;
    visit.open("/statements").await;
    assert_eq!(browser.text("h1").await, "أكّد أنك أنت");
    let seen = browser.run(LOOK, Vec::new()).await;
    assert_eq!(
        seen,
        json!({"lang": "ar", "dir": "rtl", "accent": "rgb(10, 107, 60)", "logo": true})
    );
    assert_eq!(browser.attribute(".logo", "alt").await.as_deref(), Some("مصرفي"));
    // What is not translated is said in English.
    assert_eq!(browser.text("#cancel button").await, "Cancel");

    browser.press("#pin", "11").await;
    browser.click("#pin-form button").await;
    browser.find("#problem").await;
    // It has been swapped, and stands as it did; the mark of a problem is where its line begins.
    assert_eq!(browser.run(LOOK, Vec::new()).await, seen);
    let typed = "return getComputedStyle(document.querySelector('#pin')).direction";
    assert_eq!(browser.run(typed, Vec::new()).await, json!("ltr"), "digits go on to the right");
    let problem = "const at = getComputedStyle(document.querySelector('#problem'));
        return [at.borderRightWidth, at.borderLeftWidth]";
    assert_eq!(browser.run(problem, Vec::new()).await, json!(["4px", "0px"]));
    let found = browser.accessibility_problems().await;
    assert!(found.is_empty(), "{found:#?}");
    browser.picture("step-up/theme").await;
    visit.end().await;
}

const TEXTS: &str = r#"{
    "brand": "مصرفي",
    "title": "أكّد أنك أنت",
    "system": "من أجل {{ system }}",
    "pin.label": "الرمز المكوّن من 8 أرقام الذي أُرسل إليك",
    "pin.button": "تأكيد",
    "attempts": "المحاولات المتبقية: {{ attempts }}",
    "problem.pin-malformed": "يتكوّن الرمز من 8 أرقام. تحقّق مرة أخرى."
}"#;

const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="120" height="40"><rect width="40" height="40" rx="8" fill="#0a6b3c"/><circle cx="70" cy="20" r="14" fill="#0a6b3c"/></svg>"##;

const LOOK: &str = "
    const {documentElement: root} = document;
    const button = getComputedStyle(document.querySelector('#pin-form button'));
    const logo = document.querySelector('img.logo');
    return {
        lang: root.lang, dir: root.dir, accent: button.backgroundColor,
        logo: logo.complete && logo.naturalWidth > 0,
    };";
