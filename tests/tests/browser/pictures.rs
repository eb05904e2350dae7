//! The pictures in the documentation are of the real pages. `UPDATE_PICTURES=1` takes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use flexsecure_conformance::browser::{Settings, Visit, start};
use flexsecure_conformance::subject::Launch;
use serde_json::json;

use crate::walk::transfer;

/// All that are taken, each as `docs/pictures/NAME.png`.
const PICTURES: [&str; 4] =
    ["step-up-pin", "step-up-number", "step-up-dark-phone", "step-up-german"];

/// Nobody waits for a page of documentation.
const LARGEST: u64 = 60 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_have_their_pictures_taken() {
    let launch = Launch::new(env!("CARGO_BIN_EXE_subject-axum"));
    let visit = start(&launch, &Settings::default()).await;
    let browser = &visit.browser;
    set_up(&visit, (500, 550), "light", "en").await;
    visit.log_in("alice").await;
    transfer(&visit, "bob", "250").await;
    browser.find("#pin").await;
    browser.press("#pin", "48151").await;
    take(&visit, PICTURES[0]).await;

    visit.log_in("bob").await;
    visit.open("/statements").await;
    browser.find("#match").await;
    take(&visit, PICTURES[1]).await;

    set_up(&visit, (360, 640), "dark", "en").await;
    visit.log_in("bob").await;
    transfer(&visit, "alice", "1234.50").await;
    browser.find("#match").await;
    take(&visit, PICTURES[2]).await;

    set_up(&visit, (500, 670), "light", "de").await;
    visit.log_in("alice").await;
    visit.open("/statements").await;
    browser.press("#pin", "4815").await;
    browser.click("#pin-form button").await;
    browser.find("#problem").await;
    take(&visit, PICTURES[3]).await;
    visit.end().await;
}

#[test]
fn the_documentation_shows_pictures_that_are_taken() {
    let root = root();
    let folder = root.join("docs/pictures");
    let names = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<_> = names.map(|name| name.into_string().unwrap()).collect();
    let taken: BTreeSet<_> = PICTURES.map(|name| format!("{name}.png")).into();
    assert_eq!(there, taken, "UPDATE_PICTURES=1 takes those that are missing");
    for name in &there {
        let size = std::fs::metadata(folder.join(name)).unwrap().len();
        assert!(size <= LARGEST, "{name} has {size} bytes");
    }
    let mut shown = BTreeSet::new();
    for page in pages(&root) {
        let text = std::fs::read_to_string(&page).unwrap();
        for (start, _) in text.match_indices("pictures/") {
            let rest = &text[start + "pictures/".len()..];
            let Some(end) = rest.find(".png") else { continue };
            if let Some(name) =
                rest.get(..end + 4).filter(|name| !name.contains(char::is_whitespace))
            {
                assert!(there.contains(name), "{}: there is no {name}", page.display());
                shown.insert(name.to_owned());
            }
        }
    }
    assert_eq!(shown, there, "each is there to be shown");
}

async fn set_up(visit: &Visit, (width, height): (u32, u32), scheme: &str, language: &str) {
    let browser = &visit.browser;
    let screen =
        json!({"width": width, "height": height, "deviceScaleFactor": 1.25, "mobile": true});
    browser.cdp("Emulation.setDeviceMetricsOverride", screen).await;
    let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
    browser.cdp("Emulation.setEmulatedMedia", media).await;
    browser.cdp("Network.enable", json!({})).await;
    let headers = json!({"headers": {"Accept-Language": language}});
    browser.cdp("Network.setExtraHTTPHeaders", headers).await;
}

async fn take(visit: &Visit, name: &str) {
    if std::env::var_os("UPDATE_PICTURES").is_some_and(|value| value == "1") {
        visit.browser.picture_in(&root().join("docs/pictures"), name).await;
    } else {
        visit.browser.picture(name).await;
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// All pages of documentation of the repository.
fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            pages.extend(self::pages(&path));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(path);
        }
    }
    pages
}
