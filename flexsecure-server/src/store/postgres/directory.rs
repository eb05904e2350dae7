use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Postgres,
    audit::{record, record_challenges},
    retry::retry,
    row, users,
};
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{Account, Change, NewUser, Policies, SMS_DAILY_BUDGET, System, User, UserEdit},
    store::{AccountId, DirectoryStore, Entry, Event, PolicyChange, Put, Selection},
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

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let accounts = sqlx::query(
            "SELECT name, sms_countries, sms_daily_budget, created_at FROM accounts
             ORDER BY name COLLATE \"C\"",
        )
        .try_map(|row: PgRow| account_of(&row))
        .fetch_all(&self.pool)
        .await?;
        Ok(accounts)
    }

    async fn account_settings(&self, account: AccountId) -> Result<Account, StoreError> {
        let found = sqlx::query(
            "SELECT name, sms_countries, sms_daily_budget, created_at FROM accounts WHERE id = $1",
        )
        .bind(account.0)
        .try_map(|row: PgRow| account_of(&row))
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }

    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        let changed = sqlx::query(
            "UPDATE accounts SET sms_countries = coalesce($1, sms_countries),
                 sms_daily_budget = coalesce($2, sms_daily_budget)
             WHERE id = $3 AND (sms_countries <> $1 OR sms_daily_budget <> $2)",
        )
        .bind(countries.map(|countries| countries.join(" ")))
        .bind(daily_budget.map(i64::from))
        .bind(account.0)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if changed == 1 {
            record(&mut transaction, &Entry::new(account, Event::SmsLimitsSet), now).await?;
        }
        transaction.commit().await?;
        Ok(())
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

    async fn put_system(
        &self,
        account: AccountId,
        system: System,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        retry(|| self.store_system(account, &system, only_new, now)).await
    }

    async fn delete_system(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        retry(|| self.remove_system(account, name, now)).await
    }

    async fn systems(
        &self,
        account: AccountId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<System>, StoreError> {
        let systems = sqlx::query(
            "SELECT id, name, pin, passwordless, requires_txn FROM systems
             WHERE account_id = $1 AND name COLLATE \"C\" > $2
             ORDER BY name COLLATE \"C\" LIMIT $3",
        )
        .bind(account.0)
        .bind(after)
        .bind(limit_of(limit))
        .try_map(|row: PgRow| Ok(system_of(&row)?.1))
        .fetch_all(&self.pool)
        .await?;
        Ok(systems)
    }

    async fn find_systems(
        &self,
        account: AccountId,
        names: &[&str],
    ) -> Result<Vec<System>, StoreError> {
        let systems = sqlx::query(
            "SELECT id, name, pin, passwordless, requires_txn FROM systems
             WHERE account_id = $1 AND name = ANY($2)",
        )
        .bind(account.0)
        .bind(names)
        .try_map(|row: PgRow| Ok(system_of(&row)?.1))
        .fetch_all(&self.pool)
        .await?;
        Ok(systems)
    }

    async fn put_users(
        &self,
        account: AccountId,
        users: Vec<NewUser>,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Vec<Result<Put, DirectoryError>>, StoreError> {
        retry(|| self.store_users(account, &users, only_new, now)).await
    }

    async fn delete_user(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        retry(|| self.remove_user(account, auth_id, now)).await
    }

    async fn users(
        &self,
        account: AccountId,
        selection: &Selection,
    ) -> Result<Vec<User>, StoreError> {
        // So that all of it is of one moment.
        let mut transaction =
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let found = users::select(&mut transaction, account, selection).await?;
        Ok(found.into_iter().map(|(_, user)| user).collect())
    }

    async fn find_users(
        &self,
        account: AccountId,
        auth_ids: &[&str],
    ) -> Result<Vec<User>, StoreError> {
        let mut transaction =
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let found = users::find(&mut transaction, account, auth_ids).await?;
        Ok(found.into_iter().map(|(_, user)| user).collect())
    }

    async fn edit_user(
        &self,
        account: AccountId,
        auth_id: &str,
        edit: UserEdit,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        retry(|| self.change_user(account, auth_id, &edit, now)).await
    }

    async fn forgive(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let found = users::lock(&mut transaction, account, &[auth_id]).await?;
        let Some((user, _)) = found.first() else { return Ok(false) };
        let forgiven = sqlx::query("DELETE FROM failures WHERE user_id = $1")
            .bind(user)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if forgiven > 0 {
            let entry = Entry { auth_id: Some(auth_id), ..Entry::new(account, Event::Forgiven) };
            record(&mut transaction, &entry, now).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

impl Postgres {
    async fn switch_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut transaction = self.begin().await?;
        let Some((id, mut system)) = lock_system(&mut transaction, account, name).await? else {
            return Ok(None);
        };
        let policies = system.policies;
        system.policies = Policies::new(
            change.pin.unwrap_or(policies.pin),
            change.passwordless.unwrap_or(policies.passwordless),
        );
        system.requires_txn = change.requires_txn.unwrap_or(system.requires_txn);
        let put = replace_system(&mut transaction, account, id, &system, now).await?;
        transaction.commit().await?;
        Ok(Some(put.withdrawn))
    }

    async fn store_system(
        &self,
        account: AccountId,
        wanted: &System,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        let mut transaction = self.begin().await?;
        let put = if add_system(&mut transaction, account, wanted, now).await? {
            Put { change: Change::Created, withdrawn: Vec::new() }
        } else if only_new {
            return Err(DirectoryError::SystemExists { system: wanted.name.clone() });
        } else {
            // Deleted in this moment: as if it had been before.
            let found = lock_system(&mut transaction, account, &wanted.name).await?;
            let (id, _) = found.ok_or(StoreError::Undone)?;
            replace_system(&mut transaction, account, id, wanted, now).await?
        };
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(put)
    }

    async fn remove_system(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut transaction = self.begin().await?;
        let Some((id, _)) = lock_system(&mut transaction, account, name).await? else {
            return Ok(None);
        };
        let withdrawn: Vec<i64> = sqlx::query_scalar(
            "WITH ending AS (
                 SELECT id FROM challenges
                 WHERE system_id = $1 AND state IN ('pending', 'authenticated') AND expires_at > $2
                 ORDER BY id FOR NO KEY UPDATE
             )
             UPDATE challenges c SET state = 'withdrawn', ended_at = $2 FROM ending
             WHERE c.id = ending.id RETURNING c.id",
        )
        .bind(id)
        .bind(now.as_millis())
        .fetch_all(&mut *transaction)
        .await?;
        record_challenges(&mut transaction, &withdrawn, Event::Withdrawn, None, now).await?;
        let revoked: Vec<String> = sqlx::query_scalar(
            "SELECT prefix FROM api_keys WHERE system_id = $1 AND revoked_at IS NULL ORDER BY id",
        )
        .bind(id)
        .fetch_all(&mut *transaction)
        .await?;
        for prefix in &revoked {
            let entry =
                Entry { api_key: Some(prefix), ..Entry::new(account, Event::ApiKeyRevoked) };
            record(&mut transaction, &entry, now).await?;
        }
        sqlx::query("DELETE FROM systems WHERE id = $1")
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        let entry = Entry { system: Some(name), ..Entry::new(account, Event::SystemDeleted) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(Some(withdrawn))
    }

    async fn store_users(
        &self,
        account: AccountId,
        wanted: &[NewUser],
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Vec<Result<Put, DirectoryError>>, StoreError> {
        let mut transaction = self.begin().await?;
        let put = users::put(&mut transaction, account, wanted, only_new, now).await?;
        transaction.commit().await?;
        Ok(put)
    }

    async fn change_user(
        &self,
        account: AccountId,
        auth_id: &str,
        edit: &UserEdit,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        let mut transaction = self.begin().await?;
        let found = users::lock(&mut transaction, account, &[auth_id]).await?;
        let unknown = || DirectoryError::UnknownUser { auth_id: auth_id.to_owned() };
        let (_, user) = found.first().ok_or_else(unknown)?;
        let wanted = edit.clone().of(user)?;
        let put = users::put(&mut transaction, account, &[wanted], false, now).await?;
        let put = put.into_iter().next().ok_or(StoreError::Undone)??;
        transaction.commit().await.map_err(StoreError::from)?;
        Ok(put)
    }

    async fn remove_user(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let mut transaction = self.begin().await?;
        let found: Option<i64> = sqlx::query_scalar(
            "SELECT id FROM users WHERE account_id = $1 AND auth_id = $2 FOR UPDATE",
        )
        .bind(account.0)
        .bind(auth_id)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(user) = found else { return Ok(None) };
        let withdrawn = users::withdraw(&mut transaction, user, None, now).await?;
        record_challenges(&mut transaction, &withdrawn, Event::Withdrawn, None, now).await?;
        sqlx::query("DELETE FROM users WHERE id = $1")
            .bind(user)
            .execute(&mut *transaction)
            .await?;
        let entry = Entry { auth_id: Some(auth_id), ..Entry::new(account, Event::UserDeleted) };
        record(&mut transaction, &entry, now).await?;
        transaction.commit().await?;
        Ok(Some(withdrawn))
    }
}

fn account_of(row: &PgRow) -> sqlx::Result<Account> {
    let countries: String = row.try_get(1)?;
    Ok(Account {
        name: row.try_get(0)?,
        sms_countries: countries.split_whitespace().map(ToOwned::to_owned).collect(),
        sms_daily_budget: row::count(row, 2)?,
        created_at: row::moment(row, 3)?,
    })
}

fn system_of(row: &PgRow) -> sqlx::Result<(i64, System)> {
    let system = System {
        name: row.try_get(1)?,
        policies: Policies::new(row.try_get(2)?, row.try_get(3)?),
        requires_txn: row.try_get(4)?,
    };
    Ok((row.try_get(0)?, system))
}

/// The lock is one that a reference waits for: a start is before it, and withdrawn, or after it, and refused.
async fn lock_system(
    connection: &mut PgConnection,
    account: AccountId,
    name: &str,
) -> Result<Option<(i64, System)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, name, pin, passwordless, requires_txn FROM systems
         WHERE account_id = $1 AND name = $2 FOR UPDATE",
    )
    .bind(account.0)
    .bind(name)
    .try_map(|row: PgRow| system_of(&row))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// Those of these names, none of which changes before the transaction ends.
pub(super) async fn hold_systems(
    connection: &mut PgConnection,
    account: AccountId,
    names: &[&str],
) -> Result<HashMap<String, (i64, Policies)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, name, pin, passwordless, requires_txn FROM systems
         WHERE account_id = $1 AND name = ANY($2) ORDER BY id FOR KEY SHARE",
    )
    .bind(account.0)
    .bind(names)
    .try_map(|row: PgRow| system_of(&row))
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().map(|(id, system)| (system.name, (id, system.policies))).collect())
}

/// False if there is one of that name.
async fn add_system(
    connection: &mut PgConnection,
    account: AccountId,
    wanted: &System,
    now: UnixMillis,
) -> Result<bool, StoreError> {
    let added = sqlx::query(
        "INSERT INTO systems (account_id, name, pin, passwordless, requires_txn, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(account.0)
    .bind(&wanted.name)
    .bind(wanted.policies.pin)
    .bind(wanted.policies.passwordless)
    .bind(wanted.requires_txn)
    .bind(now.as_millis())
    .execute(&mut *connection)
    .await?
    .rows_affected()
        == 1;
    if added {
        let entry = Entry { system: Some(&wanted.name), ..Entry::new(account, Event::SystemAdded) };
        record(connection, &entry, now).await?;
    }
    Ok(added)
}

/// What a switched-off policy had allowed ends.
async fn replace_system(
    connection: &mut PgConnection,
    account: AccountId,
    id: i64,
    wanted: &System,
    now: UnixMillis,
) -> Result<Put, StoreError> {
    let changed = sqlx::query(
        "UPDATE systems SET pin = $2, passwordless = $3, requires_txn = $4
         WHERE id = $1 AND (pin, passwordless, requires_txn) <> ($2, $3, $4)",
    )
    .bind(id)
    .bind(wanted.policies.pin)
    .bind(wanted.policies.passwordless)
    .bind(wanted.requires_txn)
    .execute(&mut *connection)
    .await?
    .rows_affected();
    if changed == 0 {
        return Ok(Put { change: Change::Unchanged, withdrawn: Vec::new() });
    }
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
    .bind(id)
    .bind(now.as_millis())
    .fetch_all(&mut *connection)
    .await?;
    record_challenges(connection, &withdrawn, Event::Withdrawn, None, now).await?;
    let entry = Entry { system: Some(&wanted.name), ..Entry::new(account, Event::PoliciesSet) };
    record(connection, &entry, now).await?;
    Ok(Put { change: Change::Updated, withdrawn })
}

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
