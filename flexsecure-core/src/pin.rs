use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A PIN as a user typed it: eight ASCII digits, once grouping spaces are gone.
///
/// It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct Pin(SecretString);

impl Pin {
    /// Parses what the user typed.
    ///
    /// # Errors
    ///
    /// [`MalformedPin`] if it is anything but eight ASCII digits and spaces between them.
    pub fn parse(text: &str) -> Result<Self, MalformedPin> {
        if text.len() > LONGEST_INPUT {
            return Err(MalformedPin);
        }
        let digits: String = text.chars().filter(|c| *c != ' ').collect();
        let well_formed =
            digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
        let pin = Self(digits.into());
        if well_formed { Ok(pin) } else { Err(MalformedPin) }
    }

    /// The eight digits, to be sent and nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// What was typed is not a PIN; it cost no attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is 8 digits")]
pub struct MalformedPin;

const DIGITS: usize = 8;

/// Room for a space around every digit.
const LONGEST_INPUT: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_a_pin_however_they_are_grouped() {
        for text in ["12345678", "1234 5678", " 12 34 56 78 ", "1 2 3 4 5 6 7 8"] {
            assert_eq!(Pin::parse(text).unwrap().expose(), "12345678", "{text:?}");
        }
        assert_eq!(Pin::parse("00000000").unwrap().expose(), "00000000");
    }

    #[test]
    fn anything_else_is_not() {
        let flooded = format!("12345678{}", " ".repeat(LONGEST_INPUT));
        let malformed = [
            "",
            " ",
            "1234567",
            "123456789",
            "1234-5678",
            "1234567a",
            "+1234567",
            "1234\t5678",
            "1234\u{a0}5678",
            "\u{661}2345678",
            "\u{ff11}\u{ff12}\u{ff13}",
            &flooded,
        ];
        for text in malformed {
            assert_eq!(Pin::parse(text).unwrap_err(), MalformedPin, "{text:?}");
        }
    }

    #[test]
    fn pin_is_not_printed() {
        assert_eq!(format!("{:?}", Pin::parse("12345678")), "Ok(Pin(..))");
    }
}
