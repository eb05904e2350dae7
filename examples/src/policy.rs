//! What each route takes: the one place to read, or to change, how strongly the bank is protected.

use std::time::Duration;

use flexsecure_core::policy::{Decision, Facts};
use flexsecure_core::{Operation, Requirement};

use crate::bank::{Amount, Transfer};
use crate::reply::BankError;

/// What a request has to bring beyond a login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "nothing, something, or whatever it is won't do")]
pub enum Need {
    /// Nothing.
    Nothing,
    /// A proof.
    Proof(Requirement),
    /// No proof would do.
    Denied,
}

/// Account statements: a proof of the last five minutes.
pub fn statements() -> Requirement {
    Requirement::system("bank").within(Duration::from_secs(5 * 60))
}

/// All of `/admin`: a proof by PIN, of the last minute.
pub fn admin() -> Requirement {
    Requirement::system("bank-admin").pin().within(Duration::from_secs(60))
}

/// A transfer: nothing while it is small, then a proof for just this one, and too much is too much.
#[must_use]
pub fn transfer(transfer: &Transfer) -> Need {
    let Transfer { to, amount } = transfer;
    if *amount < Amount::units(100) {
        return Need::Nothing;
    }
    if *amount > Amount::units(10_000) {
        return Need::Denied;
    }
    let shown = format!("Transfer {amount} EUR to {to}");
    let operation = Operation::new(&shown).field("to", to).field("amount", amount.to_string());
    Need::Proof(Requirement::system("bank-transfers").single_use().operation(operation))
}

/// The policy of routes that take a login and no more.
pub fn logged_in(_: &Facts<'_>) -> Decision<'static> {
    Decision::Allow
}

/// What `method path` takes; `order` gives the transfer, should it be one.
///
/// The routes of the apps ask the functions above; this is for those who want to know beforehand.
///
/// # Errors
///
/// [`BankError::NotFound`] if the bank has no such path, or what `order` fails with.
pub fn of(
    method: &str,
    path: &str,
    order: impl FnOnce() -> Result<Transfer, BankError>,
) -> Result<Need, BankError> {
    match path {
        "/" | "/login" | "/logout" | "/balance" | "/probe" | "/healthz" => Ok(Need::Nothing),
        "/bank.css" | "/bank.js" | "/bank.svg" => Ok(Need::Nothing),
        "/statements" => Ok(Need::Proof(statements())),
        "/transfers" if method == "POST" => order().map(|order| transfer(&order)),
        "/transfers" => Ok(Need::Nothing),
        "/admin/users" | "/admin/freeze" => Ok(Need::Proof(admin())),
        _ => match path.strip_prefix("/admin/users/") {
            Some(user) if !user.is_empty() && !user.contains('/') => Ok(Need::Proof(admin())),
            _ => Err(BankError::NotFound),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(amount: &str) -> Need {
        transfer(&Transfer::new("bob", amount.parse().unwrap()).unwrap())
    }

    #[test]
    fn the_limits_are_where_they_are_said_to_be() {
        assert_eq!(order("99.99"), Need::Nothing);
        assert!(matches!(order("100"), Need::Proof(_)));
        assert!(matches!(order("10000.00"), Need::Proof(_)));
        assert_eq!(order("10000.01"), Need::Denied);
    }

    #[test]
    fn a_proof_is_for_one_payee_and_one_amount() {
        let Need::Proof(requirement) = order("250") else { panic!("it takes a proof") };
        let shown = requirement.scope().operation().map(|operation| operation.text().to_owned());
        assert_eq!(shown.as_deref(), Some("Transfer 250.00 EUR to bob"));
        assert!(requirement.scope().single_use());
        assert_eq!(order("250.00"), Need::Proof(requirement));
        assert_ne!(order("250"), order("251"));
    }
}
