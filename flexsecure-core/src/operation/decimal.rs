use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A number in canonical decimal notation; no float ever comes near it.
///
/// It is read from the notation of JSON (RFC 8259, section 6). Numbers that are equal have the same
/// text, however they were written: `250`, `250.00` and `2.5e2` are all `250`.
///
/// ```
/// use flexsecure_core::operation::Decimal;
///
/// let amount: Decimal = "2.50e2".parse()?;
/// assert_eq!(amount.as_str(), "250");
/// assert!("1e1000000000".parse::<Decimal>().is_err());
/// # Ok::<_, flexsecure_core::operation::NotADecimal>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal(Box<str>);

/// The text is no number in the notation of JSON, or it has more than [`Decimal::MAX_DIGITS`] digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number of at most {} digits", Decimal::MAX_DIGITS)]
#[non_exhaustive]
pub struct NotADecimal;

impl Decimal {
    /// Digits, with a minus sign before and a point between where there is need.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many digits there may be, before and behind the point together, with no exponent: enough
    /// for any amount of money, and no room for one that takes a megabyte to write down.
    pub const MAX_DIGITS: usize = 64;
}

impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        canonical(text).map(|text| Self(text.into())).ok_or(NotADecimal)
    }
}

impl Ord for Decimal {
    /// By value: of two wholes without leading zeros the longer one is greater, and fractions compare
    /// digit by digit.
    fn cmp(&self, other: &Self) -> Ordering {
        let parts = |decimal: &'_ Self| {
            let (sign, digits) = match decimal.0.strip_prefix('-') {
                Some(digits) => (-1_i8, digits.to_owned()),
                None => (1, decimal.0.to_string()),
            };
            let (whole, fraction) = match digits.split_once('.') {
                Some((whole, fraction)) => (whole.to_owned(), fraction.to_owned()),
                None => (digits, String::new()),
            };
            (sign, (whole.len(), whole, fraction))
        };
        let ((sign, ours), (other_sign, theirs)) = (parts(self), parts(other));
        let by_digits = ours.cmp(&theirs);
        sign.cmp(&other_sign).then(if sign < 0 { by_digits.reverse() } else { by_digits })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn canonical(text: &str) -> Option<String> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let is_well_formed = is_digits(whole)
        && fraction.is_none_or(is_digits)
        && (whole == "0" || !whole.starts_with('0'));
    if !is_well_formed {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    // How many of the digits are behind the point, or how many zeros are missing before it.
    let behind = i64::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    let trimmed = digits.trim_end_matches('0');
    let dropped = i64::try_from(digits.len().checked_sub(trimmed.len())?).ok()?;
    let behind = behind.checked_sub(dropped)?;
    let sign = if is_negative { "-" } else { "" };
    let limit = i64::try_from(Decimal::MAX_DIGITS).ok()?;
    let count = i64::try_from(trimmed.len()).ok()?;
    if behind <= 0 {
        let zeros = behind.checked_neg()?;
        let is_short = count.checked_add(zeros)? <= limit;
        return is_short.then(|| {
            format!("{sign}{trimmed}{}", "0".repeat(usize::try_from(zeros).unwrap_or(0)))
        });
    }
    if behind.max(count) > limit {
        return None;
    }
    let missing = usize::try_from(behind.checked_sub(count)?.checked_add(1)?.max(0)).ok()?;
    let padded = format!("{}{trimmed}", "0".repeat(missing));
    let point = padded.len().checked_sub(usize::try_from(behind).ok()?)?;
    let (whole, fraction) = padded.split_at_checked(point)?;
    Some(format!("{sign}{whole}.{fraction}"))
}

/// An exponent that no number of [`Decimal::MAX_DIGITS`] digits needs is refused, even of zero.
fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_digits(digits) {
        return None;
    }
    let exponent: i64 = text.strip_prefix('+').unwrap_or(text).parse().ok()?;
    (exponent.abs() <= MAX_EXPONENT).then_some(exponent)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self(number.to_string().into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_EXPONENT: i64 = 1000;
