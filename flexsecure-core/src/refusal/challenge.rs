//! The `WWW-Authenticate` headers of a 401 (RFC 9110, section 11.6.1).

use std::sync::Arc;

use super::{Problem, Reason};
use crate::Requirement;
use crate::flow::FlowId;

/// The authentication contexts that an OAuth client is told to ask for (RFC 9470, section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AcrValues(Arc<str>);

impl AcrValues {
    /// `text` if it is values with one space between any two, and nothing that a client would have to
    /// unquote before it compares.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte| matches!(byte, b'!'..=b'~') && byte != b'"' && byte != b'\\';
        let is_value = |value: &str| !value.is_empty() && value.bytes().all(is_plain);
        text.split(' ').all(is_value).then(|| Self(text.into()))
    }
}

/// The challenge that every 401 carries, with the parameters of RFC 9470, section 3, where a proof
/// is asked for.
pub(super) fn flexsecure(
    problem: Problem,
    requirement: Option<&Requirement>,
    flow: Option<FlowId>,
) -> Option<String> {
    let error = if matches!(problem, Problem::StepUpRequired(_)) {
        INSUFFICIENT
    } else if problem == Problem::IdentificationRequired {
        "identification_required"
    } else {
        return None;
    };
    let challenge = Challenge::new("FlexSecure", error, problem.detail());
    let challenge = challenge.parameter("max_age", requirement.map(seconds));
    Some(challenge.parameter("flow", flow.map(|flow| flow.to_string())).0)
}

/// The same for a client that knows OAuth alone, where another token can help at all: it would come
/// back with one for ever.
pub(super) fn bearer(
    problem: Problem,
    requirement: Option<&Requirement>,
    acr_values: &AcrValues,
) -> Option<String> {
    if problem.reason().is_none_or(Reason::is_final) {
        return None;
    }
    let challenge = Challenge::new("Bearer", INSUFFICIENT, problem.detail());
    let challenge = challenge.parameter("acr_values", Some(acr_values.0.to_string()));
    Some(challenge.parameter("max_age", requirement.map(seconds)).0)
}

/// A challenge as far as it is written.
struct Challenge(String);

impl Challenge {
    fn new(scheme: &str, error: &str, description: &str) -> Self {
        let error = quoted(error);
        let description = quoted(description);
        Self(format!("{scheme} error={error}, error_description={description}"))
    }

    fn parameter(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            for part in [", ", name, "=", &quoted(&value)] {
                self.0.push_str(part);
            }
        }
        self
    }
}

/// `text` as a quoted-string (RFC 9110, section 5.6.4), with a question mark for each character
/// that is neither a space nor visible ASCII: what else a header may hold is read in many ways.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            _ => quoted.push('?'),
        }
    }
    quoted.push('"');
    quoted
}

fn seconds(requirement: &Requirement) -> String {
    requirement.max_age().as_secs().to_string()
}

const INSUFFICIENT: &str = "insufficient_user_authentication";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{AcrValues, bearer, flexsecure, quoted};
    use crate::Requirement;
    use crate::flow::FlowId;
    use crate::refusal::{Problem, Reason};

    #[test]
    fn nothing_ends_a_quoted_string_but_its_quote() {
        for (text, expected) in [
            ("", r#""""#),
            ("plain text, a=b; c", r#""plain text, a=b; c""#),
            ("say \"no\"", r#""say \"no\"""#),
            ("C:\\", r#""C:\\""#),
            ("\\\"", r#""\\\"""#),
            ("a\r\nset-cookie: b=c", r#""a??set-cookie: b=c""#),
            ("tab\tnul\0del\x7f", r#""tab?nul?del?""#),
            ("é\u{202e}\u{1f600}~", r#""???~""#),
        ] {
            assert_eq!(quoted(text), expected);
        }
    }

    /// Byte by byte, as RFC 9470, section 3, has the parameters.
    #[test]
    fn a_challenge_is_always_spelt_alike() {
        let requirement = Requirement::system("bank").within(Duration::from_secs(300));
        let flow = Some(FlowId::from_bits(7));
        let rows = [
            (
                flexsecure(Problem::StepUpRequired(Reason::Missing), Some(&requirement), flow),
                Some(
                    r#"FlexSecure error="insufficient_user_authentication", error_description="Prove who you are, then repeat the request.", max_age="300", flow="00000000000000000000000000000007""#,
                ),
            ),
            (
                flexsecure(Problem::StepUpRequired(Reason::Loop), None, None),
                Some(
                    r#"FlexSecure error="insufficient_user_authentication", error_description="Even the proof just given does not do here; do not repeat the request, tell whoever runs this system.""#,
                ),
            ),
            (
                flexsecure(Problem::IdentificationRequired, None, None),
                Some(
                    r#"FlexSecure error="identification_required", error_description="Log in first.""#,
                ),
            ),
            (flexsecure(Problem::Denied, Some(&requirement), flow), None),
            (flexsecure(Problem::PinRejected, Some(&requirement), flow), None),
            (
                on_bearer(Problem::StepUpRequired(Reason::Stale), Some(&requirement)),
                Some(
                    r#"Bearer error="insufficient_user_authentication", error_description="The last proof is too old; prove again who you are, then repeat the request.", acr_values="urn:bank:2 phr", max_age="300""#,
                ),
            ),
            (
                on_bearer(Problem::StepUpRequired(Reason::Missing), None),
                Some(
                    r#"Bearer error="insufficient_user_authentication", error_description="Prove who you are, then repeat the request.", acr_values="urn:bank:2 phr""#,
                ),
            ),
            (on_bearer(Problem::StepUpRequired(Reason::Loop), Some(&requirement)), None),
            (on_bearer(Problem::StepUpRequired(Reason::Refused), Some(&requirement)), None),
            (on_bearer(Problem::StepUpRequired(Reason::NoMethod), Some(&requirement)), None),
            (on_bearer(Problem::IdentificationRequired, None), None),
            (on_bearer(Problem::Denied, Some(&requirement)), None),
        ];
        for (challenge, expected) in rows {
            assert_eq!(challenge.as_deref(), expected);
        }
    }

    fn on_bearer(problem: Problem, requirement: Option<&Requirement>) -> Option<String> {
        bearer(problem, requirement, &AcrValues::parse("urn:bank:2 phr").unwrap())
    }

    #[test]
    fn values_are_visible_and_one_space_apart() {
        for text in ["phr", "urn:mace:incommon:iap:silver phrh", "0", "a,b=c;d"] {
            assert!(AcrValues::parse(text).is_some(), "{text:?}");
        }
        for text in ["", " ", " a", "a ", "a  b", "a\tb", "a\"b", "a\\b", "a\r\nb", "ä", "a\u{a0}b"]
        {
            assert!(AcrValues::parse(text).is_none(), "{text:?}");
        }
    }
}
