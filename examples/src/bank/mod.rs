//! What the bank does, whatever framework asks it to.

mod accounts;
mod amount;
mod transfer;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flexsecure_core::store::StoreError;
use flexsecure_core::{Clock, Elevation, Gate, SystemClock};
use serde::Serialize;

pub use self::accounts::{Accounts, Overview, Proof, Receipt};
pub use self::amount::{Amount, Balance, MalformedAmount};
pub use self::transfer::Transfer;

use crate::body::Sent;
use crate::page;
use crate::reply::{BankError, Reply};
use crate::session::{Sessions, User};

/// The bank of one node; cheap to clone.
#[derive(Clone, Debug)]
pub struct Bank(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    accounts: Mutex<Accounts>,
    sessions: Sessions,
    gate: Gate,
    inbox: Option<String>,
}

impl Bank {
    /// A bank behind `gate`, with accounts for the demo users.
    ///
    /// `inbox` is where their messages can be read, if they can.
    #[must_use]
    pub fn new(gate: Gate, sessions: Sessions, inbox: Option<String>) -> Self {
        let accounts = Mutex::new(Accounts::of(&USERS));
        Self(Arc::new(Inner { accounts, sessions, gate, inbox }))
    }

    /// The gate in front of it.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.0.gate
    }

    /// Who is logged in by these `Cookie` headers.
    pub fn user<'h>(&self, cookies: impl IntoIterator<Item = &'h [u8]>) -> Option<User> {
        let user = self.0.sessions.user(cookies)?;
        self.accounts().knows(user.name()).then_some(user)
    }

    /// The page to click through everything.
    #[must_use]
    pub fn home(&self, user: Option<&User>) -> Reply {
        let account = user.and_then(|user| self.accounts().of_user(user.name()));
        page::home(account.as_ref(), self.0.inbox.as_deref())
    }

    /// What a person who is `user` gets to see of `reply`.
    #[must_use]
    pub fn page(&self, reply: Reply, user: Option<&User>) -> Reply {
        page::of(reply, user.map(User::name), self.0.inbox.as_deref())
    }

    /// Opens a session. There is no password: the first factor is not what this shows.
    ///
    /// # Errors
    ///
    /// [`BankError`] if nobody is called that.
    pub fn login(&self, sent: &Sent) -> Result<Reply, BankError> {
        let name = sent.user()?;
        if !self.accounts().knows(&name) {
            return Err(BankError::UnknownUser);
        }
        let user = User::in_new_session(&name).map_err(|_| BankError::NoSession)?;
        let cookie = self.0.sessions.open(&user);
        let reply = if sent.is_form() {
            Reply::empty(303).with("location", "/")
        } else {
            Reply::empty(204)
        };
        Ok(reply.with("set-cookie", cookie))
    }

    /// Ends a session, and what it was elevated to with it.
    ///
    /// # Errors
    ///
    /// [`BankError::StoreUnavailable`]; the session goes on then, so that the user can try again.
    pub async fn logout(&self, user: Option<&User>) -> Result<Reply, BankError> {
        if let Some(user) = user {
            let revoked = self.gate().revoke_session(user.session_id()).await;
            revoked.map_err(store_unavailable)?;
        }
        Ok(Reply::empty(204).with("set-cookie", Sessions::close()).see_other("/"))
    }

    /// Gives the session another id, and takes along what it was elevated to.
    ///
    /// # Errors
    ///
    /// [`BankError`]; the session goes on under the id it has.
    pub async fn rotate(&self, user: &User) -> Result<Reply, BankError> {
        let renewed = User::in_new_session(user.name()).map_err(|_| BankError::NoSession)?;
        let rebound = self.gate().rebind(user.session_id(), &renewed.identity()).await;
        rebound.map_err(store_unavailable)?;
        Ok(Reply::empty(204).with("set-cookie", self.0.sessions.open(&renewed)))
    }

    /// What a change of their password would do, if `user` had one: whatever was proved until now is
    /// proved no more, in any of their sessions.
    ///
    /// # Errors
    ///
    /// [`BankError::StoreUnavailable`]; the password would have to stay as it is.
    pub async fn change_password(&self, user: &User) -> Result<Reply, BankError> {
        let revoked = self.gate().revoke_user_before(user.name(), SystemClock.now()).await;
        revoked.map_err(store_unavailable)?;
        Ok(Reply::empty(204).page("forgotten.html"))
    }

    /// What `user` has.
    ///
    /// # Errors
    ///
    /// [`BankError`] if the account was closed meanwhile; so it is below.
    pub fn balance(&self, user: &User) -> Result<Reply, BankError> {
        let balance = self.accounts().balance(user.name())?;
        Ok(Reply::json(200, &Holding { user: user.name(), balance }).page("balance.html"))
    }

    /// The account statements of `user`.
    #[must_use]
    pub fn statements(&self, user: &User) -> Reply {
        let statement = |month| Statement { user: user.name(), month };
        Reply::json(200, &Statements { statements: MONTHS.map(statement) }).page("statements.html")
    }

    /// What has been done for `user`.
    ///
    /// # Errors
    ///
    /// [`BankError`]
    pub fn transfers(&self, user: &User) -> Result<Reply, BankError> {
        Ok(Reply::json(200, &self.accounts().transfers(user.name())?).page("transfers.html"))
    }

    /// Reads what `user` wants to transfer, and refuses what no proof could make possible: nobody is
    /// asked to approve a mistake.
    ///
    /// # Errors
    ///
    /// [`BankError`]
    pub fn order(&self, user: &User, sent: &Sent) -> Result<Transfer, BankError> {
        let transfer = Transfer::read(sent)?;
        self.accounts().can_send(user.name())?;
        Ok(transfer)
    }

    /// Makes a transfer, which `elevation` allowed if it took one.
    ///
    /// # Errors
    ///
    /// [`BankError`]
    pub fn transfer(
        &self,
        user: &User,
        transfer: Transfer,
        elevation: Option<&Elevation>,
    ) -> Result<Reply, BankError> {
        let proof = elevation.map(Proof::of);
        let receipt = self.accounts().transfer(user.name(), transfer, proof)?;
        Ok(Reply::json(201, &receipt).page("receipt.html"))
    }

    /// All accounts.
    #[must_use]
    pub fn users(&self) -> Reply {
        Reply::json(200, &Users { users: self.accounts().overview() }).page("users.html")
    }

    /// Freezes an account.
    ///
    /// # Errors
    ///
    /// [`BankError`]
    pub fn freeze(&self, sent: &Sent) -> Result<Reply, BankError> {
        let user = sent.user()?;
        self.accounts().freeze(&user)?;
        Ok(Reply::json(200, &Changed { user: &user, state: "frozen" }).page("changed.html"))
    }

    /// Closes an account.
    ///
    /// # Errors
    ///
    /// [`BankError`]
    pub fn close(&self, user: &str) -> Result<Reply, BankError> {
        self.accounts().close(user)?;
        Ok(Reply::json(200, &Changed { user, state: "closed" }).page("changed.html"))
    }

    /// That this node serves.
    #[must_use]
    pub fn health() -> Reply {
        Reply::content(200, "text/plain; charset=utf-8", "ok")
    }

    /// Each change of an account is complete before the lock is given back, even by a panic.
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.0.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` calls")]
fn store_unavailable(error: StoreError) -> BankError {
    tracing::error!(%error, "elevations could not be revoked or moved");
    BankError::StoreUnavailable
}

#[derive(Serialize)]
struct Holding<'a> {
    user: &'a str,
    balance: Balance,
}

#[derive(Serialize)]
struct Statements<'a> {
    statements: [Statement<'a>; 3],
}

#[derive(Serialize)]
struct Statement<'a> {
    user: &'a str,
    month: &'static str,
}

#[derive(Serialize)]
struct Users {
    users: Vec<Overview>,
}

#[derive(Serialize)]
struct Changed<'a> {
    user: &'a str,
    state: &'static str,
}

/// Who can log in.
pub const USERS: [&str; 3] = ["alice", "bob", "carol"];

const MONTHS: [&str; 3] = ["2026-01", "2026-02", "2026-03"];
