use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Amount;
use crate::body::{Fields, Sent};
use crate::reply::BankError;

/// What a user wants done, checked as far as it can be without asking anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transfer {
    /// Who gets it: a user of this bank, or anybody else.
    pub to: String,
    /// How much.
    pub amount: Amount,
}

impl Transfer {
    /// A transfer of `amount` to `to`.
    ///
    /// # Errors
    ///
    /// [`BankError::Invalid`] if no payee could be called that.
    pub fn new(to: &str, amount: Amount) -> Result<Self, BankError> {
        let is_plain = !to.chars().any(misleads) && to.trim() == to;
        if !is_plain || to.is_empty() || to.chars().count() > LONGEST_PAYEE {
            return Err(BankError::Invalid(
                "a payee has 1 to 64 characters, none of them invisible",
            ));
        }
        Ok(Self { to: to.to_owned(), amount })
    }

    /// Reads `{"to":"bob","amount":250}` or `to=bob&amount=250`.
    ///
    /// # Errors
    ///
    /// [`BankError`] says what is wrong with it.
    pub fn read(sent: &Sent) -> Result<Self, BankError> {
        match sent.fields()? {
            Fields::Json(json) => {
                let body: Body<'_> = json.parse("send {\"to\":\"bob\",\"amount\":250}")?;
                Self::new(&body.to, Amount::from_json(body.amount.get())?)
            }
            Fields::Form(form) => Self::new(form.one("to")?, form.one("amount")?.parse()?),
        }
    }
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    to: Cow<'a, str>,
    #[serde(borrow)]
    amount: &'a RawValue,
}

/// The user decides by what they read: nothing may break a line or reverse it.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

const LONGEST_PAYEE: usize = 64;
