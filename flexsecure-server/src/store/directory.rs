use sqlx::{Row, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};

use super::{
    Event, Store,
    audit::{Subject, record, record_challenge},
};
use crate::{
    DirectoryError, Method, StoreError, UnixMillis,
    directory::{Assignment, NewUser, Policies, System, User},
};

/// Policies to switch; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PolicyChange {
    pub(crate) pin: Option<bool>,
    pub(crate) passwordless: Option<bool>,
}

impl Store {
    /// False if there is one of that name.
    pub(crate) async fn add_system(
        &self,
        name: &str,
        policies: Policies,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO systems (name, pin, passwordless, created_at) VALUES (?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(name)
        .bind(policies.pin)
        .bind(policies.passwordless)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if added {
            let subject = Subject { system: Some(name), ..Subject::default() };
            record(&mut tx, now, Event::SystemAdded, subject).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    /// The challenges that ended with it; `None` if there is no such system.
    pub(crate) async fn set_policies(
        &self,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut tx = self.begin().await?;
        let updated: Option<i64> = sqlx::query_scalar(
            "UPDATE systems SET pin = coalesce(?, pin), passwordless = coalesce(?, passwordless)
             WHERE name = ? RETURNING id",
        )
        .bind(change.pin)
        .bind(change.passwordless)
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
        let Some(system) = updated else { return Ok(None) };
        let withdrawn = sqlx::query_scalar(
            "UPDATE challenges SET state = 'withdrawn'
             WHERE system_id = ?1 AND state IN ('pending', 'authenticated') AND expires_at > ?2
               AND NOT (SELECT CASE method WHEN 'pin' THEN s.pin ELSE s.passwordless END
                        FROM systems s WHERE s.id = ?1)
             RETURNING id",
        )
        .bind(system)
        .bind(now.as_millis())
        .fetch_all(&mut *tx)
        .await?;
        record_withdrawn(&mut tx, now, &withdrawn).await?;
        let subject = Subject { system: Some(name), ..Subject::default() };
        record(&mut tx, now, Event::PoliciesSet, subject).await?;
        tx.commit().await?;
        Ok(Some(withdrawn))
    }

    pub(crate) async fn systems(&self) -> Result<Vec<System>, StoreError> {
        let systems = sqlx::query("SELECT name, pin, passwordless FROM systems ORDER BY name")
            .try_map(|row: SqliteRow| {
                Ok(System {
                    name: row.try_get("name")?,
                    policies: Policies::new(row.try_get("pin")?, row.try_get("passwordless")?),
                })
            })
            .fetch_all(&self.readers)
            .await?;
        Ok(systems)
    }

    /// False if there is one of that `authid`.
    pub(crate) async fn add_user(
        &self,
        user: &NewUser,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO users (auth_id, email, sms, created_at) VALUES (?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(&user.auth_id)
        .bind(&user.email)
        .bind(&user.sms)
        .bind(now.as_millis())
        .execute(&mut *tx)
        .await?
        .rows_affected()
            == 1;
        if added {
            let subject = Subject { auth_id: Some(&user.auth_id), ..Subject::default() };
            record(&mut tx, now, Event::UserAdded, subject).await?;
        }
        tx.commit().await?;
        Ok(added)
    }

    pub(crate) async fn users(&self) -> Result<Vec<User>, StoreError> {
        let mut tx = self.readers.begin().await?;
        let mut users =
            sqlx::query("SELECT auth_id, email, sms, disabled FROM users ORDER BY auth_id")
                .try_map(|row: SqliteRow| {
                    Ok(User {
                        auth_id: row.try_get("auth_id")?,
                        email: row.try_get("email")?,
                        sms: row.try_get("sms")?,
                        disabled: row.try_get("disabled")?,
                        assignments: Vec::new(),
                    })
                })
                .fetch_all(&mut *tx)
                .await?;
        let assignments = sqlx::query(
            "SELECT u.auth_id, s.name, a.method
             FROM assignments a JOIN users u ON u.id = a.user_id JOIN systems s ON s.id = a.system_id
             ORDER BY u.auth_id, s.name",
        )
        .try_map(|row: SqliteRow| {
            let assignment = Assignment { system: row.try_get("name")?, method: method(&row)? };
            Ok((row.try_get::<String, _>("auth_id")?, assignment))
        })
        .fetch_all(&mut *tx)
        .await?;
        for (auth_id, assignment) in assignments {
            let found = users.binary_search_by(|user| user.auth_id.cmp(&auth_id));
            if let Some(user) = found.ok().and_then(|at| users.get_mut(at)) {
                user.assignments.push(assignment);
            }
        }
        Ok(users)
    }

    /// All of the systems, or none.
    pub(crate) async fn assign(
        &self,
        auth_id: &str,
        systems: &[&str],
        method: Method,
        now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        let mut tx = self.begin().await?;
        let user: i64 = sqlx::query_scalar("SELECT id FROM users WHERE auth_id = ?")
            .bind(auth_id)
            .fetch_optional(&mut *tx)
            .await
            .map_err(StoreError::from)?
            .ok_or_else(|| DirectoryError::UnknownUser { auth_id: auth_id.to_owned() })?;
        for &system in systems {
            assign_one(&mut tx, user, system, method).await?;
            let subject = Subject { system: Some(system), auth_id: Some(auth_id), api_key: None };
            record(&mut tx, now, Event::Assigned, subject).await?;
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// The challenges that ended with it; `None` if there is no such user.
    pub(crate) async fn set_disabled(
        &self,
        auth_id: &str,
        disabled: bool,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut tx = self.begin().await?;
        let user: Option<i64> =
            sqlx::query_scalar("UPDATE users SET disabled = ? WHERE auth_id = ? RETURNING id")
                .bind(disabled)
                .bind(auth_id)
                .fetch_optional(&mut *tx)
                .await?;
        let Some(user) = user else { return Ok(None) };
        let mut withdrawn = Vec::new();
        if disabled {
            withdrawn = sqlx::query_scalar(
                "UPDATE challenges SET state = 'withdrawn'
                 WHERE user_id = ? AND state IN ('pending', 'authenticated') AND expires_at > ?
                 RETURNING id",
            )
            .bind(user)
            .bind(now.as_millis())
            .fetch_all(&mut *tx)
            .await?;
            record_withdrawn(&mut tx, now, &withdrawn).await?;
        }
        let event = if disabled { Event::UserDisabled } else { Event::UserEnabled };
        let subject = Subject { auth_id: Some(auth_id), ..Subject::default() };
        record(&mut tx, now, event, subject).await?;
        tx.commit().await?;
        Ok(Some(withdrawn))
    }
}

async fn assign_one(
    tx: &mut Transaction<'static, Sqlite>,
    user: i64,
    system: &str,
    method: Method,
) -> Result<(), DirectoryError> {
    let found = sqlx::query("SELECT id, pin, passwordless FROM systems WHERE name = ?")
        .bind(system)
        .try_map(|row: SqliteRow| {
            let policies = Policies::new(row.try_get("pin")?, row.try_get("passwordless")?);
            Ok((row.try_get::<i64, _>("id")?, policies))
        })
        .fetch_optional(&mut **tx)
        .await
        .map_err(StoreError::from)?;
    let Some((id, policies)) = found else {
        return Err(DirectoryError::UnknownSystem { system: system.to_owned() });
    };
    if !policies.allow(method) {
        return Err(DirectoryError::PolicyOff { system: system.to_owned(), method });
    }
    sqlx::query(
        "INSERT INTO assignments (user_id, system_id, method) VALUES (?, ?, ?)
         ON CONFLICT DO UPDATE SET method = excluded.method",
    )
    .bind(user)
    .bind(id)
    .bind(method.as_str())
    .execute(&mut **tx)
    .await
    .map_err(StoreError::from)?;
    Ok(())
}

async fn record_withdrawn(
    connection: &mut SqliteConnection,
    now: UnixMillis,
    withdrawn: &[i64],
) -> Result<(), StoreError> {
    for &challenge in withdrawn {
        record_challenge(connection, now, Event::Withdrawn, challenge).await?;
    }
    Ok(())
}

pub(super) fn method(row: &SqliteRow) -> Result<Method, sqlx::Error> {
    let text: &str = row.try_get("method")?;
    text.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
