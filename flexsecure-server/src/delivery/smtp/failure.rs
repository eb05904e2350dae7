use std::error::Error as _;

use lettre::transport::smtp::Error;

use crate::delivery::{DeliveryError, DeliveryErrorKind};

/// How far a mail has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stage {
    /// Greeting, TLS, EHLO.
    Connection,
    Password,
    Sender,
    Recipient,
    /// The command, not what follows it.
    Data,
    /// It has gone out, in part or as a whole.
    Text,
}

/// Where a mail has failed, and how.
#[derive(Debug)]
pub(super) struct Failure {
    stage: Stage,
    /// What the relay answered, if it did.
    code: Option<u16>,
    kind: DeliveryErrorKind,
    /// Only what can't repeat an address or a password.
    detail: Option<String>,
}

impl Failure {
    pub(super) fn at(stage: Stage) -> impl Fn(Error) -> Self {
        move |error| Self::of(stage, &error)
    }

    pub(super) fn of(stage: Stage, error: &Error) -> Self {
        let code = error.status().map(u16::from);
        let words = error.source().map(ToString::to_string).unwrap_or_default();
        let kind = if error.is_client() && stage != Stage::Text {
            // It can't do what it has to, such as STARTTLS.
            DeliveryErrorKind::Refused
        } else {
            kind(stage, code, &words)
        };
        // Nothing has been said yet that it could repeat.
        let detail = (stage == Stage::Connection && code.is_none()).then_some(words);
        Self { stage, code, kind, detail }
    }

    /// It answered yes, but to something else.
    pub(super) fn odd(stage: Stage) -> Self {
        let kind = kind(stage, None, "");
        Self { stage, code: None, kind, detail: Some("its answer makes no sense".to_owned()) }
    }

    pub(super) fn incapable() -> Self {
        let detail = Some("it takes no such address or text".to_owned());
        Self { stage: Stage::Sender, code: None, kind: DeliveryErrorKind::Refused, detail }
    }

    /// Whether the connection was at its end, whatever was to be sent (RFC 5321, section 3.8).
    pub(super) fn ends_the_connection(&self) -> bool {
        matches!(self.code, None | Some(421))
    }
}

impl From<Failure> for DeliveryError {
    fn from(failure: Failure) -> Self {
        let Failure { stage, code, kind, detail } = failure;
        let at = match stage {
            Stage::Connection => "the connection",
            Stage::Password => "user and password",
            Stage::Sender => "the sender",
            Stage::Recipient => "the recipient",
            Stage::Data => "the beginning of the text",
            Stage::Text => "the text",
        };
        let what = match (code, detail) {
            (Some(code), _) => format!("the mail relay answered {code} to {at}"),
            (None, Some(detail)) if !detail.is_empty() => {
                format!("the mail relay failed at {at}: {detail}")
            }
            (None, _) => format!("the mail relay failed or broke off at {at}"),
        };
        Self::new(kind, what)
    }
}

/// What a failure at `stage` means. `code` is the answer, if there was one, and `words` all that was said.
///
/// Before the text nothing can have been taken. After it only a yes tells anything: relays exist that pass a mail on
/// and say no.
fn kind(stage: Stage, code: Option<u16>, words: &str) -> DeliveryErrorKind {
    match (stage, code) {
        (Stage::Text, _) => DeliveryErrorKind::Unknown,
        (Stage::Recipient, Some(code)) if is_about_recipient(code, words) => {
            DeliveryErrorKind::Unreachable
        }
        (_, Some(500..)) => DeliveryErrorKind::Refused,
        (_, Some(_) | None) => DeliveryErrorKind::Busy { retry_after: None },
    }
}

/// Whether the address is at fault for good, rather than the sender or the relay. Where the relay gives an enhanced
/// code (RFC 3463), that tells: 5.1.1 to 5.1.6 and 5.1.10 are about the address, 5.2 about the mailbox.
fn is_about_recipient(code: u16, words: &str) -> bool {
    if !matches!(code, 550 | 551 | 553 | 556) {
        return false;
    }
    let first = words.split_whitespace().next().unwrap_or_default();
    let mut parts = first.split('.').map(str::parse::<u16>);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(5)), Some(Ok(subject)), Some(Ok(detail)), None) => match subject {
            1 => matches!(detail, 1..=6 | 10),
            2 => true,
            _ => false,
        },
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: DeliveryErrorKind = DeliveryErrorKind::Busy { retry_after: None };

    #[test]
    fn nothing_is_taken_before_the_text_and_nothing_known_after_it() {
        use DeliveryErrorKind::{Refused, Unknown, Unreachable};

        for stage in
            [Stage::Connection, Stage::Password, Stage::Sender, Stage::Recipient, Stage::Data]
        {
            assert_eq!(kind(stage, None, ""), BUSY);
            assert_eq!(kind(stage, Some(421), ""), BUSY);
            assert_eq!(kind(stage, Some(451), "4.7.1 try again"), BUSY);
            assert_eq!(kind(stage, Some(554), "5.7.1 no"), Refused);
        }
        assert_eq!(kind(Stage::Sender, Some(550), "5.1.1 no"), Refused);
        assert_eq!(kind(Stage::Recipient, Some(550), "5.1.1 no such user"), Unreachable);
        for code in [None, Some(421), Some(451), Some(550), Some(554), Some(599)] {
            assert_eq!(kind(Stage::Text, code, "5.1.1 no"), Unknown);
        }
    }

    #[test]
    fn a_recipient_is_told_from_a_policy() {
        for (code, words, expected) in [
            (550, "", true),
            (550, "No such user", true),
            (550, "5.1.1 <a@b.example>: unknown", true),
            (550, "5.1.10 null MX", true),
            (550, "5.2.1 disabled", true),
            (553, "5.1.3 bad address", true),
            (550, "5.7.1 relaying denied", false),
            (550, "5.7.26 not authenticated", false),
            (550, "5.1.7 bad sender", false),
            (550, "5.1.8 bad sender", false),
            (552, "5.2.2 full", false),
            (554, "5.1.1 no", false),
            (450, "4.1.1 later", false),
        ] {
            assert_eq!(is_about_recipient(code, words), expected, "{code} {words}");
        }
    }
}
