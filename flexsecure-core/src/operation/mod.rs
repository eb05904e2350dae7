//! What the user approves, and the one form in which two of them are compared.
//!
//! | file | role |
//! | --- | --- |
//! | `mod` | the operation, and its digest |
//! | `value` | values of fields |
//! | `decimal` | numbers without rounding |
//! | `json`, `form` | fields selected from a body or a query |
//! | `canonical.md` | the digest, described for other implementations |
//! | `vectors.txt` | examples of it |

mod decimal;
pub(crate) mod form;
pub(crate) mod json;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

pub use self::decimal::{Decimal, NotADecimal};
pub use self::value::Value;

/// What the user approves: a short text shown to them, plus the fields that must not change after.
///
/// Two operations are the same when text and fields are: the digest covers both, so an approval of
/// `Transfer 250.00 EUR to bob` is good for nothing else.
///
/// ```
/// use flexsecure_core::Operation;
///
/// let shown = Operation::new("Transfer 250.00 EUR to bob").field("to", "bob").field("amount", "250.00");
/// let other = Operation::new("Transfer 250.00 EUR to bob").field("to", "bob").field("amount", "2500.00");
/// assert_ne!(shown, other);
/// ```
///
/// [`Requirement::operation_from`](crate::Requirement::operation_from) makes it of the request itself.
///
#[doc = include_str!("canonical.md")]
#[derive(Clone)]
pub struct Operation {
    text: Arc<str>,
    digest: [u8; 32],
}

impl Operation {
    /// An operation described by `text`.
    ///
    /// Control characters and those that reorder text become spaces, and anything beyond
    /// [`Operation::MAX_CHARS`] characters is cut from what is shown; the digest covers the whole.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let shown: String = text
            .chars()
            .map(|c| if c.is_control() || reorders_text(c) { ' ' } else { c })
            .take(Self::MAX_CHARS)
            .collect();
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        absorb(&mut hasher, TEXT, text.as_bytes());
        Self { text: shown.into(), digest: *hasher.finalize().as_bytes() }
    }

    /// Binds the field `name` with its `value`; the order of the calls counts.
    #[must_use]
    pub fn field<'v>(self, name: &str, value: impl Into<Value<'v>>) -> Self {
        self.bind(Place::App, name, &value.into())
    }

    /// Binds the `value` of what is called `name` at `place`.
    #[must_use]
    pub(crate) fn bind(mut self, place: Place, name: &str, value: &Value<'_>) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        absorb(&mut hasher, DIGEST, &self.digest);
        absorb(&mut hasher, place.tag(), name.as_bytes());
        absorb(&mut hasher, value.tag(), value.as_text().as_bytes());
        self.digest = *hasher.finalize().as_bytes();
        self
    }

    /// The operation that has this text and digest.
    pub(crate) fn restored(text: &str, digest: [u8; 32]) -> Self {
        Self { text: text.into(), digest }
    }

    /// The text shown to the user.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest of text and fields.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// How many characters of the text are shown.
    pub const MAX_CHARS: usize = 200;
}

/// Where a field was found: one in the query is not the same as one in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The app says so.
    App,
    /// The request line.
    Request,
    /// A part of the path that the matched route has a name for.
    Path,
    /// The query.
    Query,
    /// The body, be it JSON or a form.
    Body,
}

impl Place {
    const fn tag(self) -> u8 {
        match self {
            Self::App => b'a',
            Self::Request => b'r',
            Self::Path => b'p',
            Self::Query => b'q',
            Self::Body => b'f',
        }
    }
}

/// A length before each part leaves no way to move a delimiter between two of them, and a tag none to
/// take a part for one of another kind.
fn absorb(hasher: &mut blake3::Hasher, tag: u8, part: &[u8]) {
    hasher.update(&[tag]);
    hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
    hasher.update(part);
}

/// The bidirectional and other format controls with which a text can look like another one.
const fn reorders_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
    )
}

impl PartialEq for Operation {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.text).finish()
    }
}

const CONTEXT: &str = "flexsecure 2026 operation v1";

const TEXT: u8 = b't';

const DIGEST: u8 = b'd';
