//! Chromium, driven over WebDriver: what a person sees and does.
//!
//! Each test has a browser of its own, with a profile of its own. Both end with the test, however
//! it ends.

mod accessibility;
mod driver;
mod settings;
mod tabs;
mod visit;
mod wire;

use std::panic::Location;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::{CmdError, ErrorStatus};
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{ParseError, Url};

use self::driver::Driver;
pub use self::settings::{Scripts, Settings};
pub use self::tabs::Tab;
pub use self::visit::{Visit, start};
pub use self::wire::Wire;

/// A browser that runs until this value ends.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    /// Before the profile, which a browser that still runs would write to again.
    _driver: Driver,
    profile: TempDir,
}

/// A message on the console of a page: a script's, or the browser's own.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `SEVERE` is an error.
    pub level: String,
    /// Where it comes from, then the sentence.
    pub message: String,
}

impl Browser {
    /// Starts one.
    pub async fn start(settings: &Settings) -> Self {
        let profile = TempDir::new().expect("a folder of its own");
        let driver = Driver::start();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(settings.capabilities(profile.path()));
        let client = builder.connect(&driver.url()).await.unwrap_or_else(|error| {
            panic!("Chromium does not start: {error}");
        });
        let browser = Self { client, _driver: driver, profile };
        browser.prepare(settings).await;
        browser
    }

    /// What emulation alone can set.
    async fn prepare(&self, settings: &Settings) {
        if let Some((width, height)) = settings.screen {
            let screen = json!({
                "width": width, "height": height, "deviceScaleFactor": settings.pixels_per_point,
                "mobile": settings.is_phone,
            });
            self.cdp("Emulation.setDeviceMetricsOverride", screen).await;
        }
        if settings.is_dark {
            let dark = json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]});
            self.cdp("Emulation.setEmulatedMedia", dark).await;
        }
    }

    /// The session, for what is not here.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The folder with all that it remembers.
    #[must_use]
    pub fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// Goes to `url`, and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// The address of the page.
    pub async fn url(&self) -> Url {
        self.client.current_url().await.expect("an address")
    }

    /// The path and the query of the page.
    pub async fn path(&self) -> String {
        let url = self.url().await;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", url.path())
    }

    /// The element, as soon as there is one.
    #[track_caller]
    pub fn find(&self, css: &str) -> impl Future<Output = Element> {
        self.find_for(css, Location::caller())
    }

    async fn find_for(&self, css: &str, caller: &Location<'_>) -> Element {
        let waiting = self.client.wait().at_most(LONGEST_WAIT).every(BETWEEN_LOOKS);
        match waiting.for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("{caller}: no {css}: {error}\n{}", self.describe().await),
        }
    }

    /// Whether there is such an element now.
    pub async fn has(&self, css: &str) -> bool {
        self.count(css).await > 0
    }

    /// How many such elements there are now.
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.expect("a page").len()
    }

    /// What a reader sees of an element, as soon as there is one.
    pub async fn text(&self, css: &str) -> String {
        self.retried(css, async |element| element.text().await).await
    }

    /// An attribute of an element, as soon as there is one.
    pub async fn attribute(&self, css: &str, name: &str) -> Option<String> {
        self.retried(css, async |element| element.attr(name).await).await
    }

    /// The value of a field.
    pub async fn value(&self, css: &str) -> String {
        self.retried(css, async |element| element.prop("value").await).await.unwrap_or_default()
    }

    /// Clicks an element, as soon as there is one.
    pub async fn click(&self, css: &str) {
        self.retried(css, async |element| element.click().await).await;
    }

    /// Presses keys in an element, as soon as there is one.
    pub async fn press(&self, css: &str, keys: &str) {
        self.retried(css, async |element| element.send_keys(keys).await).await;
    }

    /// Presses keys in whatever has the focus, though it be in a shadow tree.
    pub async fn press_here(&self, keys: &str) {
        let mut presses = KeyActions::new("keyboard".to_owned());
        for value in keys.chars() {
            presses = presses.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(presses).await.expect("a focus that takes keys");
    }

    /// Clicks an element that leads to another page, and waits until the page has gone.
    pub async fn follow(&self, css: &str) {
        let before = self.find("html").await;
        self.click(css).await;
        self.until("another page", async || before.tag_name().await.is_err()).await;
    }

    /// Waits until `holds`, and fails naming `what` if it never does.
    #[track_caller]
    pub fn until<F>(&self, what: &str, mut holds: F) -> impl Future<Output = ()>
    where
        F: AsyncFnMut() -> bool,
    {
        let caller = Location::caller();
        async move {
            let enough = async {
                let mut looks = tokio::time::interval(BETWEEN_LOOKS);
                while !holds().await {
                    looks.tick().await;
                }
            };
            if tokio::time::timeout(LONGEST_WAIT, enough).await.is_err() {
                panic!("{caller}: waited in vain for {what}\n{}", self.describe().await);
            }
        }
    }

    /// Waits until the address is `path` at any host.
    #[track_caller]
    pub fn until_at(&self, path: &str) -> impl Future<Output = ()> {
        self.until(path, async move || self.path().await == path)
    }

    /// Runs the body of a function as an extension would; not even a strict policy is in its way.
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let done = self.client.execute(script, arguments).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// The same for a function that calls its last argument when it is done.
    pub async fn run_async(&self, script: &str, arguments: Vec<Value>) -> Value {
        let done = self.client.execute_async(script, arguments).await;
        done.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// A command of the Chrome DevTools Protocol.
    pub async fn cdp(&self, command: &str, parameters: Value) -> Value {
        let call =
            Extension::new("goog/cdp/execute", json!({"cmd": command, "params": parameters}));
        let done = self.client.issue_cmd(call).await;
        done.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// What was written to the console since the last time that this was asked, on all pages.
    pub async fn console(&self) -> Vec<Entry> {
        let log = self.client.issue_cmd(Extension::new("se/log", json!({"type": "browser"}))).await;
        let log = log.expect("a log");
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        let entry = |entry| Entry { level: text(entry, "level"), message: text(entry, "message") };
        log.as_array().expect("a list").iter().map(entry).collect()
    }

    /// What of [`Browser::console`] says that a page has broken its own policy.
    pub async fn policy_violations(&self) -> Vec<String> {
        let mut log = self.console().await;
        log.retain(|entry| {
            let is_about = |word: &str| entry.message.contains(word);
            is_about("Content Security Policy")
                || is_about("Trusted Type")
                || is_about("violates the following")
        });
        log.into_iter().map(|entry| entry.message).collect()
    }

    /// Takes a picture of the page, to be looked at: `pictures/NAME.png` in the target folder.
    pub async fn picture(&self, name: &str) -> PathBuf {
        self.picture_in(&pictures(), name).await
    }

    /// The same below another folder.
    pub async fn picture_in(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(format!("{name}.png"));
        let image = self.client.screenshot().await.expect("a picture");
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for pictures");
        std::fs::write(&path, image).expect("a file");
        path
    }

    /// Ends it as a user would.
    pub async fn close(self) {
        self.client.clone().close().await.expect("a browser that still runs");
    }

    /// Repeats what fails because the page has just exchanged the element for another one.
    async fn retried<T>(&self, css: &str, act: impl AsyncFn(&Element) -> Result<T, CmdError>) -> T {
        let limit = tokio::time::Instant::now() + LONGEST_WAIT;
        loop {
            let element = self.find(css).await;
            match act(&element).await {
                Ok(done) => return done,
                Err(error) if is_passing(&error) && tokio::time::Instant::now() < limit => {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                Err(error) => panic!("{css}: {error}\n{}", self.describe().await),
            }
        }
    }

    async fn describe(&self) -> String {
        let url = self.client.current_url().await.map(String::from);
        let source = self.client.source().await;
        format!("at {}\n{}", url.unwrap_or_default(), source.unwrap_or_default())
    }
}

/// An endpoint of the driver beyond the standard.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl Extension {
    const fn new(path: &'static str, body: Value) -> Self {
        Self { path, body }
    }
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// Whether the same can go well a moment later.
fn is_passing(error: &CmdError) -> bool {
    let is_covered = |error: &ErrorStatus| *error == ErrorStatus::ElementClickIntercepted;
    matches!(error, CmdError::Standard(error) if is_covered(&error.error))
        || error.is_stale_element_reference()
        || error.is_element_not_interactable()
        || error.is_no_such_element()
}

/// Beside what is built: the test programs are in `TARGET/PROFILE/deps`.
fn pictures() -> PathBuf {
    let program = std::env::current_exe().expect("a program");
    let target = program.ancestors().nth(3).expect("a target folder");
    target.join("pictures")
}

/// What takes longer does not come.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The driver tells nothing by itself.
const BETWEEN_LOOKS: Duration = Duration::from_millis(40);
