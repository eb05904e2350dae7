use serde_json::{Value, json};

use crate::harness::{Answer, Authority, send};

/// bob has been sent a link, for an operation that tries to be more than text.
pub(crate) struct Asked {
    pub(crate) authority: Authority,
    pub(crate) link: String,
    pub(crate) number: String,
    txn: Value,
}

impl Asked {
    pub(crate) async fn new() -> Self {
        Self::of(Authority::new().await).await
    }

    pub(crate) async fn of(authority: Authority) -> Self {
        let body = json!({
            "system": "bank", "authid": "bob", "ip": "203.0.113.7",
            "user_agent": FIREFOX, "operation": "Transfer 250.00 EUR to <b>Zoë</b>",
        });
        let started = authority.post("/v1/start", &body).await.json();
        let link = authority.newest().link().unwrap().to_owned();
        let number = started["match"].as_str().unwrap().to_owned();
        Self { txn: started["txn"].clone(), authority, link, number }
    }

    /// The page for whoever prefers `language`.
    pub(crate) async fn page(&self, language: &str) -> Answer {
        send(self.authority.http.get(&self.link).header("accept-language", language)).await
    }

    pub(crate) async fn answer(&self, number: &str, action: &str) -> Answer {
        self.authority.answer_link(&self.link, &[("match", number), ("action", action)]).await
    }

    pub(crate) async fn check(&self) -> Answer {
        self.authority.check("bob", json!({"txn": self.txn})).await
    }

    pub(crate) async fn is_pending(&self) -> bool {
        self.check().await.json()["result"] == "pending"
    }

    pub(crate) fn other_number(&self) -> &'static str {
        if self.number == "47" { "48" } else { "47" }
    }
}

const FIREFOX: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0";
