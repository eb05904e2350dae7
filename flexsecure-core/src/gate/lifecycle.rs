//! What an app tells the gate of its sessions: that one ended, or goes on under another id, or that
//! something is not to be trusted any more.

use super::Gate;
use crate::audit::{Kind, Revocation, SessionTag};
use crate::store::{Binding, StoreError};
use crate::{Identity, SessionKey, Timestamp};

impl Gate {
    /// Forgets what the session named `session_id` holds, flows included: call it at logout.
    ///
    /// Requests that wait for one of those flows are refused at once; those on other nodes as soon as
    /// their [store tells](crate::Store::listen) of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; the session may then still hold all of it.
    pub async fn revoke_session(&self, session_id: &str) -> Result<(), StoreError> {
        let session = SessionKey::of(session_id);
        self.0.store.revoke_session(&session).await?;
        let event = self.0.event(Kind::Revoked(Revocation::Session));
        self.0.audit.record(&event.in_session(&session));
        self.0.hub.announce_to(|binding| binding.session == session);
        Ok(())
    }

    /// Forgets what the user `auth_id` holds, in every session: call it when their credentials
    /// change, or their account is closed. Who waits is told as by [`Gate::revoke_session`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; the user may then still hold all of it.
    pub async fn revoke_user(&self, auth_id: &str) -> Result<(), StoreError> {
        self.0.store.revoke_user(auth_id).await?;
        let event = self.0.event(Kind::Revoked(Revocation::User));
        self.0.audit.record(&event.of_user(auth_id));
        self.0.hub.announce_to(|binding| *binding.auth_id == *auth_id);
        Ok(())
    }

    /// Forgets what the user `auth_id` proved before `before` and the flows opened before it: call
    /// it when their device was lost or their mailbox in other hands until then.
    ///
    /// What they proved later stays. The clocks of your nodes may differ: rather take a time a few
    /// seconds too late. Who waits is told as by [`Gate::revoke_session`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; the user may then still hold all of it.
    pub async fn revoke_user_before(
        &self,
        auth_id: &str,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.0.store.revoke_before(Some(auth_id), before).await?;
        let event = self.0.event(Kind::Revoked(Revocation::UserBefore(before)));
        self.0.audit.record(&event.of_user(auth_id));
        self.0.hub.announce_to(|binding| *binding.auth_id == *auth_id);
        Ok(())
    }

    /// The same for everybody: call it after an incident, such as a leak of session ids or an
    /// authority that approved what it should not have.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; some may then still hold all of it.
    pub async fn revoke_all_before(&self, before: Timestamp) -> Result<(), StoreError> {
        self.0.store.revoke_before(None, before).await?;
        self.0.audit.record(&self.0.event(Kind::Revoked(Revocation::AllBefore(before))));
        self.0.hub.announce_to(|_| true);
        Ok(())
    }

    /// Moves what the user of `to` holds in the session named `from_session_id` to the session of
    /// `to`, flows included: call it where your app gives a session another id and goes on with the
    /// same user, before the new id reaches the client.
    ///
    /// Nothing is left under the old id, and of another user's under the new one. A flow goes on
    /// under its name: the client finds it with its new session, an approval that is under way
    /// arrives there, and to the old session it does not exist. A request that is held in the old
    /// session is refused; the client repeats it in the new one.
    ///
    /// Where a login begins or the user changes, do not move anything: call
    /// [`Gate::revoke_session`]. What somebody proved before they logged in, or as somebody else, is
    /// no proof after.
    ///
    /// ```
    /// # use flexsecure_core::{Gate, Identity, store::StoreError};
    /// struct Session {
    ///     id: String,
    ///     user: String,
    /// }
    ///
    /// /// The same session under an id that nobody has seen yet.
    /// async fn rotate(gate: &Gate, session: Session, new_id: String) -> Result<Session, StoreError> {
    ///     gate.rebind(&session.id, &Identity::new(&session.user, &new_id)).await?;
    ///     Ok(Session { id: new_id, ..session })
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails. Keep the old id then, or revoke it: what the session holds
    /// is under one of the two or neither, never under both.
    pub async fn rebind(&self, from_session_id: &str, to: &Identity) -> Result<(), StoreError> {
        let from = SessionKey::of(from_session_id);
        self.0.store.rebind(&from, to.session(), to.auth_id()).await?;
        let event = self.0.event(Kind::Rebound { from: SessionTag::of(&from) });
        self.0.audit.record(&event.of(Some(to)));
        let is_planted = |binding: &Binding| {
            binding.session == *to.session() && *binding.auth_id != *to.auth_id()
        };
        self.0.hub.announce_to(|binding| binding.session == from || is_planted(binding));
        Ok(())
    }

    /// How many flows of the user `auth_id` were declined, refused by the authority, or ended by
    /// too many wrong PINs at `since` or later: for policies that ask for more where somebody seems
    /// to try.
    ///
    /// It counts up to [64](crate::store::REFUSALS), within the
    /// [last hour](crate::store::REFUSALS_WINDOW).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; take that for many.
    pub async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, StoreError> {
        self.0.store.refusals(auth_id, since).await
    }
}
