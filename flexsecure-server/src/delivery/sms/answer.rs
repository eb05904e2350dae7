use std::time::Duration;

use serde_json::Value;

use super::settings::AnswerSettings;
use crate::delivery::{Accepted, DeliveryErrorKind, provider::is_reference};

/// How the answer of a gateway is understood.
#[derive(Debug)]
pub(super) struct AnswerRules {
    /// Empty for 200 to 299.
    pub(super) accepted_statuses: Vec<u16>,
    pub(super) reference: Option<String>,
    pub(super) answer: Option<AnswerSettings>,
}

/// What a gateway answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<Duration>,
    /// `None` where it is no JSON, too long, or broke off.
    pub(super) body: Option<Value>,
}

impl AnswerRules {
    /// What an answer means.
    pub(super) fn judge(&self, answer: &Answer) -> Result<Accepted, DeliveryErrorKind> {
        let word = self.answer.as_ref().and_then(|rules| {
            let word = answer.body.as_ref()?.pointer(&rules.at).and_then(text)?;
            Some((rules, word))
        });
        if let Some((rules, word)) = &word {
            if rules.unreachable.contains(word) {
                return Err(DeliveryErrorKind::Unreachable);
            }
            if rules.refused.contains(word) {
                return Err(DeliveryErrorKind::Refused);
            }
        }
        if !self.accepts(answer.status) {
            return Err(kind(answer.status, answer.retry_after));
        }
        let is_awaited = self.answer.as_ref().is_some_and(|rules| !rules.accepted.is_empty());
        let is_there = word.is_some_and(|(rules, word)| rules.accepted.contains(&word));
        if is_awaited && !is_there {
            // Neither a yes nor a no that is known.
            return Err(DeliveryErrorKind::Unknown);
        }
        Ok(self.reference(answer).map_or_else(Accepted::new, Accepted::with_reference))
    }

    fn accepts(&self, status: u16) -> bool {
        match &*self.accepted_statuses {
            [] => (200..300).contains(&status),
            statuses => statuses.contains(&status),
        }
    }

    fn reference(&self, answer: &Answer) -> Option<String> {
        let at = self.reference.as_deref()?;
        answer.body.as_ref()?.pointer(at).and_then(text).filter(|it| is_reference(it))
    }
}

/// What a status means that is not one of acceptance.
///
/// Only where HTTP says that the request was not carried out, it was surely not: RFC 9110, section 15. A gateway that
/// fails in the middle, or sends elsewhere what it was given, may have sent it.
fn kind(status: u16, retry_after: Option<Duration>) -> DeliveryErrorKind {
    match status {
        425 | 429 | 503 => DeliveryErrorKind::Busy { retry_after },
        301 | 307 | 308 => DeliveryErrorKind::Refused,
        400..=407 | 410..=417 | 421 | 422 | 426 | 428 | 431 | 451 => DeliveryErrorKind::Refused,
        _ => DeliveryErrorKind::Unknown,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rules(answer: Value) -> AnswerRules {
        let answer = serde_json::from_value(answer).unwrap();
        AnswerRules { accepted_statuses: vec![], reference: Some("/m/0/id".to_owned()), answer }
    }

    fn judged(
        rules: &AnswerRules,
        status: u16,
        body: impl Into<Option<Value>>,
    ) -> Result<Accepted, DeliveryErrorKind> {
        rules.judge(&Answer { status, retry_after: None, body: body.into() })
    }

    #[test]
    fn a_status_is_a_yes_a_no_or_neither() {
        use DeliveryErrorKind::{Refused, Unknown};

        let rules = rules(Value::Null);
        let busy = DeliveryErrorKind::Busy { retry_after: None };
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(judged(&rules, status, None), Ok(Accepted::new()), "{status}");
        }
        for (statuses, kind) in [
            (&[400, 401, 402, 403, 404, 405, 413, 415, 422, 301, 307, 308][..], Refused),
            (&[425, 429, 503], busy),
            (&[408, 409, 418, 499, 302, 303, 304, 300, 500, 501, 502, 504, 599, 600], Unknown),
        ] {
            for status in statuses {
                assert_eq!(judged(&rules, *status, None), Err(kind), "{status}");
            }
        }
    }

    #[test]
    fn a_busy_gateway_says_for_how_long() {
        let retry_after = Some(Duration::from_secs(7));
        for status in [429, 503] {
            let answer = Answer { status, retry_after, body: None };
            let busy = DeliveryErrorKind::Busy { retry_after };
            assert_eq!(rules(Value::Null).judge(&answer), Err(busy));
        }
    }

    #[test]
    fn a_word_of_the_answer_counts_more_than_its_status() {
        let rules = rules(json!({
            "at": "/m/0/status", "accepted": ["0"], "refused": ["4"], "unreachable": ["6"],
        }));
        let with = |status: Value| json!({"m": [{"status": status, "id": "A1"}]});
        assert_eq!(judged(&rules, 200, with(json!("0"))), Ok(Accepted::with_reference("A1")));
        assert_eq!(judged(&rules, 200, with(json!(0))), Ok(Accepted::with_reference("A1")));
        for (status, body, kind) in [
            (200, Some(with(json!("4"))), DeliveryErrorKind::Refused),
            (200, Some(with(json!(6))), DeliveryErrorKind::Unreachable),
            (400, Some(with(json!("6"))), DeliveryErrorKind::Unreachable),
            (200, Some(with(json!("5"))), DeliveryErrorKind::Unknown),
            (200, Some(with(Value::Null)), DeliveryErrorKind::Unknown),
            (200, Some(json!([])), DeliveryErrorKind::Unknown),
            (200, None, DeliveryErrorKind::Unknown),
            (500, Some(with(json!("0"))), DeliveryErrorKind::Unknown),
        ] {
            assert_eq!(judged(&rules, status, body.clone()), Err(kind), "{status} {body:?}");
        }
    }

    #[test]
    fn an_unfit_reference_is_none() {
        for id in [json!("a b"), json!(["x"]), json!("x".repeat(200)), Value::Null] {
            let judged = judged(&rules(Value::Null), 200, json!({"m": [{"id": id}]}));
            assert_eq!(judged, Ok(Accepted::new()));
        }
        let number = judged(&rules(Value::Null), 200, json!({"m": [{"id": 17}]}));
        assert_eq!(number, Ok(Accepted::with_reference("17")));
    }

    #[test]
    fn the_statuses_of_acceptance_can_be_fewer() {
        let rules = AnswerRules { accepted_statuses: vec![202], ..rules(Value::Null) };
        assert_eq!(judged(&rules, 202, None), Ok(Accepted::new()));
        assert_eq!(judged(&rules, 200, None), Err(DeliveryErrorKind::Unknown));
    }
}
