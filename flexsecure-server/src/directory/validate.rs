//! What names, addresses and texts may look like.

/// A dialling prefix: `+` and 1..=7 digits.
pub(crate) fn validate_country(prefix: &str) -> bool {
    prefix.strip_prefix('+').is_some_and(|digits| {
        (1..=7).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// A language tag of RFC 5646, as far as it matters here.
pub(crate) fn validate_locale(tag: &str) -> bool {
    tag.len() <= 35
        && tag.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

/// Of an account, a system or an API key.
pub(crate) fn validate_name(name: &str) -> bool {
    is_plain(name, 64) && !is_no_segment(name)
}

pub(crate) fn validate_auth_id(auth_id: &str) -> bool {
    is_plain(auth_id, 255) && !is_no_segment(auth_id)
}

/// What no URL can have as a segment of its path (RFC 3986, section 5.2.4), however it is encoded: nobody could ask for
/// it by `/v1/admin`.
fn is_no_segment(text: &str) -> bool {
    matches!(text, "" | "." | "..")
}

/// An empty operation is none.
pub(crate) fn validate_operation(operation: &str) -> bool {
    is_plain(operation, 256)
}

/// The numbers of E.164.
pub(crate) fn validate_sms(number: &str) -> bool {
    number.strip_prefix('+').is_some_and(|digits| {
        (7..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

/// The address type of the mail library refuses line breaks; its display names are not asked for.
pub(crate) fn validate_email(address: &str) -> bool {
    is_plain(address, 254) && address.parse::<lettre::Address>().is_ok()
}

/// Shown to people, who decide by it: nothing may break a line or reverse what is read.
fn is_plain(text: &str, longest: usize) -> bool {
    text.chars().count() <= longest && !text.chars().any(misleads)
}

fn misleads(c: char) -> bool {
    breaks_line(c) || is_invisible(c)
}

/// Controls and separators.
pub(crate) fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks of direction, and characters without width.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}
