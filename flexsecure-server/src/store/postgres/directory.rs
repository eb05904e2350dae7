use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Postgres,
    audit::{record, record_challenges},
    retry::retry,
    row,
};
use crate::{
    DirectoryError, Method, StoreError, UnixMillis,
    directory::{Assignment, Contact, NewUser, Policies, SMS_DAILY_BUDGET, System, User},
    store::{AccountId, DirectoryStore, Entry, Event, PolicyChange},
};

// Names are put in order by their bytes, whatever the language of the database.

#[async_trait]
impl DirectoryStore for Postgres {
    async fn open_account(&self, name: &str, now: UnixMillis) -> Result<AccountId, StoreError> {
        if let Some(account) = self.account(name).await? {
            return Ok(account);
        }
        let mut transaction = self.begin().await?;
        let added = sqlx::query_scalar(
            "INSERT INTO accounts (name, sms_daily_budget, created_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(name)
        .bind(i64::from(SMS_DAILY_BUDGET))
        .bind(now.as_millis())
        .fetch_optional(&mut *transaction)
        .await?
        .map(AccountId);
        let Some(account) = added else {
            // Another one has just made it, and was waited for.
            return self.account(name).await?.ok_or(StoreError::Undone);
        };
        record(&mut transaction, &Entry::new(account, Event::AccountAdded), now).await?;
        transaction.commit().await?;
        Ok(account)
    }

    async fn account(&self, name: &str) -> Result<Option<AccountId>, StoreError> {
        let found = sqlx::query_scalar("SELECT id FROM accounts WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.pool)
            .await?;
        Ok(found.map(AccountId))
    }

    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "UPDATE accounts SET sms_countries = coalesce($1, sms_countries),
                 sms_daily_budget = coalesce($2, sms_daily_budget) WHERE id = $3",
        )
        .bind(countries.map(|countries| countries.join(" ")))
        .bind(daily_budget.map(i64::from))
        .bind(account.0)
        .execute(&mut *transaction)
        .await?;
        record(&mut transaction, &Entry::new(account, Event::SmsLimitsSet), now).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn add_system(
        &self,
        account: AccountId,
        name: &str,
        policies: Policies,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO systems (account_id, name, pin, passwordless, created_at)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(account.0)
        .bind(name)
        .bind(policies.pin)
        .bind(policies.passwordless)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?
        .rows_affected()
            == 1;
        if added {
            let entry = Entry { system: Some(name), ..Entry::new(account, Event::SystemAdded) };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await?;
        Ok(added)
    }

    async fn set_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        retry(|| self.switch_policies(account, name, change, now)).await
    }

    async fn systems(&self, account: AccountId) -> Result<Vec<System>, StoreError> {
        let systems = sqlx::query(
            "SELECT name, pin, passwordless, requires_txn FROM systems
             WHERE account_id = $1 ORDER BY name COLLATE \"C\"",
        )
        .bind(account.0)
        .try_map(|row: PgRow| {
            Ok(System {
                name: row.try_get(0)?,
                policies: Policies::new(row.try_get(1)?, row.try_get(2)?),
                requires_txn: row.try_get(3)?,
            })
        })
        .fetch_all(&self.pool)
        .await?;
        Ok(systems)
    }

    async fn add_user(
        &self,
        account: AccountId,
        user: NewUser,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let added: Option<i64> = sqlx::query_scalar(
            "INSERT INTO users (account_id, auth_id, locale, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING RETURNING id",
        )
        .bind(account.0)
        .bind(&user.auth_id)
        .bind(&user.locale)
        .bind(now.as_millis())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(id) = added else { return Ok(false) };
        let channels: Vec<_> =
            user.contacts.iter().map(|contact| contact.channel.as_str()).collect();
        let addresses: Vec<_> = user.contacts.iter().map(|contact| &*contact.address).collect();
        sqlx::query(
            "INSERT INTO contacts (user_id, position, account_id, channel, address)
             SELECT $1, t.position - 1, $2, t.channel, t.address
             FROM unnest($3, $4) WITH ORDINALITY AS t (channel, address, position)",
        )
        .bind(id)
        .bind(account.0)
        .bind(channels)
        .bind(addresses)
        .execute(&mut *transaction)
        .await?;
        let entry = Entry { auth_id: Some(&user.auth_id), ..Entry::new(account, Event::UserAdded) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn users(&self, account: AccountId) -> Result<Vec<User>, StoreError> {
        self.read_users(account).await
    }

    async fn assign(
        &self,
        account: AccountId,
        auth_id: &str,
        systems: &[&str],
        method: Method,
        now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        retry(|| self.assign_all(account, auth_id, systems, method, now)).await
    }

    async fn set_disabled(
        &self,
        account: AccountId,
        auth_id: &str,
        disabled: bool,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        retry(|| self.switch_user(account, auth_id, disabled, now)).await
    }

    async fn forgive(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(user) = lock_user(&mut transaction, account, auth_id).await? else {
            return Ok(false);
        };
        sqlx::query("DELETE FROM failures WHERE user_id = $1")
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        let entry = Entry { auth_id: Some(auth_id), ..Entry::new(account, Event::Forgiven) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(true)
    }
}

impl Postgres {
    /// The lock is one that a reference waits for: a start is before it, and withdrawn, or after it, and refused.
    async fn switch_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut transaction = self.begin().await?;
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM systems WHERE account_id = $1 AND name = $2 FOR UPDATE",
        )
        .bind(account.0)
        .bind(name)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(system) = found else { return Ok(None) };
        sqlx::query(
            "UPDATE systems SET pin = coalesce($2, pin),
                 passwordless = coalesce($3, passwordless),
                 requires_txn = coalesce($4, requires_txn) WHERE id = $1",
        )
        .bind(system)
        .bind(change.pin)
        .bind(change.passwordless)
        .bind(change.requires_txn)
        .execute(&mut *transaction)
        .await?;
        let withdrawn: Vec<i64> = sqlx::query_scalar(
            "WITH ending AS (
                 SELECT c.id FROM challenges c JOIN systems s ON s.id = c.system_id
                 WHERE s.id = $1 AND c.state IN ('pending', 'authenticated') AND c.expires_at > $2
                   AND NOT CASE c.method WHEN 'pin' THEN s.pin ELSE s.passwordless END
                 ORDER BY c.id FOR NO KEY UPDATE OF c
             )
             UPDATE challenges c SET state = 'withdrawn', ended_at = $2 FROM ending
             WHERE c.id = ending.id RETURNING c.id",
        )
        .bind(system)
        .bind(now.as_millis())
        .fetch_all(&mut *transaction)
        .await?;
        record_challenges(&mut transaction, &withdrawn, Event::Withdrawn, None, now).await?;
        let entry = Entry { system: Some(name), ..Entry::new(account, Event::PoliciesSet) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(Some(withdrawn))
    }

    async fn switch_user(
        &self,
        account: AccountId,
        auth_id: &str,
        disabled: bool,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut transaction = self.begin().await?;
        let Some(user) = lock_user(&mut transaction, account, auth_id).await? else {
            return Ok(None);
        };
        sqlx::query("UPDATE users SET disabled = $1 WHERE id = $2")
            .bind(disabled)
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        let mut withdrawn: Vec<i64> = Vec::new();
        if disabled {
            withdrawn = sqlx::query_scalar(
                "WITH ending AS (
                     SELECT id FROM challenges
                     WHERE user_id = $1 AND state IN ('pending', 'authenticated')
                       AND expires_at > $2
                     ORDER BY id FOR NO KEY UPDATE
                 )
                 UPDATE challenges c SET state = 'withdrawn', ended_at = $2 FROM ending
                 WHERE c.id = ending.id RETURNING c.id",
            )
            .bind(user)
            .bind(now.as_millis())
            .fetch_all(&mut *transaction)
            .await?;
            record_challenges(&mut transaction, &withdrawn, Event::Withdrawn, None, now).await?;
        }
        let event = if disabled { Event::UserDisabled } else { Event::UserEnabled };
        let entry = Entry { auth_id: Some(auth_id), ..Entry::new(account, event) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(Some(withdrawn))
    }

    async fn assign_all(
        &self,
        account: AccountId,
        auth_id: &str,
        systems: &[&str],
        method: Method,
        now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        let mut transaction = self.begin().await?;
        let user = lock_user(&mut transaction, account, auth_id)
            .await?
            .ok_or_else(|| DirectoryError::UnknownUser { auth_id: auth_id.to_owned() })?;
        for &system in systems {
            let (id, policies) = system_and_policies(&mut transaction, account, system)
                .await?
                .ok_or_else(|| DirectoryError::UnknownSystem { system: system.to_owned() })?;
            if !policies.allow(method) {
                return Err(DirectoryError::PolicyOff { system: system.to_owned(), method });
            }
            sqlx::query(
                "INSERT INTO assignments (user_id, system_id, account_id, method)
                 VALUES ($1, $2, $3, $4)
                 ON CONFLICT (user_id, system_id) DO UPDATE SET method = excluded.method",
            )
            .bind(user)
            .bind(id)
            .bind(account.0)
            .bind(method.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
            let entry = Entry {
                system: Some(system),
                auth_id: Some(auth_id),
                ..Entry::new(account, Event::Assigned)
            };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    async fn read_users(&self, account: AccountId) -> Result<Vec<User>, StoreError> {
        // So that all of it is of one moment.
        let mut transaction =
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let mut contacts: HashMap<i64, Vec<Contact>> = HashMap::new();
        let rows = sqlx::query(
            "SELECT user_id, channel, address FROM contacts WHERE account_id = $1
             ORDER BY user_id, position",
        )
        .bind(account.0)
        .fetch_all(&mut *transaction)
        .await?;
        for row in rows {
            let contact = Contact { channel: row::channel(&row, 1)?, address: row.try_get(2)? };
            contacts.entry(row.try_get(0)?).or_default().push(contact);
        }
        let mut assignments: HashMap<i64, Vec<Assignment>> = HashMap::new();
        let rows = sqlx::query(
            "SELECT a.user_id, s.name, a.method FROM assignments a
             JOIN systems s ON s.id = a.system_id WHERE a.account_id = $1
             ORDER BY s.name COLLATE \"C\"",
        )
        .bind(account.0)
        .fetch_all(&mut *transaction)
        .await?;
        for row in rows {
            let assignment = Assignment { system: row.try_get(1)?, method: row::method(&row, 2)? };
            assignments.entry(row.try_get(0)?).or_default().push(assignment);
        }
        let users = sqlx::query(
            "SELECT id, auth_id, locale, disabled FROM users WHERE account_id = $1
             ORDER BY auth_id COLLATE \"C\"",
        )
        .bind(account.0)
        .try_map(|row: PgRow| {
            let id: i64 = row.try_get(0)?;
            Ok(User {
                auth_id: row.try_get(1)?,
                locale: row.try_get(2)?,
                disabled: row.try_get(3)?,
                contacts: contacts.remove(&id).unwrap_or_default(),
                assignments: assignments.remove(&id).unwrap_or_default(),
            })
        })
        .fetch_all(&mut *transaction)
        .await?;
        Ok(users)
    }
}

async fn lock_user(
    connection: &mut PgConnection,
    account: AccountId,
    auth_id: &str,
) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query_scalar(
        "SELECT id FROM users WHERE account_id = $1 AND auth_id = $2 FOR NO KEY UPDATE",
    )
    .bind(account.0)
    .bind(auth_id)
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

async fn system_and_policies(
    connection: &mut PgConnection,
    account: AccountId,
    system: &str,
) -> Result<Option<(i64, Policies)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, pin, passwordless FROM systems WHERE account_id = $1 AND name = $2
         FOR KEY SHARE",
    )
    .bind(account.0)
    .bind(system)
    .try_map(|row: PgRow| Ok((row.try_get(0)?, Policies::new(row.try_get(1)?, row.try_get(2)?))))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}
