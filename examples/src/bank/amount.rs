use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// An amount of money of at least a cent, counted in cents.
///
/// It is read from plain decimal notation with at most two decimals (`250`, `250.5`, `"250.00"`) and
/// from nothing else: no sign, no exponent, no needless zero in front. So no float can round it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

/// The text is no such amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an amount is a positive number with at most two decimals, such as 250 or \"250.00\"")]
#[expect(clippy::exhaustive_structs, reason = "there is no more to say")]
pub struct MalformedAmount;

impl Amount {
    /// `units` whole units; at most a trillion.
    #[must_use]
    pub const fn units(units: u32) -> Self {
        Self((units as u64).saturating_mul(100))
    }

    /// In cents.
    #[must_use]
    pub const fn cents(self) -> u64 {
        self.0
    }

    /// Reads a JSON number or string as it was sent.
    ///
    /// # Errors
    ///
    /// [`MalformedAmount`]
    pub fn from_json(raw: &str) -> Result<Self, MalformedAmount> {
        if raw.starts_with('"') {
            let text: String = serde_json::from_str(raw).map_err(|_| MalformedAmount)?;
            text.parse()
        } else {
            raw.parse()
        }
    }
}

impl FromStr for Amount {
    type Err = MalformedAmount;

    fn from_str(text: &str) -> Result<Self, MalformedAmount> {
        let (units, decimals) = match text.split_once('.') {
            Some((_, "")) => return Err(MalformedAmount),
            Some((units, decimals)) => (units, decimals),
            None => (text, ""),
        };
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_needless_zero = units.starts_with('0') && units != "0";
        if !is_plain(units)
            || !is_plain(decimals)
            || has_needless_zero
            || units.is_empty()
            || units.len() > LONGEST
            || decimals.len() > 2
        {
            return Err(MalformedAmount);
        }
        let cents: u64 = format!("{units}{decimals:0<2}").parse().map_err(|_| MalformedAmount)?;
        if cents == 0 { Err(MalformedAmount) } else { Ok(Self(cents)) }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What an account holds, in cents; one that is overdrawn holds less than nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance(i64);

impl Balance {
    /// `amount`, in credit.
    #[must_use]
    pub fn of(amount: Amount) -> Self {
        Self(0).plus(amount)
    }

    /// This and `amount`.
    #[must_use]
    pub fn plus(self, amount: Amount) -> Self {
        Self(self.0.saturating_add_unsigned(amount.0))
    }

    /// This without `amount`.
    #[must_use]
    pub fn minus(self, amount: Amount) -> Self {
        Self(self.0.saturating_sub_unsigned(amount.0))
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", Amount(self.0.unsigned_abs()))
    }
}

impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Twelve digits before the point leave room for sums of millions of them.
const LONGEST: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_read_to_the_cent() {
        for (raw, shown) in [
            ("250", "250.00"),
            ("0.1", "0.10"),
            ("0.01", "0.01"),
            ("99.99", "99.99"),
            ("\"250.00\"", "250.00"),
            ("\"1000.5\"", "1000.50"),
            ("999999999999.99", "999999999999.99"),
        ] {
            assert_eq!(Amount::from_json(raw).map(|it| it.to_string()).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn nothing_else_is_an_amount() {
        for raw in [
            "0",
            "0.00",
            "-1",
            "-0.01",
            "1e2",
            "1E2",
            "250.001",
            "250.000",
            "0250",
            "250.",
            ".5",
            "+5",
            "1000000000000",
            "\"\"",
            "\" 5\"",
            "\"5 \"",
            "\"1e2\"",
            "\"1,000\"",
            "\"٥\"",
            "\"NaN\"",
            "\"0x10\"",
            "null",
            "true",
            "[250]",
            "{}",
            "\"250.00.00\"",
            "\"--5\"",
        ] {
            assert_eq!(Amount::from_json(raw), Err(MalformedAmount), "{raw}");
        }
    }

    #[test]
    fn an_account_can_be_overdrawn() {
        let cent: Amount = "0.01".parse().unwrap();
        let balance = Balance::of(cent).minus(Amount::units(1));
        assert_eq!(balance.to_string(), "-0.99");
    }
}
