use serde::Deserialize;

use crate::challenge::{Decision, MatchNumber};

/// The fields of the approval page. Both may be missing: that changes nothing.
#[derive(Debug, Deserialize)]
pub(crate) struct ApprovalForm {
    #[serde(default)]
    action: String,
    #[serde(default, rename = "match")]
    match_number: String,
}

impl ApprovalForm {
    /// `None` if nothing has been decided. Declining needs no number.
    pub(super) fn decision(&self) -> Option<Decision> {
        match self.action.as_str() {
            "decline" => Some(Decision::Decline),
            "approve" => MatchNumber::parse(&self.match_number).map(Decision::Approve),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_digits_or_a_decline_decide() {
        let decision = |action: &str, match_number: &str| {
            let (action, match_number) = (action.to_owned(), match_number.to_owned());
            ApprovalForm { action, match_number }.decision()
        };
        assert_eq!(decision("approve", "47"), MatchNumber::parse("47").map(Decision::Approve));
        assert_eq!(decision("decline", ""), Some(Decision::Decline));
        assert_eq!(decision("decline", "47"), Some(Decision::Decline));
        for (action, number) in
            [("approve", ""), ("approve", "4"), ("approve", "x7"), ("", "47"), ("Approve", "47")]
        {
            assert_eq!(decision(action, number), None, "{action} {number}");
        }
    }
}
