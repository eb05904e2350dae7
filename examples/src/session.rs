//! Who is logged in: a signed cookie says so, and no node keeps anything.
//!
//! Nodes that share `BANK_SECRET` serve each other's sessions. The cookie holds the user and a random
//! session id; elevations hang on that id, so logging in anew begins without any, and logging out
//! revokes them. A copy of the cookie outlives the logout, as it does wherever nothing is kept.
//!
//! Behind TLS, add `Secure` and call the cookie `__Host-session`.

use cookie::{Cookie, CookieJar, Key, SameSite};
use flexsecure_core::Identity;

/// A user and the session they are in.
#[derive(Clone)]
pub struct User {
    name: String,
    session_id: String,
}

impl User {
    /// `name`, in a session that nobody has seen yet.
    ///
    /// # Errors
    ///
    /// The operating system has no randomness to give.
    pub fn in_new_session(name: &str) -> Result<Self, getrandom::Error> {
        let session_id = u128::from_be_bytes(random()?);
        Ok(Self { name: name.to_owned(), session_id: format!("{session_id:032x}") })
    }

    /// The login name, which the authority knows as the authentication id.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What names the session; whoever knows it does not know the cookie.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The same, as step-up wants to know it.
    #[must_use]
    pub fn identity(&self) -> Identity {
        Identity::new(&self.name, &self.session_id)
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Writes and reads session cookies.
pub struct Sessions {
    key: Key,
}

impl Sessions {
    /// Sessions signed with what `secret` makes, or with something random.
    #[must_use]
    pub fn new(secret: Option<&str>) -> Self {
        let key = secret.map_or_else(Key::generate, |secret| {
            Key::derive_from(&blake3::derive_key(CONTEXT, secret.as_bytes()))
        });
        Self { key }
    }

    /// The `Set-Cookie` header of the session that `user` is in.
    #[must_use]
    pub fn open(&self, user: &User) -> String {
        self.signed(cookie(format!("{}.{}", user.name, user.session_id)))
    }

    /// The `Set-Cookie` header that ends a session.
    #[must_use]
    pub fn close() -> String {
        let mut cookie = cookie(String::new());
        cookie.make_removal();
        // `Max-Age=0` says it all, and says the same at any time.
        cookie.unset_expires();
        cookie.to_string()
    }

    /// Who is logged in by the first of the `Cookie` headers that holds a session of ours.
    pub fn user<'h>(&self, headers: impl IntoIterator<Item = &'h [u8]>) -> Option<User> {
        headers.into_iter().filter_map(|header| std::str::from_utf8(header).ok()).find_map(
            |header| {
                let mut cookies = Cookie::split_parse(header).filter_map(Result::ok);
                cookies.find_map(|cookie| self.read(cookie))
            },
        )
    }

    fn read(&self, cookie: Cookie<'_>) -> Option<User> {
        if cookie.name() != NAME {
            return None;
        }
        let verified = CookieJar::new().signed(&self.key).verify(cookie.into_owned())?;
        let (name, session_id) = verified.value().rsplit_once('.')?;
        Some(User { name: name.to_owned(), session_id: session_id.to_owned() })
    }

    fn signed(&self, cookie: Cookie<'static>) -> String {
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(cookie);
        jar.get(NAME).map(ToString::to_string).unwrap_or_default()
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions(..)")
    }
}

fn cookie(value: String) -> Cookie<'static> {
    Cookie::build((NAME, value)).path("/").http_only(true).same_site(SameSite::Lax).build()
}

fn random() -> Result<[u8; 16], getrandom::Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

const NAME: &str = "bank_session";

const CONTEXT: &str = "flexsecure 2026 bank example session cookie v1";

#[cfg(test)]
mod tests {
    use super::*;

    fn alice() -> User {
        User::in_new_session("alice").unwrap()
    }

    fn cookie_of(sessions: &Sessions) -> String {
        sessions.open(&alice()).split(';').next().unwrap().to_owned()
    }

    #[test]
    fn nodes_with_the_same_secret_serve_each_others_sessions() {
        let cookie = cookie_of(&Sessions::new(Some("shared")));
        let user = Sessions::new(Some("shared")).user([cookie.as_bytes()]).unwrap();
        assert_eq!((user.name(), user.session_id().len()), ("alice", 32));
        assert!(Sessions::new(Some("another")).user([cookie.as_bytes()]).is_none());
        assert!(Sessions::new(None).user([cookie.as_bytes()]).is_none());
    }

    #[test]
    fn a_forged_cookie_in_front_does_not_hide_the_real_one() {
        let sessions = Sessions::new(None);
        let both = format!("a=b; bank_session=bob.00; {}", cookie_of(&sessions));
        assert_eq!(sessions.user([both.as_bytes()]).unwrap().name(), "alice");
        let changed = cookie_of(&sessions).replace("alice", "carol");
        assert!(sessions.user([changed.as_bytes()]).is_none());
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        let header = Sessions::new(None).open(&alice());
        for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(header.contains(attribute), "{header}");
        }
        assert!(Sessions::close().contains("Max-Age=0"));
    }
}
