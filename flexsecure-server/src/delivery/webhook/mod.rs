//! Signatures and receipts as Standard Webhooks has them (version 1, standardwebhooks.com).
//!
//! | file | role |
//! | --- | --- |
//! | `signature` | signs what goes out, and verifies what comes in |
//! | `receipt` | what a gateway tells of a message that it has taken |

mod receipt;
mod signature;

pub(super) use self::signature::sign;
pub use self::{
    receipt::{Receipt, ReceiptError, ReceiptStatus},
    signature::{SigningSecret, SigningSecretError},
};
