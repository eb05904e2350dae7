//! The rows of a user.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    audit::record,
    directory::{limit_of, record_withdrawn, withdraw},
    row,
};
use crate::{
    StoreError, UnixMillis,
    directory::{Assignment, Contact, NewUser, Plan, User},
    store::{AccountId, Entry, Event, Selection},
};

pub(super) fn id(
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

pub(super) fn find(
    connection: &Connection,
    account: AccountId,
    auth_id: &str,
) -> Result<Option<(i64, User)>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT id, auth_id, locale, disabled FROM users
             WHERE account_id = ? AND auth_id = ?",
        )?
        .query_row(params![account.0, auth_id], bare)
        .optional()?;
    let Some((id, mut user)) = found else { return Ok(None) };
    complete(connection, id, &mut user)?;
    Ok(Some((id, user)))
}

pub(super) fn select(
    connection: &Connection,
    account: AccountId,
    selection: &Selection,
) -> Result<Vec<User>, StoreError> {
    // One transaction, so that all of it is of one moment.
    let transaction = connection.unchecked_transaction()?;
    let found = transaction
        .prepare_cached(
            "SELECT id, auth_id, locale, disabled FROM users
             WHERE account_id = ?1 AND auth_id > ?2 AND auth_id >= ?3
               AND (?4 IS NULL OR auth_id < ?4) AND (?5 IS NULL OR disabled = ?5)
             ORDER BY auth_id LIMIT ?6",
        )?
        .query_map(
            params![
                account.0,
                selection.after,
                selection.from,
                selection.until,
                selection.disabled,
                limit_of(selection.limit)
            ],
            bare,
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let mut users = Vec::with_capacity(found.len());
    for (id, mut user) in found {
        complete(&transaction, id, &mut user)?;
        users.push(user);
    }
    Ok(users)
}

fn bare(row: &Row<'_>) -> rusqlite::Result<(i64, User)> {
    let user = User {
        auth_id: row.get(1)?,
        contacts: Vec::new(),
        locale: row.get(2)?,
        disabled: row.get(3)?,
        assignments: Vec::new(),
    };
    Ok((row.get(0)?, user))
}

fn complete(connection: &Connection, id: i64, user: &mut User) -> Result<(), StoreError> {
    user.contacts = connection
        .prepare_cached(
            "SELECT channel, address FROM contacts WHERE user_id = ? ORDER BY position",
        )?
        .query_map([id], |row| {
            Ok(Contact { channel: row::channel(row, 0)?, address: row.get(1)? })
        })?
        .collect::<Result<_, _>>()?;
    user.assignments = connection
        .prepare_cached(
            "SELECT s.name, a.method FROM assignments a JOIN systems s ON s.id = a.system_id
             WHERE a.user_id = ? ORDER BY s.name",
        )?
        .query_map([id], |row| {
            Ok(Assignment { system: row.get(0)?, method: row::method(row, 1)? })
        })?
        .collect::<Result<_, _>>()?;
    Ok(())
}

/// Writes what is planned and records it. The challenges that ended with it.
pub(super) fn carry_out(
    connection: &Connection,
    account: AccountId,
    found: Option<&(i64, User)>,
    wanted: &NewUser,
    plan: &Plan,
    systems: &HashMap<&str, i64>,
    now: UnixMillis,
) -> Result<Vec<i64>, StoreError> {
    let say = |event, system| {
        let auth_id = Some(wanted.auth_id.as_str());
        record(connection, &Entry { auth_id, system, ..Entry::new(account, event) }, now)
    };
    let user = match found {
        Some((id, _)) => *id,
        None => add(connection, account, wanted, now)?,
    };
    if plan.add {
        say(Event::UserAdded, None)?;
    } else if plan.contacts || plan.locale {
        connection
            .prepare_cached("UPDATE users SET locale = ? WHERE id = ?")?
            .execute(params![wanted.locale, user])?;
        say(Event::UserChanged, None)?;
    }
    if plan.contacts {
        replace_contacts(connection, account, user, &wanted.contacts)?;
    }
    let mut withdrawn = Vec::new();
    if let Some(disabled) = plan.disabled {
        connection
            .prepare_cached("UPDATE users SET disabled = ? WHERE id = ?")?
            .execute(params![disabled, user])?;
        if disabled {
            let of_user = params![user, now.as_millis()];
            withdrawn.extend(withdraw(connection, "user_id = ?1", of_user)?);
        }
        say(if disabled { Event::UserDisabled } else { Event::UserEnabled }, None)?;
    }
    for Assignment { system, method } in &plan.assign {
        connection
            .prepare_cached(
                "INSERT INTO assignments (user_id, system_id, account_id, method)
                 VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET method = excluded.method",
            )?
            .execute(params![user, systems.get(system.as_str()), account.0, method.as_str()])?;
        say(Event::Assigned, Some(system.as_str()))?;
    }
    for system in &plan.unassign {
        let taken: i64 = connection
            .prepare_cached(
                "DELETE FROM assignments WHERE user_id = ?1 AND system_id =
                     (SELECT id FROM systems WHERE account_id = ?2 AND name = ?3)
                 RETURNING system_id",
            )?
            .query_row(params![user, account.0, system], |row| row.get(0))?;
        withdrawn.extend(withdraw(
            connection,
            "user_id = ?1 AND system_id = ?3",
            params![user, now.as_millis(), taken],
        )?);
        say(Event::Unassigned, Some(system.as_str()))?;
    }
    record_withdrawn(connection, &withdrawn, now)?;
    Ok(withdrawn)
}

fn add(
    connection: &Connection,
    account: AccountId,
    wanted: &NewUser,
    now: UnixMillis,
) -> Result<i64, StoreError> {
    let id = connection
        .prepare_cached(
            "INSERT INTO users (account_id, auth_id, locale, created_at) VALUES (?, ?, ?, ?)
             RETURNING id",
        )?
        .query_row(params![account.0, wanted.auth_id, wanted.locale, now.as_millis()], |row| {
            row.get(0)
        })?;
    Ok(id)
}

fn replace_contacts(
    connection: &Connection,
    account: AccountId,
    user: i64,
    contacts: &[Contact],
) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM contacts WHERE user_id = ?")?.execute([user])?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO contacts (user_id, position, account_id, channel, address)
         VALUES (?, ?, ?, ?, ?)",
    )?;
    for (position, contact) in (0_u32..).zip(contacts) {
        insert.execute(params![
            user,
            position,
            account.0,
            contact.channel.as_str(),
            contact.address
        ])?;
    }
    Ok(())
}
