use fantoccini::wd::WindowHandle;
use serde_json::{Value, json};

use super::Browser;

/// A tab as the browser lists it: nobody has to look at it for that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tab {
    /// The address of its page.
    pub url: String,
    /// The title of its page.
    pub title: String,
    handle: String,
}

impl Browser {
    /// All tabs, those in the background too.
    pub async fn tabs(&self) -> Vec<Tab> {
        let targets = self.cdp("Target.getTargets", json!({})).await;
        let text =
            |target: &Value, name: &str| target[name].as_str().unwrap_or_default().to_owned();
        let tab = |target: &Value| Tab {
            url: text(target, "url"),
            title: text(target, "title"),
            handle: text(target, "targetId"),
        };
        let targets = targets["targetInfos"].as_array().expect("a list");
        targets.iter().filter(|target| target["type"] == "page").map(tab).collect()
    }

    /// The first of the tabs that `is_wanted`, as soon as there is one.
    pub async fn tab(&self, what: &str, is_wanted: impl Fn(&Tab) -> bool) -> Tab {
        self.until(what, async || self.tabs().await.iter().any(&is_wanted)).await;
        self.tabs().await.into_iter().find(is_wanted).expect("it was there")
    }

    /// Brings a tab to the front.
    pub async fn look_at(&self, tab: &Tab) {
        let handle = WindowHandle::try_from(tab.handle.clone()).expect("a name of a window");
        self.client().switch_to_window(handle).await.expect("a tab that is there");
    }

    /// Opens an empty tab in front of the others.
    pub async fn open_tab(&self) {
        let opened = self.client().new_window(true).await.expect("another tab");
        self.client().switch_to_window(opened.handle).await.expect("a tab that is there");
    }

    /// Closes every tab but the one in front.
    pub async fn close_others(&self) {
        let kept = self.client().window().await.expect("a tab");
        for handle in self.client().windows().await.expect("tabs") {
            if handle != kept {
                self.client().switch_to_window(handle).await.expect("a tab that is there");
                self.client().close_window().await.expect("a tab that can be closed");
            }
        }
        self.client().switch_to_window(kept).await.expect("a tab that is there");
    }

    /// Back, by the browser's own button.
    pub async fn back(&self) {
        self.client().back().await.expect("a page before");
    }

    /// Loads the page once more, as it was loaded.
    pub async fn reload(&self) {
        self.client().refresh().await.expect("a page");
    }
}
