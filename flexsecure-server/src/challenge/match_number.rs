use std::fmt;

use crate::secret::{RandomnessError, random_bytes};

/// The two digits that the requesting page shows and the approval page asks for: uniform over 10..=99.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MatchNumber(u8);

impl MatchNumber {
    pub(crate) fn random() -> Result<Self, RandomnessError> {
        loop {
            for byte in random_bytes::<16>()? {
                if let Some(number) = within_range(byte) {
                    return Ok(number);
                }
            }
        }
    }

    /// `None` for what is not two digits. A leading zero is two digits, and never right.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches(' ');
        let two_digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        two_digits.then(|| text.parse().ok().map(Self)).flatten()
    }

    pub(crate) fn stored(number: u8) -> Self {
        Self(number)
    }

    pub(crate) fn as_u8(self) -> u8 {
        self.0
    }
}

impl fmt::Display for MatchNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}", self.0)
    }
}

fn within_range(byte: u8) -> Option<MatchNumber> {
    (byte < FAIR_BELOW).then(|| MatchNumber(FIRST.saturating_add(byte % COUNT)))
}

const FIRST: u8 = 10;
const COUNT: u8 = 90;
const FAIR_BELOW: u8 = u8::MAX / COUNT * COUNT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_as_likely_as_any_other() {
        let mut counts = [0; 100];
        for byte in 0..=u8::MAX {
            if let Some(number) = within_range(byte) {
                counts[usize::from(number.as_u8())] += 1;
            }
        }
        assert!(counts[..10].iter().all(|&n| n == 0));
        assert!(counts[10..].iter().all(|&n| n == 2));
    }

    #[test]
    fn two_ascii_digits_and_nothing_else() {
        assert_eq!(MatchNumber::parse("47"), Some(MatchNumber(47)));
        assert_eq!(MatchNumber::parse(" 47 "), Some(MatchNumber(47)));
        assert_eq!(MatchNumber::parse("07"), Some(MatchNumber(7)));
        for bad in ["", " ", "4", "4 7", "470", "+4", "-1", "4.", "４７", "ab"] {
            assert_eq!(MatchNumber::parse(bad), None, "{bad:?}");
        }
    }
}
