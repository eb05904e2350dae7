use std::fmt;
use std::sync::Arc;

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
        absorb(&mut hasher, text.as_bytes());
        Self { text: shown.into(), digest: *hasher.finalize().as_bytes() }
    }

    /// Binds the field `name` with its `value`; the order of the calls counts.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        hasher.update(&self.digest);
        absorb(&mut hasher, name.as_bytes());
        absorb(&mut hasher, value.as_bytes());
        self.digest = *hasher.finalize().as_bytes();
        self
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

/// A length before each part leaves no way to move a delimiter between two of them.
fn absorb(hasher: &mut blake3::Hasher, part: &[u8]) {
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

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Operation").field(&self.text).finish()
    }
}

const CONTEXT: &str = "flexsecure 2026 operation v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer() -> Operation {
        Operation::new("Transfer 250.00 EUR to bob")
    }

    #[test]
    fn text_and_fields_and_their_order_make_the_operation() {
        let bound = transfer().field("to", "bob").field("amount", "250.00");
        assert_eq!(bound, transfer().field("to", "bob").field("amount", "250.00"));
        let others = [
            transfer(),
            transfer().field("to", "bob"),
            transfer().field("amount", "250.00").field("to", "bob"),
            transfer().field("to", "bob").field("amount", "2500.00"),
            transfer().field("to", "bob").field("amount", "250.00").field("note", ""),
            Operation::new("Transfer 250.00 EUR to eve")
                .field("to", "bob")
                .field("amount", "250.00"),
        ];
        assert!(others.iter().all(|other| *other != bound));
    }

    #[test]
    fn no_delimiter_moves_between_name_and_value() {
        assert_ne!(transfer().field("ab", "c"), transfer().field("a", "bc"));
        assert_ne!(transfer().field("", "a"), transfer().field("a", ""));
    }

    #[test]
    fn text_shown_reads_as_one_line_from_left_to_right() {
        let shown = Operation::new("to\nbob\u{202e}eve\u{2066}\u{200b}\u{feff}\u{61c}\0\u{85}.");
        assert_eq!(shown.text(), "to bob eve      .");
        assert_ne!(shown, Operation::new("to bob eve      ."));
    }

    #[test]
    fn long_text_is_cut_where_it_is_shown_but_not_where_it_is_compared() {
        let long = "\u{e4}".repeat(Operation::MAX_CHARS);
        let longer = format!("{long}!");
        assert_eq!(Operation::new(&longer).text(), long);
        assert_ne!(Operation::new(&longer), Operation::new(&long));
    }
}
