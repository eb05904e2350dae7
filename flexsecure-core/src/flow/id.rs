use std::fmt;
use std::str::FromStr;

/// Names a flow: 128 random bits, written as 32 hexadecimal digits.
///
/// It is no credential: a flow answers only the session that opened it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowId(u128);

impl FlowId {
    /// A new random name.
    ///
    /// # Errors
    ///
    /// [`NoRandomness`] if the operating system has none to give.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(u128::from_le_bytes(bytes)))
    }

    /// The name with these bits, for tests.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for FlowId {
    type Err = NotAFlowId;

    fn from_str(text: &str) -> Result<Self, NotAFlowId> {
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(hexadecimal) {
            return Err(NotAFlowId);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotAFlowId)
    }
}

/// The text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a flow id is 32 lower-case hexadecimal digits")]
pub struct NotAFlowId;

/// The operating system gave no randomness, so no flow can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;
