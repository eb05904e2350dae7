use crate::{Method, RandomnessError, StoreError};

/// Why the directory did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It has no characters, too many, or some that mislead a reader.
    #[error(
        "an account's name has 1 to 64 characters, without control characters, and is neither . nor .."
    )]
    MalformedAccount,
    /// It is not a dialling prefix.
    #[error("`{prefix}` is not a dialling prefix like +41")]
    MalformedCountry {
        /// What came instead.
        prefix: String,
    },
    /// There are not that many countries.
    #[error(
        "there are more than 300 dialling prefixes: name countries, such as +41, not single areas"
    )]
    TooManyCountries,
    /// It is more than 2,147,483,647.
    #[error("a daily budget is 0 to 2147483647 SMS")]
    BudgetOutOfRange,
    /// It has no characters, too many, or some that mislead a reader.
    #[error(
        "a system's name has 1 to 64 characters, without control characters, and is neither . nor .."
    )]
    MalformedSystem,
    /// It has no characters, too many, or some that mislead a reader.
    #[error(
        "an authid has 1 to 255 characters, without control characters, and is neither . nor .."
    )]
    MalformedAuthId,
    /// It is not one bare address.
    #[error("the e-mail address is not of the form name@example.com")]
    MalformedEmail,
    /// It is not in E.164 form.
    #[error("the number is not of the form +41790000001")]
    MalformedSms,
    /// It has no characters, too many, or some that mislead a reader.
    #[error(
        "the name of an API key has 1 to 64 characters, without control characters, and is neither . nor .."
    )]
    MalformedKeyName,
    /// It is no language tag of RFC 5646.
    #[error("the locale is not a language tag like de or pt-BR")]
    MalformedLocale,
    /// Nobody could be told anything; or there are more than eight.
    #[error("a user needs an e-mail address or an SMS number, and has at most 8 of them")]
    NoAddress,
    /// Twice the same.
    #[error("two contacts of the user are the same")]
    SameAddress,
    /// Set its policies instead of adding it again.
    #[error("there is already a system `{system}`")]
    SystemExists {
        /// Its name.
        system: String,
    },
    /// An `authid` is unique.
    #[error("there is already a user `{auth_id}`")]
    UserExists {
        /// The `authid`.
        auth_id: String,
    },
    /// Live keys have different names; a revoked one's is free again.
    #[error("there is already a live API key `{name}`")]
    KeyExists {
        /// Its name.
        name: String,
    },
    /// It was not added, or is spelled differently.
    #[error("there is no system `{system}`")]
    UnknownSystem {
        /// Its name.
        system: String,
    },
    /// It was not added, or is spelled differently.
    #[error("there is no user `{auth_id}`")]
    UnknownUser {
        /// The `authid`.
        auth_id: String,
    },
    /// Assign it first.
    #[error("user `{auth_id}` has no assignment to system `{system}`")]
    NotAssigned {
        /// The `authid`.
        auth_id: String,
        /// The system.
        system: String,
    },
    /// One method for each system.
    #[error("system `{system}` is assigned twice")]
    SameSystem {
        /// Its name.
        system: String,
    },
    /// It is another account's, was forgotten a day after it ran out, or is spelled differently.
    #[error("there is no challenge `{txn}`")]
    UnknownChallenge {
        /// Which was asked for.
        txn: String,
    },
    /// It was not made: `account create` makes one.
    #[error("there is no account `{account}`: make it with `flexsecure-server account create`")]
    UnknownAccount {
        /// Its name.
        account: String,
    },
    /// It can be used as it is.
    #[error("there is already an account `{account}`")]
    AccountExists {
        /// Its name.
        account: String,
    },
    /// A key that is for nothing is of no use.
    #[error("an API key needs a scope: authenticate, admin:read or admin:write")]
    NoScope,
    /// What administers reaches all systems.
    #[error("only an API key whose one scope is authenticate can be limited to a system")]
    SystemAndAdmin,
    /// It would never be good, or as good as for ever.
    #[error("an API key lives from a minute to ten years")]
    LifeOutOfRange,
    /// It did not come from a page of the same list.
    #[error("the cursor is not one that a page of this list ended with")]
    MalformedCursor,
    /// It was not created, is spelled differently, or is revoked already.
    #[error("there is no live API key `{name}`")]
    UnknownKey {
        /// Its name.
        name: String,
    },
    /// Turn the policy on first.
    #[error("the {method} policy is off on system `{system}`: turn it on before you assign it")]
    PolicyOff {
        /// The system.
        system: String,
        /// The method that it does not allow.
        method: Method,
    },
    /// The disk is full, another process holds the database too long, or it is damaged.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There was nothing to make a key of.
    #[error(transparent)]
    Randomness(#[from] RandomnessError),
}
