use std::path::Path;

use serde_json::Value;

use super::Browser;

impl Browser {
    /// What axe-core finds wrong with the page, a line each.
    ///
    /// It needs timers, and so a browser with scripts.
    pub async fn accessibility_problems(&self) -> Vec<String> {
        self.accessibility_problems_within(Value::Null).await
    }

    /// The same of a part of the page alone, such as `{"fromShadowDom": ["my-element", "dialog"]}`.
    pub async fn accessibility_problems_within(&self, part: Value) -> Vec<String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE);
        let axe = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; `npm ci` in flexsecure-js puts it there", path.display())
        });
        self.run(&axe, Vec::new()).await;
        let found = self.run_async(CHECK, vec![part]).await;
        let lines = found.as_array().unwrap_or_else(|| panic!("axe-core fails: {found}"));
        lines.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

const AXE: &str = "../flexsecure-js/node_modules/axe-core/axe.min.js";

const CHECK: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(arguments[0] ?? document, {resultTypes: ['violations']}).then(
        (result) => done(result.violations.flatMap((rule) => rule.nodes.map(
            (node) => `${rule.id}: ${node.html}: ${node.failureSummary}`))),
        (error) => done(String(error)));";
