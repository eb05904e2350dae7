use std::collections::HashMap;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Sqlite,
    audit::{record, record_challenge},
    row,
};
use crate::{
    DirectoryError, Method, StoreError, UnixMillis,
    directory::{Assignment, Contact, NewUser, Policies, SMS_DAILY_BUDGET, System, User},
    store::{AccountId, DirectoryStore, Entry, Event, PolicyChange},
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

    async fn set_sms_limits(
        &self,
        account: AccountId,
        countries: Option<&[&str]>,
        daily_budget: Option<u32>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let countries = countries.map(|countries| countries.join(" "));
        self.write(move |connection| {
            connection
                .prepare_cached(
                    "UPDATE accounts SET sms_countries = coalesce(?, sms_countries),
                         sms_daily_budget = coalesce(?, sms_daily_budget) WHERE id = ?",
                )?
                .execute(params![countries, daily_budget, account.0])?;
            record(connection, &Entry::new(account, Event::SmsLimitsSet), now)
        })
        .await
    }

    async fn add_system(
        &self,
        account: AccountId,
        name: &str,
        policies: Policies,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        let name = name.to_owned();
        self.write(move |connection| {
            let added = connection
                .prepare_cached(
                    "INSERT INTO systems (account_id, name, pin, passwordless, created_at)
                     VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                )?
                .execute(params![
                    account.0,
                    name,
                    policies.pin,
                    policies.passwordless,
                    now.as_millis()
                ])?
                == 1;
            if added {
                let entry =
                    Entry { system: Some(&name), ..Entry::new(account, Event::SystemAdded) };
                record(connection, &entry, now)?;
            }
            Ok(added)
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
            let system: Option<i64> = connection
                .prepare_cached(
                    "UPDATE systems SET pin = coalesce(?, pin),
                         passwordless = coalesce(?, passwordless),
                         requires_txn = coalesce(?, requires_txn)
                     WHERE account_id = ? AND name = ? RETURNING id",
                )?
                .query_row(
                    params![change.pin, change.passwordless, change.requires_txn, account.0, name],
                    |row| row.get(0),
                )
                .optional()?;
            let Some(system) = system else { return Ok(None) };
            let withdrawn = connection
                .prepare_cached(
                    "UPDATE challenges SET state = 'withdrawn', ended_at = ?2
                     WHERE system_id = ?1 AND state IN ('pending', 'authenticated')
                       AND expires_at > ?2
                       AND NOT (SELECT CASE method WHEN 'pin' THEN s.pin ELSE s.passwordless END
                                FROM systems s WHERE s.id = ?1)
                     RETURNING id",
                )?
                .query_map(params![system, now.as_millis()], |row| row.get(0))?
                .collect::<Result<Vec<i64>, _>>()?;
            record_withdrawn(connection, &withdrawn, now)?;
            let entry = Entry { system: Some(&name), ..Entry::new(account, Event::PoliciesSet) };
            record(connection, &entry, now)?;
            Ok(Some(withdrawn))
        })
        .await
    }

    async fn systems(&self, account: AccountId) -> Result<Vec<System>, StoreError> {
        self.read_much(move |connection| {
            let systems = connection
                .prepare_cached(
                    "SELECT name, pin, passwordless, requires_txn FROM systems
                     WHERE account_id = ? ORDER BY name",
                )?
                .query_map([account.0], |row| {
                    Ok(System {
                        name: row.get(0)?,
                        policies: Policies::new(row.get(1)?, row.get(2)?),
                        requires_txn: row.get(3)?,
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(systems)
        })
        .await
    }

    async fn add_user(
        &self,
        account: AccountId,
        user: NewUser,
        now: UnixMillis,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let added: Option<i64> = connection
                .prepare_cached(
                    "INSERT INTO users (account_id, auth_id, locale, created_at)
                     VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id",
                )?
                .query_row(params![account.0, user.auth_id, user.locale, now.as_millis()], |row| {
                    row.get(0)
                })
                .optional()?;
            let Some(id) = added else { return Ok(false) };
            let mut insert = connection.prepare_cached(
                "INSERT INTO contacts (user_id, position, account_id, channel, address)
                 VALUES (?, ?, ?, ?, ?)",
            )?;
            for (position, contact) in (0_u32..).zip(&user.contacts) {
                insert.execute(params![
                    id,
                    position,
                    account.0,
                    contact.channel.as_str(),
                    contact.address
                ])?;
            }
            let entry =
                Entry { auth_id: Some(&user.auth_id), ..Entry::new(account, Event::UserAdded) };
            record(connection, &entry, now)?;
            Ok(true)
        })
        .await
    }

    async fn users(&self, account: AccountId) -> Result<Vec<User>, StoreError> {
        self.read_much(move |connection| {
            // One transaction, so that all of it is of one moment.
            let transaction = connection.unchecked_transaction()?;
            let mut contacts: HashMap<i64, Vec<Contact>> = HashMap::new();
            let mut of_users = transaction.prepare_cached(
                "SELECT user_id, channel, address FROM contacts WHERE account_id = ?
                 ORDER BY user_id, position",
            )?;
            let rows = of_users.query_map([account.0], |row| {
                let contact = Contact { channel: row::channel(row, 1)?, address: row.get(2)? };
                Ok((row.get::<_, i64>(0)?, contact))
            })?;
            for row in rows {
                let (user, contact) = row?;
                contacts.entry(user).or_default().push(contact);
            }
            let mut assignments: HashMap<i64, Vec<Assignment>> = HashMap::new();
            let mut of_users = transaction.prepare_cached(
                "SELECT a.user_id, s.name, a.method FROM assignments a
                 JOIN systems s ON s.id = a.system_id WHERE a.account_id = ? ORDER BY s.name",
            )?;
            let rows = of_users.query_map([account.0], |row| {
                let assignment = Assignment { system: row.get(1)?, method: row::method(row, 2)? };
                Ok((row.get::<_, i64>(0)?, assignment))
            })?;
            for row in rows {
                let (user, assignment) = row?;
                assignments.entry(user).or_default().push(assignment);
            }
            let users = transaction
                .prepare_cached(
                    "SELECT id, auth_id, locale, disabled FROM users
                     WHERE account_id = ? ORDER BY auth_id",
                )?
                .query_map([account.0], |row| {
                    let id: i64 = row.get(0)?;
                    Ok(User {
                        auth_id: row.get(1)?,
                        locale: row.get(2)?,
                        disabled: row.get(3)?,
                        contacts: contacts.remove(&id).unwrap_or_default(),
                        assignments: assignments.remove(&id).unwrap_or_default(),
                    })
                })?
                .collect::<Result<Vec<_>, _>>()?;
            Ok(users)
        })
        .await
    }

    async fn assign(
        &self,
        account: AccountId,
        auth_id: &str,
        systems: &[&str],
        method: Method,
        now: UnixMillis,
    ) -> Result<(), DirectoryError> {
        let auth_id = auth_id.to_owned();
        let systems: Vec<_> = systems.iter().map(|&system| system.to_owned()).collect();
        self.write(move |connection| {
            let user = user(connection, account, &auth_id)?
                .ok_or_else(|| DirectoryError::UnknownUser { auth_id: auth_id.clone() })?;
            for system in &systems {
                assign(connection, account, user, system, method)?;
                let entry = Entry {
                    system: Some(system),
                    auth_id: Some(&auth_id),
                    ..Entry::new(account, Event::Assigned)
                };
                record(connection, &entry, now)?;
            }
            Ok(())
        })
        .await
    }

    async fn set_disabled(
        &self,
        account: AccountId,
        auth_id: &str,
        disabled: bool,
        now: UnixMillis,
    ) -> Result<Option<Vec<i64>>, StoreError> {
        let auth_id = auth_id.to_owned();
        self.write(move |connection| {
            let Some(user) = user(connection, account, &auth_id)? else { return Ok(None) };
            connection
                .prepare_cached("UPDATE users SET disabled = ? WHERE id = ?")?
                .execute(params![disabled, user])?;
            let mut withdrawn = Vec::new();
            if disabled {
                withdrawn = connection
                    .prepare_cached(
                        "UPDATE challenges SET state = 'withdrawn', ended_at = ?2
                         WHERE user_id = ?1 AND state IN ('pending', 'authenticated')
                           AND expires_at > ?2
                         RETURNING id",
                    )?
                    .query_map(params![user, now.as_millis()], |row| row.get(0))?
                    .collect::<Result<Vec<i64>, _>>()?;
                record_withdrawn(connection, &withdrawn, now)?;
            }
            let event = if disabled { Event::UserDisabled } else { Event::UserEnabled };
            let entry = Entry { auth_id: Some(&auth_id), ..Entry::new(account, event) };
            record(connection, &entry, now)?;
            Ok(Some(withdrawn))
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
            let Some(user) = user(connection, account, &auth_id)? else { return Ok(false) };
            connection.prepare_cached("DELETE FROM failures WHERE user_id = ?")?.execute([user])?;
            let entry = Entry { auth_id: Some(&auth_id), ..Entry::new(account, Event::Forgiven) };
            record(connection, &entry, now)?;
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

fn user(
    connection: &Connection,
    account: AccountId,
    auth_id: &str,
) -> Result<Option<i64>, StoreError> {
    let found = connection
        .prepare_cached("SELECT id FROM users WHERE account_id = ? AND auth_id = ?")?
        .query_row(params![account.0, auth_id], |row| row.get(0))
        .optional()?;
    Ok(found)
}

fn assign(
    connection: &Connection,
    account: AccountId,
    user: i64,
    system: &str,
    method: Method,
) -> Result<(), DirectoryError> {
    let found = connection
        .prepare_cached(
            "SELECT id, pin, passwordless FROM systems WHERE account_id = ? AND name = ?",
        )
        .and_then(|mut statement| {
            statement
                .query_row(params![account.0, system], |row| {
                    Ok((row.get::<_, i64>(0)?, Policies::new(row.get(1)?, row.get(2)?)))
                })
                .optional()
        })
        .map_err(StoreError::from)?;
    let Some((id, policies)) = found else {
        return Err(DirectoryError::UnknownSystem { system: system.to_owned() });
    };
    if !policies.allow(method) {
        return Err(DirectoryError::PolicyOff { system: system.to_owned(), method });
    }
    connection
        .prepare_cached(
            "INSERT INTO assignments (user_id, system_id, account_id, method) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET method = excluded.method",
        )
        .and_then(|mut statement| statement.execute(params![user, id, account.0, method.as_str()]))
        .map_err(StoreError::from)?;
    Ok(())
}

fn record_withdrawn(
    connection: &Connection,
    withdrawn: &[i64],
    now: UnixMillis,
) -> Result<(), StoreError> {
    for &challenge in withdrawn {
        record_challenge(connection, challenge, Event::Withdrawn, None, now)?;
    }
    Ok(())
}
