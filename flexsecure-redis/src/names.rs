use flexsecure_core::{Scope, SessionKey};

/// What the keys are called.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: String,
}

impl Names {
    pub(crate) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The keys of a user: their flows, then their elevations, in one slot of a cluster.
    pub(crate) fn of_user(&self, user: &str) -> [String; 2] {
        [self.flows(user), self.elevations(user)]
    }

    pub(crate) fn flows(&self, user: &str) -> String {
        format!("{}:flows:{{{user}}}", self.namespace)
    }

    pub(crate) fn elevations(&self, user: &str) -> String {
        format!("{}:elevations:{{{user}}}", self.namespace)
    }

    /// Who has anything in a session.
    pub(crate) fn session(&self, session: &SessionKey) -> String {
        format!("{}:sessions:{{{}}}", self.namespace, hexadecimal(session.as_bytes()))
    }

    /// Before what time everybody is revoked.
    pub(crate) fn cutoff(&self) -> String {
        format!("{}:revoked", self.namespace)
    }

    /// What the keys begin with whose changes make copies wrong.
    pub(crate) fn tracked(&self) -> [String; 2] {
        [format!("{}:elevations:", self.namespace), self.cutoff()]
    }

    /// The user whose elevations this key has, if it is such a one.
    pub(crate) fn user_of_elevations<'k>(&self, key: &'k str) -> Option<&'k str> {
        let rest = key.strip_prefix(&self.namespace)?.strip_prefix(":elevations:{")?;
        rest.strip_suffix('}')
    }

    pub(crate) fn news(&self) -> String {
        format!("{}:news", self.namespace)
    }
}

/// The name of a user in keys, which tells a reader of the keys nothing.
pub(crate) fn user(auth_id: &str) -> String {
    short_hash(USER_CONTEXT, auth_id)
}

/// The name of a system in claims, which can be any text.
pub(crate) fn system(name: &str) -> String {
    short_hash(SYSTEM_CONTEXT, name)
}

/// The same for two scopes that are equal, and for no others.
pub(crate) fn scope(scope: &Scope) -> String {
    let mut hasher = blake3::Hasher::new_derive_key(SCOPE_CONTEXT);
    hasher.update(&[u8::from(scope.single_use()), u8::from(scope.operation().is_some())]);
    if let Some(operation) = scope.operation() {
        hasher.update(operation.digest());
    }
    hasher.update(scope.system().as_bytes());
    hasher.finalize().to_hex().to_string()
}

fn short_hash(context: &str, text: &str) -> String {
    let mut hash = [0; 16];
    blake3::Hasher::new_derive_key(context).update(text.as_bytes()).finalize_xof().fill(&mut hash);
    hexadecimal(&hash)
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit =
        |nibble: u8| DIGITS.get(usize::from(nibble)).map_or('0', |digit| char::from(*digit));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes that [`hexadecimal`] wrote.
pub(crate) fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    if digits.len() != N.checked_mul(2)? {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

const USER_CONTEXT: &str = "flexsecure 2026 redis user v1";

const SYSTEM_CONTEXT: &str = "flexsecure 2026 redis system v1";

const SCOPE_CONTEXT: &str = "flexsecure 2026 redis scope v1";
