//! The scripts, each of which is one atomic verb over keys of one slot.
//!
//! None is declared to be without writes, not even those that only read: a replica would run such a
//! one, and tell of elevations that were revoked. All but those that begin something run on a server
//! that is full, so that what has begun goes on.

use std::sync::LazyLock;

use redis::{Cmd, Script};

/// A script as the server knows it.
pub(crate) struct Source {
    text: &'static str,
    hash: LazyLock<String>,
}

macro_rules! script {
    ($name:ident, $($text:expr),+) => {
        pub(crate) static $name: Source = {
            const TEXT: &str = concat!($($text),+);
            Source { text: TEXT, hash: LazyLock::new(|| Script::new(TEXT).get_hash().to_owned()) }
        };
    };
}

macro_rules! goes_on_when_full {
    ($name:ident, $file:literal) => {
        script!(
            $name,
            "#!lua flags=allow-oom\n",
            include_str!("scripts/prelude.lua"),
            include_str!($file)
        );
    };
}

macro_rules! refuses_when_full {
    ($name:ident, $file:literal) => {
        script!($name, include_str!("scripts/prelude.lua"), include_str!($file));
    };
}

goes_on_when_full!(ADMIT, "scripts/admit.lua");
goes_on_when_full!(CONSUME, "scripts/consume.lua");
goes_on_when_full!(CUTOFF, "scripts/cutoff.lua");
goes_on_when_full!(DROP, "scripts/drop.lua");
goes_on_when_full!(ELEVATIONS, "scripts/elevations.lua");
refuses_when_full!(ENTER, "scripts/enter.lua");
goes_on_when_full!(ENTER_ANYWAY, "scripts/enter.lua");
goes_on_when_full!(FIELD, "scripts/field.lua");
goes_on_when_full!(MEMBERS, "scripts/members.lua");
goes_on_when_full!(MOVE, "scripts/move.lua");
refuses_when_full!(OPEN, "scripts/open.lua");
goes_on_when_full!(RAISE_CUTOFF, "scripts/raise_cutoff.lua");
goes_on_when_full!(RELEASE, "scripts/release.lua");
goes_on_when_full!(SWAP, "scripts/swap.lua");

/// A script with its keys and arguments, which can be sent more than once.
pub(crate) struct Call {
    source: &'static Source,
    keys: Vec<String>,
    arguments: Vec<String>,
}

impl Call {
    pub(crate) fn new(source: &'static Source, keys: impl Into<Vec<String>>) -> Self {
        Self { source, keys: keys.into(), arguments: Vec::new() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "most arguments are made for the call")]
    pub(crate) fn with(mut self, argument: impl ToString) -> Self {
        self.arguments.push(argument.to_string());
        self
    }

    /// The script named by its hash, which a server knows that has seen it before.
    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.source.hash)
    }

    /// The script in full.
    pub(crate) fn in_full(&self) -> Cmd {
        self.command("EVAL", self.source.text)
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}
