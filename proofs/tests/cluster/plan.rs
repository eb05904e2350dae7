//! All that a seed stands for: who wants what, what the authority knows, and what goes wrong.

use std::time::Duration;

use flexsecure_core::authority::Capabilities;
use flexsecure_core::{Identity, Operation, Requirement};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::faults::{self, Fault};

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) knows: Knows,
    pub(crate) users: Vec<User>,
    pub(crate) wishes: Vec<Wish>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) longest_latency: Duration,
}

/// What kind of an authority it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knows {
    /// All of the superset, with checks that are held for so long.
    All { wait: Duration },
    /// The v1 API alone.
    V1 {
        /// Whether it says `authenticated` of an approval once and never again.
        once: bool,
    },
}

#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) has_pin: bool,
    /// How long they take from a message to what they do about it, in milliseconds.
    pub(crate) haste: (u64, u64),
}

/// Something that a user wants to do, in one session and in several tabs at once.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) number: usize,
    pub(crate) user: usize,
    pub(crate) session: usize,
    pub(crate) action: Action,
    pub(crate) tabs: usize,
    pub(crate) begins: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Enter(&'static str),
    /// Good for one request.
    Pay {
        amount: u32,
    },
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut dice = StdRng::seed_from_u64(seed);
        let knows = match dice.random_range(0..10) {
            0..4 => Knows::All { wait: Duration::from_secs(30) },
            4..7 => Knows::All { wait: Duration::ZERO },
            7..9 => Knows::V1 { once: true },
            _ => Knows::V1 { once: false },
        };
        let users: Vec<_> = ["alice", "bob", "carol"]
            .into_iter()
            .map(|name| User {
                name: name.to_owned(),
                has_pin: dice.random_bool(0.4),
                haste: *[(300, 2_000), (1_000, 8_000), (5_000, 20_000)].choose(&mut dice).unwrap(),
            })
            .collect();
        let mut wishes = Vec::new();
        for user in 0..users.len() {
            for _ in 0..dice.random_range(1..=2) {
                let action = match dice.random_range(0..4) {
                    0 => Action::Enter("bank"),
                    1 => Action::Enter("vault"),
                    _ => Action::Pay { amount: dice.random_range(1..=2) },
                };
                wishes.push(Wish {
                    number: wishes.len(),
                    user,
                    session: dice.random_range(0..2),
                    action,
                    tabs: dice.random_range(1..=3),
                    begins: Duration::from_millis(dice.random_range(0..12_000)),
                });
            }
        }
        let longest_latency = Duration::from_millis(*[5, 20, 60].choose(&mut dice).unwrap());
        let faults = faults::draw(&mut dice);
        Self { seed, knows, users, wishes, faults, longest_latency }
    }

    pub(crate) fn identity(&self, wish: &Wish) -> Identity {
        let user = &self.users[wish.user].name;
        Identity::new(user, &format!("session {} of {user}", wish.session))
    }

    /// Randomness of its own for each who needs some.
    pub(crate) fn dice(&self, purpose: &str, number: usize) -> StdRng {
        let text = format!("{} {purpose} {number}", self.seed);
        let folded = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        StdRng::seed_from_u64(folded)
    }

    /// For how long the authority is asked to hold a check at the most.
    pub(crate) fn longest_hold(&self) -> Duration {
        match self.knows {
            Knows::All { wait } => wait.min(Duration::from_secs(25)),
            Knows::V1 { .. } => Duration::ZERO,
        }
    }
}

impl Knows {
    pub(crate) fn capabilities(self) -> Capabilities {
        match self {
            Self::All { wait } => {
                let mut capabilities = Capabilities::FULL;
                capabilities.wait = wait;
                capabilities
            }
            Self::V1 { .. } => Capabilities::V1,
        }
    }

    pub(crate) const fn names_logins(self) -> bool {
        matches!(self, Self::All { .. })
    }
}

impl Action {
    pub(crate) fn requirement(self) -> Requirement {
        match self {
            Self::Enter(system) => Requirement::system(system),
            Self::Pay { amount } => Requirement::system("bank")
                .operation(Operation::new(&format!("Pay {amount}.00 EUR to dave")))
                .single_use(),
        }
    }

    pub(crate) const fn is_single_use(self) -> bool {
        matches!(self, Self::Pay { .. })
    }
}
