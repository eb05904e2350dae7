use super::{
    Assignment, Change, Directory, DirectoryError, Fault, NewUser, Page, User, UserEdit,
    UserFilter, cursor,
    plan::{assignments_fault, pointer_to},
};
use crate::{Method, store::Selection};

impl Directory {
    /// Adds a user.
    ///
    /// # Errors
    /// The `authid` or an address is malformed, there is no address, a system is unknown, or the `authid` is taken.
    pub async fn add_user(&self, user: NewUser) -> Result<(), DirectoryError> {
        self.store_user(user, true).await.map(|_| ()).map_err(|fault| fault.error)
    }

    /// Adds a user, or makes the one with that `authid` as this one is: his contacts and locale are replaced, the rest
    /// is if it is said.
    ///
    /// # Errors
    /// The `authid` or an address is malformed, there is no address, a system is unknown, or the policy of a method is
    /// off.
    pub async fn put_user(&self, user: NewUser) -> Result<Change, DirectoryError> {
        self.store_user(user, false).await.map_err(|fault| fault.error)
    }

    /// Says where in `user` something is wrong.
    pub(crate) async fn store_user(&self, user: NewUser, only_new: bool) -> Result<Change, Fault> {
        if let Some(fault) = user.fault() {
            return Err(fault);
        }
        let fault = |error| Fault { pointer: String::new(), error };
        let user_again = user.clone();
        let now = self.clock.now();
        let put = self
            .store
            .put_users(self.account, vec![user], only_new, now)
            .await
            .map_err(|error| fault(error.into()))?;
        match put.into_iter().next() {
            Some(Ok(put)) => Ok(self.done(&put).await),
            Some(Err(error)) => {
                let pointer = user_again.pointer_to(&error).unwrap_or_default();
                Err(Fault { pointer, error })
            }
            None => Err(fault(crate::StoreError::Undone.into())),
        }
    }

    /// Deletes a user with all that is about him; the audit trail stays.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn delete_user(&self, auth_id: &str) -> Result<(), DirectoryError> {
        let withdrawn = self
            .store
            .delete_user(self.account, auth_id, self.clock.now())
            .await?
            .ok_or_else(|| unknown_user(auth_id))?;
        self.wake(&withdrawn).await;
        Ok(())
    }

    /// The user with that `authid`.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn user(&self, auth_id: &str) -> Result<User, DirectoryError> {
        let found = self.store.find_users(self.account, &[auth_id]).await?;
        found.into_iter().next().ok_or_else(|| unknown_user(auth_id))
    }

    /// All users, by `authid`.
    ///
    /// # Errors
    /// The database fails.
    pub async fn users(&self) -> Result<Vec<User>, DirectoryError> {
        let selection = selection(&UserFilter::default(), String::new(), usize::MAX);
        Ok(self.store.users(self.account, &selection).await?)
    }

    /// At most `limit` users, by `authid`.
    ///
    /// # Errors
    /// `cursor` is not the [`next`](Page::next) of another page.
    pub async fn users_page(
        &self,
        filter: &UserFilter,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page<User>, DirectoryError> {
        let after = cursor.map(cursor::parse).transpose()?.unwrap_or_default();
        // Nobody is called so, and not every database can be asked for it.
        if filter.prefix.contains('\0') {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let selection = selection(filter, after, limit.saturating_add(1));
        let users = self.store.users(self.account, &selection).await?;
        Ok(cursor::page(users, limit, |user| user.auth_id.clone()))
    }

    /// Gives a user systems, all or none, each with this method; what was assigned before is replaced.
    ///
    /// It counts from the next start on: a challenge that is out keeps its method.
    ///
    /// # Errors
    /// The user or a system is unknown, or the method's policy is off on a system.
    pub async fn assign(
        &self,
        auth_id: &str,
        systems: &[&str],
        method: Method,
    ) -> Result<(), DirectoryError> {
        let systems = systems.iter().map(|&system| system.to_owned()).collect();
        self.edit(auth_id, UserEdit::Assign { systems, method }).await.map(|_| ())
    }

    /// Takes a system from a user, and withdraws what waits for him there.
    ///
    /// # Errors
    /// The user is unknown, or has no such assignment.
    pub async fn unassign(&self, auth_id: &str, system: &str) -> Result<(), DirectoryError> {
        let edit = UserEdit::Unassign { system: system.to_owned() };
        self.edit(auth_id, edit).await.map(|_| ())
    }

    /// Gives a user exactly these assignments, all or none.
    ///
    /// # Errors
    /// As for [`Self::assign`]; or a system is named twice.
    pub async fn set_assignments(
        &self,
        auth_id: &str,
        assignments: Vec<Assignment>,
    ) -> Result<Change, DirectoryError> {
        self.store_assignments(auth_id, assignments).await.map_err(|fault| fault.error)
    }

    /// Says where in `assignments` something is wrong.
    pub(crate) async fn store_assignments(
        &self,
        auth_id: &str,
        assignments: Vec<Assignment>,
    ) -> Result<Change, Fault> {
        if let Some(fault) = assignments_fault(&assignments) {
            return Err(fault);
        }
        let edit = UserEdit::Assignments(assignments.clone());
        self.edit(auth_id, edit).await.map_err(|error| {
            let pointer = pointer_to(&assignments, &error).unwrap_or_default();
            Fault { pointer, error }
        })
    }

    /// Refuses a user from now on, and withdraws what waits for him.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn disable(&self, auth_id: &str) -> Result<(), DirectoryError> {
        self.edit(auth_id, UserEdit::Disabled(true)).await.map(|_| ())
    }

    /// Lets a disabled user be asked again.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn enable(&self, auth_id: &str) -> Result<(), DirectoryError> {
        self.edit(auth_id, UserEdit::Disabled(false)).await.map(|_| ())
    }

    /// Forgets the wrong answers of a user: a method that they had disabled is enabled again.
    ///
    /// # Errors
    /// The user is unknown.
    pub async fn forgive(&self, auth_id: &str) -> Result<(), DirectoryError> {
        if self.store.forgive(self.account, auth_id, self.clock.now()).await? {
            Ok(())
        } else {
            Err(unknown_user(auth_id))
        }
    }

    async fn edit(&self, auth_id: &str, edit: UserEdit) -> Result<Change, DirectoryError> {
        let put = self.store.edit_user(self.account, auth_id, edit, self.clock.now()).await?;
        Ok(self.done(&put).await)
    }
}

fn unknown_user(auth_id: &str) -> DirectoryError {
    DirectoryError::UnknownUser { auth_id: auth_id.to_owned() }
}

fn selection(filter: &UserFilter, after: String, limit: usize) -> Selection {
    Selection {
        after,
        from: filter.prefix.clone(),
        until: end_of(&filter.prefix),
        disabled: filter.disabled,
        limit,
    }
}

/// The least text that is greater than all that begin with `prefix`; `None` if there is none. UTF-8 compares as its
/// characters do.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        let next = (last..=char::MAX).nth(1);
        if let Some(next) = next {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_the_next_begins() {
        for (prefix, end) in [
            ("", None),
            ("a", Some("b")),
            ("a\u{d7ff}", Some("a\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ] {
            assert_eq!(end_of(prefix).as_deref(), end, "{prefix:?}");
        }
    }
}
