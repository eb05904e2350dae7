use flexsecure_core::{SessionKey, Timestamp};
use tokio::time::Instant;

use super::Verbs;
use crate::fault::Fault;
use crate::kept;
use crate::names;
use crate::scripts::{self, Call, Source};

impl Verbs {
    pub(crate) async fn revoke_session(&self, session: &SessionKey) -> Result<(), Fault> {
        let limit = self.limit();
        let call = Call::new(&scripts::MEMBERS, [self.names.session(session)]);
        for user in kept::texts(self.call(&call, limit).await?)? {
            self.drop_of(&user, Some(session), None, "all", limit).await?;
        }
        Ok(())
    }

    /// In all sessions; if a time is given, only what is from before.
    pub(crate) async fn revoke_user(
        &self,
        auth_id: &str,
        before: Option<Timestamp>,
    ) -> Result<(), Fault> {
        self.drop_of(&names::user(auth_id), None, before, "all", self.limit()).await
    }

    pub(crate) async fn revoke_everybody(&self, before: Timestamp) -> Result<(), Fault> {
        let call = Call::new(&scripts::RAISE_CUTOFF, [self.names.cutoff()])
            .with(before.as_millis().min(super::flows::LARGEST_EXACT))
            .with(self.names.news());
        let outcome = self.carry_out(&call, self.limit()).await;
        if let Some(copies) = &self.watched.copies {
            copies.clear();
        }
        outcome
    }

    /// What other users have in either session goes first: if that fails, nothing has moved, and if
    /// the move fails, nothing of theirs is left to whoever comes next.
    pub(crate) async fn rebind(
        &self,
        from: &SessionKey,
        to: &SessionKey,
        auth_id: &str,
    ) -> Result<(), Fault> {
        let limit = self.limit();
        let user = names::user(auth_id);
        for session in [from, to] {
            for other in self.enter(&scripts::ENTER_ANYWAY, session, &user, limit).await? {
                self.drop_of(&other, Some(session), None, "all", limit).await?;
            }
        }
        let call = Call::new(&scripts::MOVE, self.names.of_user(&user))
            .with(names::hexadecimal(from.as_bytes()))
            .with(names::hexadecimal(to.as_bytes()))
            .with(self.names.news());
        let outcome = self.carry_out(&call, limit).await;
        self.forget(&user);
        outcome
    }

    /// Notes that `user` is about to have something in `session`, before they have, so that whoever
    /// revokes the session finds it; and tells which others may.
    pub(super) async fn enter(
        &self,
        script: &'static Source,
        session: &SessionKey,
        user: &str,
        limit: Instant,
    ) -> Result<Vec<String>, Fault> {
        let call = Call::new(script, [self.names.session(session)]).with(user);
        let mut others = kept::texts(self.call(&call, limit).await?)?;
        others.retain(|other| other != user);
        Ok(others)
    }

    pub(super) async fn drop_of(
        &self,
        user: &str,
        session: Option<&SessionKey>,
        before: Option<Timestamp>,
        what: &'static str,
        limit: Instant,
    ) -> Result<(), Fault> {
        let session = session.map(|session| names::hexadecimal(session.as_bytes()));
        let before = before.map(|before| before.as_millis().to_string());
        let call = Call::new(&scripts::DROP, self.names.of_user(user))
            .with(session.unwrap_or_default())
            .with(before.unwrap_or_default())
            .with(what)
            .with(self.names.news());
        let outcome = self.carry_out(&call, limit).await;
        self.forget(user);
        outcome
    }
}
