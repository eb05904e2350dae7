use axum::Extension;
use axum::extract::{Path, RawQuery, State};
use axum::response::Result;
use flexsecure_tower::{Ask, Refused};

use crate::bank::Bank;
use crate::body::Sent;
use crate::policy::{self, Need};
use crate::reply::Reply;
use crate::session::User;
use crate::{page, probe};

/// What is asked for is known once the body is read, so it is the handler that asks for a proof.
pub(super) async fn transfer(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
    ask: Ask, // step-up
    sent: Sent,
) -> Result<Reply> {
    let transfer = bank.order(&user, &sent)?;
    // The last thing before the deed: this uses the proof up.
    let elevated = match policy::transfer(&transfer) {
        Need::Nothing => None,
        Need::Proof(requirement) => Some(ask.carrying(sent.form()).require(requirement).await?), // step-up
        Need::Denied => return Err(ask.deny().into()), // step-up
    };
    Ok(bank.transfer(&user, transfer, elevated.as_deref())?)
}

/// Looks without asking anybody for anything.
pub(super) async fn probe(
    State(bank): State<Bank>,
    ask: Ask,
    RawQuery(query): RawQuery,
) -> Result<Reply> {
    match probe::need(&query.unwrap_or_default())? {
        Need::Nothing => Ok(probe::open()),
        Need::Proof(requirement) => {
            let reason = bank.gate().probe(ask.identity(), requirement).await; // step-up
            Ok(probe::answer(reason.map_err(Refused::from)?))
        }
        Need::Denied => Err(ask.deny().into()),
    }
}

pub(super) async fn transfers(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
) -> Result<Reply> {
    Ok(bank.transfers(&user)?)
}

pub(super) async fn balance(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
) -> Result<Reply> {
    Ok(bank.balance(&user)?)
}

pub(super) async fn statements(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
) -> Reply {
    bank.statements(&user)
}

pub(super) async fn users(State(bank): State<Bank>) -> Reply {
    bank.users()
}

pub(super) async fn freeze(State(bank): State<Bank>, sent: Sent) -> Result<Reply> {
    Ok(bank.freeze(&sent)?)
}

pub(super) async fn close(State(bank): State<Bank>, Path(user): Path<String>) -> Result<Reply> {
    Ok(bank.close(&user)?)
}

pub(super) async fn home(State(bank): State<Bank>, user: Option<Extension<User>>) -> Reply {
    bank.home(user.as_deref())
}

pub(super) async fn login(State(bank): State<Bank>, sent: Sent) -> Result<Reply> {
    Ok(bank.login(&sent)?)
}

pub(super) async fn logout(
    State(bank): State<Bank>,
    user: Option<Extension<User>>,
) -> Result<Reply> {
    Ok(bank.logout(user.as_deref()).await?)
}

pub(super) async fn rotate(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
) -> Result<Reply> {
    Ok(bank.rotate(&user).await?)
}

pub(super) async fn change_password(
    State(bank): State<Bank>,
    Extension(user): Extension<User>,
) -> Result<Reply> {
    Ok(bank.change_password(&user).await?)
}

pub(super) async fn health() -> Reply {
    Bank::health()
}

pub(super) async fn style() -> Reply {
    page::style()
}

pub(super) async fn script() -> Reply {
    page::script()
}

pub(super) async fn icon() -> Reply {
    page::icon()
}
