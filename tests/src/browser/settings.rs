use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::{Map, Value, json};

/// What kind of browser it is to be.
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    pub(super) scripts: Scripts,
    languages: String,
    pub(super) screen: Option<(u32, u32)>,
    pub(super) pixels_per_point: f64,
    pub(super) is_phone: bool,
    pub(super) is_dark: bool,
    hosts: Vec<String>,
}

/// Whether pages may run scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scripts {
    /// They may.
    On,
    /// The user has turned them off.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            scripts: Scripts::On,
            languages: "en-GB,en".to_owned(),
            screen: None,
            pixels_per_point: 1.0,
            is_phone: false,
            is_dark: false,
            hosts: Vec::new(),
        }
    }
}

impl Settings {
    /// With scripts or without.
    pub const fn scripts(mut self, scripts: Scripts) -> Self {
        self.scripts = scripts;
        self
    }

    /// Whose user reads `languages`, the best first: `de,en`.
    pub fn languages(mut self, languages: &str) -> Self {
        self.languages = languages.to_owned();
        self
    }

    /// With a window of so many points.
    pub const fn screen(mut self, width: u32, height: u32) -> Self {
        self.screen = Some((width, height));
        self
    }

    /// With so many pixels a point.
    pub const fn pixels_per_point(mut self, count: f64) -> Self {
        self.pixels_per_point = count;
        self
    }

    /// A small phone.
    pub const fn phone(mut self) -> Self {
        self.is_phone = true;
        self.screen(360, 640)
    }

    /// Whose user prefers light on dark.
    pub const fn dark(mut self) -> Self {
        self.is_dark = true;
        self
    }

    /// In which the host `name` is this machine.
    pub fn host(mut self, name: &str) -> Self {
        self.hosts.push(name.to_owned());
        self
    }

    pub(super) fn capabilities(&self, profile: &Path) -> Map<String, Value> {
        let mut arguments = vec![
            "--headless=new".to_owned(),
            // Over a pipe it ends with the driver.
            "--remote-debugging-pipe".to_owned(),
            format!("--user-data-dir={}", profile.display()),
            "--window-size=1000,900".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-extensions".to_owned(),
            "--disable-features=OptimizationHints,MediaRouter,Translate".to_owned(),
            "--force-color-profile=srgb".to_owned(),
            "--password-store=basic".to_owned(),
        ];
        if is_root() {
            // Its sandbox refuses to be run by root.
            arguments.push("--no-sandbox".to_owned());
        }
        if !self.hosts.is_empty() {
            let rule = |host: &String| format!("MAP {host} 127.0.0.1");
            let rules: Vec<_> = self.hosts.iter().map(rule).collect();
            arguments.push(format!("--host-resolver-rules={}", rules.join(", ")));
        }
        let mut preferences = json!({
            "intl.accept_languages": self.languages,
            "credentials_enable_service": false,
        });
        if self.scripts == Scripts::Off {
            preferences["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        let capabilities = [
            ("unhandledPromptBehavior", json!("ignore")),
            ("goog:loggingPrefs", json!({"browser": "ALL"})),
            ("goog:chromeOptions", json!({"args": arguments, "prefs": preferences})),
        ];
        capabilities.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
