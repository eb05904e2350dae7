//! Fields of a form or a query (WHATWG URL, section 5.1), read strictly.

use percent_encoding::percent_decode_str;

use super::Value;
use super::json::NoValue;

/// The value of `name` in `pairs`.
///
/// What is not selected may be there as often as it likes, as the boxes of a form are.
pub(crate) fn value(pairs: &str, name: &str) -> Result<Value<'static>, NoValue> {
    let mut found = None;
    for pair in pairs.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if decoded(key).as_deref() != Some(name) {
            continue;
        }
        if found.is_some() {
            return Err(NoValue::Twice);
        }
        found = Some(decoded(value).ok_or(NoValue::NotText)?);
    }
    found.map(Value::from).ok_or(NoValue::Missing)
}

/// Where others would put a replacement character for what is not UTF-8, two values could look alike.
fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| text.into_owned())
}
