use std::fmt;

use secrecy::{ExposeSecret, SecretString};

use crate::secret::{Purpose, ServerKey, is_same};

/// The 8 digits that a user types: uniform over 10,000,000..=99,999,999.
///
/// Derived, never stored, so that a message sent again carries the same one.
pub(crate) struct Pin(SecretString);

impl Pin {
    pub(crate) fn derive(key: &ServerKey, nonce: &[u8]) -> Self {
        let number = (0_u32..)
            .flat_map(|round| words(key.mac(Purpose::Pin, &[nonce, &round.to_be_bytes()])))
            .find_map(within_range)
            .unwrap_or(FIRST);
        Self(SecretString::from(number.to_string()))
    }

    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Compares MACs, so that how long it takes says nothing about where two PINs differ.
    pub(crate) fn matches(&self, submitted: &SubmittedPin, key: &ServerKey, nonce: &[u8]) -> bool {
        let right = compared(self.expose(), key, nonce);
        is_same(&right, &compared(submitted.0.expose_secret(), key, nonce))
    }
}

/// Whoever guesses does not know these bytes, of neither PIN, and no digit has a place among them.
fn compared(pin: &str, key: &ServerKey, nonce: &[u8]) -> [u8; 32] {
    key.mac(Purpose::PinComparison, &[nonce, pin.as_bytes()])
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin([REDACTED])")
    }
}

/// What a user typed, in the one form a PIN can have.
#[derive(Clone, Debug)]
pub(crate) struct SubmittedPin(SecretString);

impl SubmittedPin {
    /// `None` for what can't be a PIN: it spends no attempt. Spaces are how people read digits to each other.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|&c| c != ' ').take(DIGITS + 1).collect();
        let well_formed = digits.len() == DIGITS
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0');
        well_formed.then(|| Self(SecretString::from(digits)))
    }
}

fn words(mac: [u8; 32]) -> impl Iterator<Item = u32> {
    let (chunks, _) = mac.as_chunks::<4>();
    chunks.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect::<Vec<_>>().into_iter()
}

/// Rejects the incomplete last run of the range, so that no PIN is likelier than another.
fn within_range(word: u32) -> Option<u32> {
    (word < FAIR_BELOW).then(|| FIRST.saturating_add(word % COUNT))
}

const DIGITS: usize = 8;
const FIRST: u32 = 10_000_000;
const COUNT: u32 = 90_000_000;
const FAIR_BELOW: u32 = u32::MAX / COUNT * COUNT;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_eight_digits_that_depend_on_key_and_nonce_alone() {
        let (one, two) = (ServerKey::for_tests("1", 1), ServerKey::for_tests("2", 2));
        let pin = |key, nonce: &[u8]| Pin::derive(key, nonce).expose().to_owned();
        assert_eq!(pin(&one, b"a"), pin(&one, b"a"));
        assert_ne!(pin(&one, b"a"), pin(&one, b"b"));
        assert_ne!(pin(&one, b"a"), pin(&two, b"a"));
        for nonce in 0_u32..2_000 {
            let pin = pin(&one, &nonce.to_be_bytes());
            assert!((10_000_000..=99_999_999).contains(&pin.parse::<u32>().unwrap()));
        }
    }

    #[test]
    fn the_range_is_cut_where_it_would_favour_some() {
        assert_eq!(within_range(0), Some(10_000_000));
        assert_eq!(within_range(89_999_999), Some(99_999_999));
        assert_eq!(within_range(FAIR_BELOW - 1), Some(99_999_999));
        assert_eq!(within_range(FAIR_BELOW), None);
        assert_eq!(FAIR_BELOW % COUNT, 0);
    }

    /// T28
    #[test]
    fn every_leading_pair_of_digits_comes_up_about_as_often() {
        let key = ServerKey::for_tests("k", 9);
        let mut counts = [0_u32; 90];
        for nonce in 0_u32..45_000 {
            let pin = Pin::derive(&key, &nonce.to_be_bytes());
            counts[pin.expose()[..2].parse::<usize>().unwrap() - 10] += 1;
        }
        let chi_squared: f64 = counts.iter().map(|&n| (f64::from(n) - 500.0).powi(2) / 500.0).sum();
        assert!(chi_squared < 150.0, "89 degrees of freedom gave {chi_squared}");
    }

    /// T32
    #[test]
    fn only_eight_ascii_digits_are_a_pin() {
        for good in ["12345678", "1234 5678", " 1 2 3 4 5 6 7 8 "] {
            assert!(SubmittedPin::parse(good).is_some(), "{good:?}");
        }
        let bad = [
            "",
            " ",
            "1234567",
            "123456789",
            "01234567",
            "1234567a",
            "-1234567",
            "+1234567",
            "1234567.",
            "12345678\0",
            "12345678\n",
            "１２３４５６７８",
            "1234\u{a0}5678",
            "1234-5678",
        ];
        for bad in bad {
            assert!(SubmittedPin::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_same_digits_match() {
        let key = ServerKey::for_tests("k", 1);
        let pin = Pin::derive(&key, b"nonce");
        let right = SubmittedPin::parse(pin.expose()).unwrap();
        assert!(pin.matches(&right, &key, b"nonce"));
        let wrong = if pin.expose() == "11111111" { "22222222" } else { "11111111" };
        assert!(!pin.matches(&SubmittedPin::parse(wrong).unwrap(), &key, b"nonce"));
    }

    /// T30
    #[test]
    fn where_two_pins_differ_is_not_where_what_is_compared_does() {
        let key = ServerKey::for_tests("k", 1);
        for place in [0, DIGITS - 1] {
            let mut same = [0_u32; 32];
            for nonce in 0_u32..1_280 {
                let nonce = nonce.to_be_bytes();
                let pin = Pin::derive(&key, &nonce);
                let mut other = pin.expose().as_bytes().to_vec();
                other[place] = if other[place] == b'9' { b'8' } else { b'9' };
                let other = compared(str::from_utf8(&other).unwrap(), &key, &nonce);
                let right = compared(pin.expose(), &key, &nonce);
                for (same, (one, other)) in same.iter_mut().zip(right.iter().zip(&other)) {
                    *same += u32::from(one == other);
                }
            }
            // One in 256, by chance.
            assert!(same.iter().all(|&same| same <= 25), "digit {place}: {same:?}");
        }
    }

    #[test]
    fn debug_tells_nothing() {
        let pin = Pin::derive(&ServerKey::for_tests("k", 1), b"nonce");
        assert!(!format!("{pin:?}").contains(pin.expose()));
        assert!(!format!("{:?}", SubmittedPin::parse("12345678")).contains("12345678"));
    }
}
