use std::fmt;
use std::sync::Arc;

use crate::Method;

/// Who asks: the authentication id of a user and the session they ask in.
///
/// Building one hashes the session identifier; cloning one is cheap. Build it where you authenticate
/// the request and put it into the request's extensions, where both adapters look for it.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    auth_id: Arc<str>,
    session: SessionKey,
    method: Option<Method>,
}

impl Identity {
    /// The user `auth_id`, as the authority knows them, in the session `session_id`.
    ///
    /// `session_id` is whatever names the login session and changes with it: a session cookie's
    /// id, a token's `jti` or the token itself. Only its hash is kept.
    #[must_use]
    pub fn new(auth_id: &str, session_id: &str) -> Self {
        Self::build(auth_id, SessionKey::of(session_id), None)
    }

    /// Tells which method this user has, for an authority that does not.
    #[must_use]
    pub fn with_method(self, method: Method) -> Self {
        Self::build(&self.0.auth_id, self.0.session, Some(method))
    }

    /// The user's authentication id.
    #[must_use]
    pub fn auth_id(&self) -> &str {
        &self.0.auth_id
    }

    /// The hash of the session's identifier.
    #[must_use]
    pub fn session(&self) -> &SessionKey {
        &self.0.session
    }

    /// The method this user is said to have.
    #[must_use]
    pub fn method(&self) -> Option<Method> {
        self.0.method
    }

    pub(crate) fn shared_auth_id(&self) -> Arc<str> {
        Arc::clone(&self.0.auth_id)
    }

    fn build(auth_id: &str, session: SessionKey, method: Option<Method>) -> Self {
        Self(Arc::new(Inner { auth_id: auth_id.into(), session, method }))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("auth_id", &self.0.auth_id).finish_non_exhaustive()
    }
}

/// The hash under which a session's flows and elevations are stored.
///
/// A reader of the store learns no session identifier from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key of the session named `session_id`.
    #[must_use]
    pub fn of(session_id: &str) -> Self {
        Self(blake3::derive_key(CONTEXT, session_id.as_bytes()))
    }

    /// The key with these bytes, as a store has them from [`SessionKey::as_bytes`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

const CONTEXT: &str = "flexsecure 2026 session key v1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_key_is_the_sessions_alone() {
        let bob = Identity::new("bob", "session");
        assert_eq!(bob.session(), &SessionKey::of("session"));
        assert_eq!(bob.session(), Identity::new("eve", "session").session());
        assert_ne!(bob.session(), Identity::new("bob", "other").session());
    }

    #[test]
    fn method_is_added_to_the_same_user_and_session() {
        let bob = Identity::new("bob", "session");
        assert_eq!(bob.method(), None);
        let told = bob.clone().with_method(Method::Pin);
        assert_eq!(told.method(), Some(Method::Pin));
        assert_eq!((told.auth_id(), told.session()), (bob.auth_id(), bob.session()));
    }

    #[test]
    fn session_is_not_printed() {
        let bob = Identity::new("bob", "secret");
        assert_eq!(format!("{bob:?}"), r#"Identity { auth_id: "bob", .. }"#);
        assert_eq!(format!("{:?}", bob.session()), "SessionKey(..)");
    }
}
