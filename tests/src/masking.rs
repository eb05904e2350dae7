//! Placeholders for what must differ between two subjects, so that all the rest can be compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::client::Answer;

/// Replaces each value by a name, and the same value by the same name each time.
#[derive(Clone, Debug, Default)]
pub struct Mask {
    known: Vec<(String, String)>,
}

impl Mask {
    /// Replaces `value` by `<name>` from now on.
    pub fn learn(&mut self, value: &str, name: &str) {
        if !value.is_empty() && !self.known.iter().any(|(known, _)| known == value) {
            self.known.push((value.to_owned(), format!("<{name}>")));
        }
    }

    /// Status, headers in alphabetical order and body, with placeholders.
    pub fn apply(&mut self, answer: &Answer) -> String {
        self.learn_flows(answer);
        let mut headers = answer.comparable_headers();
        for (name, value) in &mut headers {
            match &*name.to_ascii_lowercase() {
                "set-cookie" => self.learn_cookie(value),
                // It was right before the placeholders came in, and that is all there is to it.
                "content-length" if *value == answer.body.len().to_string() => {
                    "<length>".clone_into(value);
                }
                "grpc-status-details-bin" => *value = text_in(value),
                "retry-after" => "<seconds>".clone_into(value),
                _ => {}
            }
        }
        let body = mask_numbers(&String::from_utf8_lossy(&answer.body));
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        self.replace(&format!("{}\n{headers}\n{body}", answer.status))
    }

    /// `text` with placeholders.
    #[must_use]
    pub fn replace(&self, text: &str) -> String {
        self.known.iter().fold(text.to_owned(), |text, (value, name)| text.replace(value, name))
    }

    /// A flow is named by a path, in a challenge, or in metadata.
    fn learn_flows(&mut self, answer: &Answer) {
        let body = String::from_utf8_lossy(&answer.body);
        let texts = answer.headers.iter().map(|(_, value)| &**value).chain([&*body]);
        let mut ids = Vec::new();
        for text in texts {
            for before in ["/flows/", "flow=\""] {
                let behind = text.split(before).skip(1);
                ids.extend(behind.filter_map(|rest| rest.get(..32)).map(ToOwned::to_owned));
            }
        }
        ids.extend(answer.header("flexsecure-flow").map(ToOwned::to_owned));
        for id in ids.iter().filter(|id| id.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            self.learn_flow(id);
        }
    }

    fn learn_flow(&mut self, id: &str) {
        let count = self.known.iter().filter(|(_, name)| name.starts_with("<flow ")).count();
        self.learn(id, &format!("flow {}", count + 1));
    }

    fn learn_cookie(&mut self, set_cookie: &str) {
        let value = set_cookie.split(';').next().and_then(|pair| pair.split_once('='));
        self.learn(value.map_or("", |(_, value)| value), "cookie");
    }
}

/// The texts in a binary message: what is around them is as long as they are, whatever they are.
fn text_in(base64: &str) -> String {
    let message = STANDARD_NO_PAD.decode(base64).expect("base64 without padding");
    String::from_utf8_lossy(&message).escape_debug().to_string()
}

/// What is random or a time, by where it stands.
fn mask_numbers(body: &str) -> String {
    let mut masked = body.to_owned();
    for before in [
        "\"match\":\"",
        "\"expires_in\":",
        "\"authenticated_at\":\"",
        "aria-describedby=\"match-hint\">",
        "data-expires-in=\"",
        "data-resend-in=\"",
        "<time id=\"left\">",
    ] {
        masked = mask_behind(&masked, before);
    }
    masked
}

fn mask_behind(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(before);
        masked.push_str("<n>");
        masked
            .push_str(part.trim_start_matches(|c: char| c.is_ascii_digit() || "-:.TZ".contains(c)));
    }
    masked
}
