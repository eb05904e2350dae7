use std::collections::BTreeMap;

use flexsecure_core::Elevation;
use serde::Serialize;

use super::{Amount, Balance, Transfer};
use crate::reply::BankError;

/// All accounts of this node, and what has been done with them.
#[derive(Debug)]
pub struct Accounts {
    by_user: BTreeMap<String, Account>,
    /// How many transfers were made, so that each has a number of its own.
    made: u64,
}

#[derive(Debug)]
struct Account {
    balance: Balance,
    is_frozen: bool,
    transfers: Vec<Receipt>,
}

/// An account as an administrator sees it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// Whose it is.
    pub user: String,
    /// What it holds.
    pub balance: Balance,
    /// Whether nothing can be sent from it.
    pub frozen: bool,
}

/// A transfer that was made.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Receipt {
    /// Its number on this node.
    pub id: u64,
    /// Who got it.
    pub to: String,
    /// How much.
    pub amount: Amount,
    /// The proof it took, if it took one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elevation: Option<Proof>,
}

/// The elevation by which a request came through, as the bank keeps it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// The system that the user authenticated for.
    pub system: String,
    /// How.
    pub method: &'static str,
    /// When, in UTC.
    pub authenticated_at: String,
    /// What they approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

impl Account {
    fn overview(&self, user: &str) -> Overview {
        Overview { user: user.to_owned(), balance: self.balance, frozen: self.is_frozen }
    }
}

impl Proof {
    /// What to keep of `elevation`.
    #[must_use]
    pub fn of(elevation: &Elevation) -> Self {
        let millis = i64::try_from(elevation.authenticated_at().as_millis()).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        Self {
            system: elevation.system().to_owned(),
            method: elevation.method().as_str(),
            authenticated_at: at.to_string(),
            operation: elevation.operation().map(|operation| operation.text().to_owned()),
        }
    }
}

impl Accounts {
    /// An account each for `users`.
    #[must_use]
    pub fn of(users: &[&str]) -> Self {
        let account = || Account {
            balance: Balance::of(Amount::units(50_000)),
            is_frozen: false,
            transfers: Vec::new(),
        };
        let by_user = users.iter().map(|user| ((*user).to_owned(), account())).collect();
        Self { by_user, made: 0 }
    }

    /// Whether `user` has an account.
    #[must_use]
    pub fn knows(&self, user: &str) -> bool {
        self.by_user.contains_key(user)
    }

    /// What `user` has.
    ///
    /// # Errors
    ///
    /// [`BankError::NoSuchUser`]
    pub fn balance(&self, user: &str) -> Result<Balance, BankError> {
        self.account(user).map(|account| account.balance)
    }

    /// What this node has done for `user`, newest last.
    ///
    /// # Errors
    ///
    /// [`BankError::NoSuchUser`]
    pub fn transfers(&self, user: &str) -> Result<&[Receipt], BankError> {
        self.account(user).map(|account| account.transfers.as_slice())
    }

    /// Whether `user` can send anything.
    ///
    /// # Errors
    ///
    /// [`BankError::Frozen`] or [`BankError::NoSuchUser`] if not.
    pub fn can_send(&self, user: &str) -> Result<(), BankError> {
        if self.account(user)?.is_frozen { Err(BankError::Frozen) } else { Ok(()) }
    }

    /// Makes a transfer. An account can be overdrawn: this shows step-up, not bookkeeping.
    ///
    /// # Errors
    ///
    /// As [`Accounts::can_send`]; nothing is done then.
    pub fn transfer(
        &mut self,
        from: &str,
        transfer: Transfer,
        elevation: Option<Proof>,
    ) -> Result<Receipt, BankError> {
        self.can_send(from)?;
        let Transfer { to, amount } = transfer;
        if let Some(payee) = self.by_user.get_mut(&to) {
            payee.balance = payee.balance.plus(amount);
        }
        self.made = self.made.saturating_add(1);
        let receipt = Receipt { id: self.made, to, amount, elevation };
        let payer = self.by_user.get_mut(from).ok_or(BankError::NoSuchUser)?;
        payer.balance = payer.balance.minus(amount);
        payer.transfers.push(receipt.clone());
        Ok(receipt)
    }

    /// All accounts, by user.
    #[must_use]
    pub fn overview(&self) -> Vec<Overview> {
        self.by_user.iter().map(|(user, account)| account.overview(user)).collect()
    }

    /// The account of `user`, if there is one.
    #[must_use]
    pub fn of_user(&self, user: &str) -> Option<Overview> {
        self.by_user.get(user).map(|account| account.overview(user))
    }

    /// Lets nothing be sent from the account of `user` any more.
    ///
    /// # Errors
    ///
    /// [`BankError::NoSuchUser`]
    pub fn freeze(&mut self, user: &str) -> Result<(), BankError> {
        let account = self.by_user.get_mut(user).ok_or(BankError::NoSuchUser)?;
        account.is_frozen = true;
        Ok(())
    }

    /// Closes the account of `user`.
    ///
    /// # Errors
    ///
    /// [`BankError::NoSuchUser`]
    pub fn close(&mut self, user: &str) -> Result<(), BankError> {
        self.by_user.remove(user).map(|_| ()).ok_or(BankError::NoSuchUser)
    }

    fn account(&self, user: &str) -> Result<&Account, BankError> {
        self.by_user.get(user).ok_or(BankError::NoSuchUser)
    }
}
