use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    Sqlite,
    audit::{record, record_challenge},
    users,
};
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{
        Account, Change, NewUser, Policies, SMS_DAILY_BUDGET, System, User, UserEdit, plan,
    },
    store::{AccountId, DirectoryStore, Entry, Event, PolicyChange, Put, Selection},
};

#[async_trait]
impl DirectoryStore for Sqlite {
    async fn open_account(&self, name: &str, now: UnixMillis) -> Result<AccountId, StoreError> {
        if let Some(account) = self.account(name).await? {
            return Ok(account);
        }
        let name = name.to_owned();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(
                    "INSERT INTO accounts (name, sms_daily_budget, created_at) VALUES (?, ?, ?)
                     ON CONFLICT DO NOTHING",
                )?
                .execute(params![name, SMS_DAILY_BUDGET, now.as_millis()])?;
            let account = account(connection, &name)?.ok_or(StoreError::Undone)?;
            if added == 1 {
                record(connection, &Entry::new(account, Event::AccountAdded), now)?;
            }
            Ok(account)
        })
        .await
    }

    async fn account(&self, name: &str) -> Result<Option<AccountId>, StoreError> {
        self.read(|connection| account(connection, name))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read_much(|connection| {
            let accounts = connection
                .prepare_cached(
                    "SELECT name, sms_countries, sms_daily_budget, created_at FROM accounts
                     ORDER BY name",
                )?
                .query_map([], account_of)?
                .collect::<Result<_, _>>()?;
            Ok(accounts)
        })
        .await
    }

    async fn account_settings(&self, account: AccountId) -> Result<Account, StoreError> {
        self.read(|connection| {
            Ok(connection
                .prepare_cached(
                    "SELECT name, sms_countries, sms_daily_budget, created_at FROM accounts
                     WHERE id = ?",
                )?
                .query_row([account.0], account_of)?)
        })
    }

    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let countries = countries.map(|countries| countries.join(" "));
        self.write(move |connection| {
            let changed = connection
                .prepare_cached(
                    "UPDATE accounts SET sms_countries = coalesce(?1, sms_countries),
                         sms_daily_budget = coalesce(?2, sms_daily_budget)
                     WHERE id = ?3 AND (sms_countries <> ?1 OR sms_daily_budget <> ?2)",
                )?
                .execute(params![countries, daily_budget, account.0])?;
            if changed == 1 {
                record(connection, &Entry::new(account, Event::SmsLimitsSet), now)?;
            }
            Ok(())
        })
        .await
    }

    async fn set_policies(
        &self,
        account: AccountId,
        name: &str,
        change: PolicyChange,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let Some((id, mut system)) = system(connection, account, &name)? else {
                return Ok(None);
            };
            let policies = system.policies;
            system.policies = Policies::new(
                change.pin.unwrap_or(policies.pin),
                change.passwordless.unwrap_or(policies.passwordless),
            );
            system.requires_txn = change.requires_txn.unwrap_or(system.requires_txn);
            Ok(Some(replace_system(connection, account, id, &system, now)?.withdrawn))
        })
        .await
    }

    async fn put_system(
        &self,
        account: AccountId,
        wanted: System,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        self.write(move |connection| {
            match system(connection, account, &wanted.name)? {
                Some(_) if only_new => {
                    return Err(DirectoryError::SystemExists { system: wanted.name });
                }
                Some((id, _)) => {
                    return Ok(replace_system(connection, account, id, &wanted, now)?);
                }
                None => {}
            }
            Ok(add_system(connection, account, &wanted, now)?)
        })
        .await
    }

    async fn delete_system(
        &self,
        account: AccountId,
        name: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let Some((id, _)) = system(connection, account, &name)? else { return Ok(None) };
            let withdrawn = withdraw(connection, "system_id = ?1", params![id, now.as_millis()])?;
            record_withdrawn(connection, &withdrawn, now)?;
            let revoked = connection
                .prepare_cached(
                    "SELECT prefix FROM api_keys WHERE system_id = ? AND revoked_at IS NULL",
                )?
                .query_map([id], |row| row.get(0))?
                .collect::<Result<Vec<String>, _>>()?;
            for prefix in &revoked {
                let entry =
                    Entry { api_key: Some(prefix), ..Entry::new(account, Event::ApiKeyRevoked) };
                record(connection, &entry, now)?;
            }
            connection.prepare_cached("DELETE FROM systems WHERE id = ?")?.execute([id])?;
            let entry = Entry { system: Some(&name), ..Entry::new(account, Event::SystemDeleted) };
            record(connection, &entry, now)?;
            Ok(Some(withdrawn))
        })
        .await
    }

    async fn systems(
        &self,
        account: AccountId,
        after: &str,
        limit: usize,
    ) -> Result<Vec<System>, StoreError> {
        self.read(|connection| {
            let systems = connection
                .prepare_cached(
                    "SELECT id, name, pin, passwordless, requires_txn FROM systems
                     WHERE account_id = ? AND name > ? ORDER BY name LIMIT ?",
                )?
                .query_map(params![account.0, after, limit_of(limit)], |row| Ok(system_of(row)?.1))?
                .collect::<Result<_, _>>()?;
            Ok(systems)
        })
    }

    async fn find_systems(
        &self,
        account: AccountId,
        names: &[&str],
    ) -> Result<Vec<System>, StoreError> {
        self.read(|connection| {
            let found = names.iter().map(|name| system(connection, account, name));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().map(|it| it.1).collect())
        })
    }

    async fn put_users(
        &self,
        account: AccountId,
        users: Vec<NewUser>,
        only_new: bool,
        now: UnixMillis,
    ) -> Result<Vec<Result<Put, DirectoryError>>, StoreError> {
        self.write(move |connection| {
            let mut all = Vec::with_capacity(users.len());
            for wanted in users {
                let found = users::find(connection, account, &wanted.auth_id)?;
                let put = match found {
                    Some(_) if only_new => {
                        Err(DirectoryError::UserExists { auth_id: wanted.auth_id })
                    }
                    found => put_user(connection, account, found.as_ref(), &wanted, now),
                };
                match put {
                    Err(DirectoryError::Store(error)) => return Err(error),
                    put => all.push(put),
                }
            }
            Ok(all)
        })
        .await
    }

    async fn delete_user(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let auth_id = auth_id.to_owned();
        self.write(move |connection| {
            let Some(id) = users::id(connection, account, &auth_id)? else { return Ok(None) };
            let withdrawn = withdraw(connection, "user_id = ?1", params![id, now.as_millis()])?;
            record_withdrawn(connection, &withdrawn, now)?;
            connection.prepare_cached("DELETE FROM users WHERE id = ?")?.execute([id])?;
            let entry =
                Entry { auth_id: Some(&auth_id), ..Entry::new(account, Event::UserDeleted) };
            record(connection, &entry, now)?;
            Ok(Some(withdrawn))
        })
        .await
    }

    async fn users(
        &self,
        account: AccountId,
        selection: &Selection,
    ) -> Result<Vec<User>, StoreError> {
        let selection = selection.clone();
        self.read_much(move |connection| users::select(connection, account, &selection)).await
    }

    async fn find_users(
        &self,
        account: AccountId,
        auth_ids: &[&str],
    ) -> Result<Vec<User>, StoreError> {
        self.read(|connection| {
            // One transaction, so that all of it is of one moment.
            let transaction = connection.unchecked_transaction()?;
            let found = auth_ids.iter().map(|auth_id| users::find(&transaction, account, auth_id));
            let found = found.collect::<Result<Vec<_>, _>>()?;
            Ok(found.into_iter().flatten().map(|(_, user)| user).collect())
        })
    }

    async fn edit_user(
        &self,
        account: AccountId,
        auth_id: &str,
        edit: UserEdit,
        now: UnixMillis,
    ) -> Result<Put, DirectoryError> {
        let auth_id = auth_id.to_owned();
        self.write(move |connection| {
            let found = users::find(connection, account, &auth_id)?
                .ok_or(DirectoryError::UnknownUser { auth_id })?;
            let wanted = edit.of(&found.1)?;
            put_user(connection, account, Some(&found), &wanted, now)
        })
        .await
    }

    async fn forgive(
        &self,
        account: AccountId,
        auth_id: &str,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let auth_id = auth_id.to_owned();
        self.write(move |connection| {
            let Some(user) = users::id(connection, account, &auth_id)? else { return Ok(false) };
            let forgiven = connection
                .prepare_cached("DELETE FROM failures WHERE user_id = ?")?
                .execute([user])?;
            if forgiven > 0 {
                let entry =
                    Entry { auth_id: Some(&auth_id), ..Entry::new(account, Event::Forgiven) };
                record(connection, &entry, now)?;
            }
            Ok(true)
        })
        .await
    }
}

fn account(connection: &Connection, name: &str) -> Result<Option<AccountId>, StoreError> {
    let found = connection
        .prepare_cached("SELECT id FROM accounts WHERE name = ?")?
        .query_row([name], |row| row.get(0).map(AccountId))
        .optional()?;
    Ok(found)
}

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    let countries: String = row.get(1)?;
    Ok(Account {
        name: row.get(0)?,
        sms_countries: countries.split_whitespace().map(ToOwned::to_owned).collect(),
        sms_daily_budget: row.get(2)?,
        created_at: super::row::moment(row, 3)?,
    })
}

fn system(
    connection: &Connection,
    account: AccountId,
    name: &str,
) -> Result<Option<(i64, System)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, name, pin, passwordless, requires_txn FROM systems
             WHERE account_id = ? AND name = ?",
        )?
        .query_row(params![account.0, name], system_of)
        .optional()?;
    Ok(found)
}

fn system_of(row: &Row<'_>) -> rusqlite::Result<(i64, System)> {
    let system = System {
        name: row.get(1)?,
        policies: Policies::new(row.get(2)?, row.get(3)?),
        requires_txn: row.get(4)?,
    };
    Ok((row.get(0)?, system))
}

fn add_system(
    connection: &Connection,
    account: AccountId,
    wanted: &System,
    now: UnixMillis,
) -> Result<Put, StoreError> {
    let Policies { pin, passwordless } = wanted.policies;
    connection
        .prepare_cached(
            "INSERT INTO systems (account_id, name, pin, passwordless, requires_txn, created_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            account.0,
            wanted.name,
            pin,
            passwordless,
            wanted.requires_txn,
            now.as_millis()
        ])?;
    let entry = Entry { system: Some(&wanted.name), ..Entry::new(account, Event::SystemAdded) };
    record(connection, &entry, now)?;
    Ok(Put { change: Change::Created, withdrawn: Vec::new() })
}

/// What a switched-off policy had allowed ends.
fn replace_system(
    connection: &Connection,
    account: AccountId,
    id: i64,
    wanted: &System,
    now: UnixMillis,
) -> Result<Put, StoreError> {
    let Policies { pin, passwordless } = wanted.policies;
    let changed = connection
        .prepare_cached(
            "UPDATE systems SET pin = ?2, passwordless = ?3, requires_txn = ?4
             WHERE id = ?1 AND (pin, passwordless, requires_txn) <> (?2, ?3, ?4)",
        )?
        .execute(params![id, pin, passwordless, wanted.requires_txn])?;
    if changed == 0 {
        return Ok(Put { change: Change::Unchanged, withdrawn: Vec::new() });
    }
    let withdrawn = withdraw(
        connection,
        "system_id = ?1 AND CASE method WHEN 'pin' THEN NOT ?3 ELSE NOT ?4 END",
        params![id, now.as_millis(), pin, passwordless],
    )?;
    record_withdrawn(connection, &withdrawn, now)?;
    let entry = Entry { system: Some(&wanted.name), ..Entry::new(account, Event::PoliciesSet) };
    record(connection, &entry, now)?;
    Ok(Put { change: Change::Updated, withdrawn })
}

fn put_user(
    connection: &Connection,
    account: AccountId,
    found: Option<&(i64, User)>,
    wanted: &NewUser,
    now: UnixMillis,
) -> Result<Put, DirectoryError> {
    let mut systems = HashMap::new();
    let mut ids = HashMap::new();
    for assignment in wanted.assignments.iter().flatten() {
        if let Some((id, system)) = system(connection, account, &assignment.system)? {
            ids.insert(assignment.system.as_str(), id);
            systems.insert(system.name, system.policies);
        }
    }
    let plan = plan(found.map(|(_, user)| user), &systems, wanted)?;
    let withdrawn = users::carry_out(connection, account, found, wanted, &plan, &ids, now)?;
    Ok(Put { change: plan.change(), withdrawn })
}

/// Ends the live challenges that match; `?2` is the present moment.
pub(super) fn withdraw(
    connection: &Connection,
    which: &'static str,
    parameters: &[&dyn rusqlite::ToSql],
) -> Result<Vec<i64>, StoreError> {
    let withdrawn = connection
        .prepare_cached(&format!(
            "UPDATE challenges SET state = 'withdrawn', ended_at = ?2
             WHERE {which} AND state IN ('pending', 'authenticated') AND expires_at > ?2
             RETURNING id"
        ))?
        .query_map(parameters, |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(withdrawn)
}

pub(super) fn record_withdrawn(
    connection: &Connection,
    withdrawn: &[i64],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for &challenge in withdrawn {
        record_challenge(connection, challenge, Event::Withdrawn, None, now)?;
    }
    Ok(())
}

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
