use std::sync::Arc;

use flexsecure_core::policy::{Decision, Facts, OperationTemplate, Policy, Rules, all_of};
use flexsecure_core::{Operation, Requirement};

/// What a door takes.
#[derive(Clone)]
pub(crate) struct Lock(Arc<dyn Policy>);

impl Lock {
    fn new(policy: impl Policy) -> Self {
        Self(Arc::new(policy))
    }
}

impl Policy for Lock {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        self.0.decide(facts)
    }

    fn fixed(&self) -> Option<&Requirement> {
        self.0.fixed()
    }
}

/// What an order from an account takes: a proof for just this one.
#[expect(clippy::expect_used, reason = "a text that names other fields than it binds is a slip")]
pub(crate) fn order() -> impl Policy {
    let order = OperationTemplate::text("Transfer {amount} EUR from {account} to {to}");
    let order = order.path(["account"]).fields(["amount", "to"]).build();
    bank().single_use().operation_from(order.expect("a text of its fields"))
}

/// The doors below `/doors/`, by name.
pub(crate) fn all() -> [(&'static str, Lock); 13] {
    let pay = |amount: &str| {
        let operation = Operation::new(&format!("Pay {amount}")).field("amount", amount);
        bank().operation(operation)
    };
    [
        ("bank", Lock::new(bank())),
        ("admin", Lock::new(Requirement::system("bank-admin"))),
        ("account", Lock::new(Requirement::system("account"))),
        ("vault", Lock::new(Requirement::system("vault"))),
        ("pay-1", Lock::new(pay("1"))),
        ("pay-2", Lock::new(pay("2"))),
        ("once", Lock::new(bank().single_use())),
        ("pay-once", Lock::new(pay("1").single_use())),
        ("brief", Lock::new(bank().within(Requirement::SHORTEST_MAX_AGE))),
        ("pin", Lock::new(bank().pin())),
        ("link", Lock::new(bank().passwordless())),
        ("rules", Lock::new(Rules::floor(bank()).raise("a PIN", bank().pin()))),
        ("both", Lock::new(all_of([bank(), Requirement::system("account")]))),
    ]
}

/// What most doors take.
pub(crate) fn bank() -> Requirement {
    Requirement::system("bank")
}
