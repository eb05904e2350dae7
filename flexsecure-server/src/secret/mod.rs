//! What must not be told: server keys, API keys, and the randomness they are made of.

mod api_key;
mod comparison;
mod server_key;

pub use self::{
    api_key::ApiKeySecret,
    server_key::{
        ServerKeyInfo, ServerKeysError, list as list_server_keys, rotate as rotate_server_keys,
    },
};
pub(crate) use self::{
    api_key::{ApiKeyParts, mint as mint_api_key},
    comparison::is_same,
    server_key::{Purpose, ServerKey, ServerKeys},
};

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct RandomnessError(#[from] getrandom::Error);

pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomnessError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
