//! How numbers and times read on a page; whatever is none is shown as it is.

use jiff::Timestamp;
use jiff::civil::Date;
use minijinja::Environment;

/// Lets templates use them.
pub(super) fn teach(pages: &mut Environment<'_>) {
    pages.add_filter("money", money);
    pages.add_filter("month", month);
    pages.add_filter("time", time);
    pages.add_filter("method", method);
    pages.add_filter("sentence", sentence);
}

/// `-49650.01` as `−49,650.01`.
fn money(amount: &str) -> String {
    let (sign, amount) = amount.strip_prefix('-').map_or(("", amount), |rest| ("\u{2212}", rest));
    let (units, decimals) = amount.split_once('.').unwrap_or((amount, "00"));
    let mut grouped = String::from(sign);
    for (index, digit) in units.chars().enumerate() {
        let left = units.len().saturating_sub(index);
        if index > 0 && left.is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{grouped}.{decimals}")
}

/// `2026-01` as `January 2026`.
fn month(month: &str) -> String {
    let first: Result<Date, _> = format!("{month}-01").parse();
    first.map_or_else(|_| month.to_owned(), |first| first.strftime("%B %Y").to_string())
}

/// `2026-11-23T20:22:50.255Z` as `23 November 2026, 20:22 UTC`.
fn time(time: &str) -> String {
    let at: Result<Timestamp, _> = time.parse();
    let shown = |at: Timestamp| at.strftime("%-d %B %Y, %H:%M UTC").to_string();
    at.map_or_else(|_| time.to_owned(), shown)
}

/// How somebody confirmed.
fn method(method: &str) -> String {
    let words = match method {
        "pin" => "by PIN",
        "passwordless" => "by link",
        other => other,
    };
    words.to_owned()
}

/// What a problem says, as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_in_groups_of_three() {
        for (amount, shown) in [
            ("0.01", "0.01"),
            ("999.99", "999.99"),
            ("1000.00", "1,000.00"),
            ("-49650.01", "\u{2212}49,650.01"),
            ("999999999999.99", "999,999,999,999.99"),
        ] {
            assert_eq!(money(amount), shown);
        }
    }

    #[test]
    fn months_and_times_read_as_people_say_them() {
        assert_eq!(month("2026-01"), "January 2026");
        assert_eq!(month("soon"), "soon");
        assert_eq!(time("2026-11-03T20:22:50.255Z"), "3 November 2026, 20:22 UTC");
        assert_eq!(time("now"), "now");
    }

    #[test]
    fn a_detail_is_a_sentence() {
        assert_eq!(sentence("there is nothing"), "There is nothing.");
        assert_eq!(sentence("Log in first."), "Log in first.");
        assert_eq!(sentence(""), ".");
    }
}
