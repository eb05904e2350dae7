//! The rows of users, many at once: a statement costs a way to the database and back.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{audit::record_challenges, directory::hold_systems, row};
use crate::{
    DirectoryError, StoreError, UnixMillis,
    directory::{Assignment, Contact, NewUser, Plan, User, plan},
    store::{AccountId, Event, Put, Selection},
};

pub(super) async fn select(
    connection: &mut PgConnection,
    account: AccountId,
    selection: &Selection,
) -> Result<Vec<(i64, User)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, auth_id, locale, disabled FROM users
         WHERE account_id = $1 AND auth_id COLLATE \"C\" > $2 AND auth_id COLLATE \"C\" >= $3
           AND ($4::text IS NULL OR auth_id COLLATE \"C\" < $4)
           AND ($5::boolean IS NULL OR disabled = $5)
         ORDER BY auth_id COLLATE \"C\" LIMIT $6",
    )
    .bind(account.0)
    .bind(&selection.after)
    .bind(&selection.from)
    .bind(&selection.until)
    .bind(selection.disabled)
    .bind(super::directory::limit_of(selection.limit))
    .try_map(|row: PgRow| bare(&row))
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, found).await
}

pub(super) async fn find(
    connection: &mut PgConnection,
    account: AccountId,
    auth_ids: &[&str],
) -> Result<Vec<(i64, User)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, auth_id, locale, disabled FROM users
         WHERE account_id = $1 AND auth_id = ANY($2)",
    )
    .bind(account.0)
    .bind(auth_ids)
    .try_map(|row: PgRow| bare(&row))
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, found).await
}

/// What is read besides is read after the wait.
pub(super) async fn lock(
    connection: &mut PgConnection,
    account: AccountId,
    auth_ids: &[&str],
) -> Result<Vec<(i64, User)>, StoreError> {
    let found = sqlx::query(
        "SELECT id, auth_id, locale, disabled FROM users
         WHERE account_id = $1 AND auth_id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(account.0)
    .bind(auth_ids)
    .try_map(|row: PgRow| bare(&row))
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, found).await
}

fn bare(row: &PgRow) -> sqlx::Result<(i64, User)> {
    let user = User {
        auth_id: row.try_get(1)?,
        contacts: Vec::new(),
        locale: row.try_get(2)?,
        disabled: row.try_get(3)?,
        assignments: Vec::new(),
    };
    Ok((row.try_get(0)?, user))
}

async fn complete(
    connection: &mut PgConnection,
    mut users: Vec<(i64, User)>,
) -> Result<Vec<(i64, User)>, StoreError> {
    let ids: Vec<i64> = users.iter().map(|(id, _)| *id).collect();
    let mut contacts: HashMap<i64, Vec<Contact>> = HashMap::new();
    let rows = sqlx::query(
        "SELECT user_id, channel, address FROM contacts WHERE user_id = ANY($1)
         ORDER BY user_id, position",
    )
    .bind(&ids)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let contact = Contact { channel: row::channel(&row, 1)?, address: row.try_get(2)? };
        contacts.entry(row.try_get(0)?).or_default().push(contact);
    }
    let mut assignments: HashMap<i64, Vec<Assignment>> = HashMap::new();
    let rows = sqlx::query(
        "SELECT a.user_id, s.name, a.method FROM assignments a
         JOIN systems s ON s.id = a.system_id WHERE a.user_id = ANY($1)
         ORDER BY s.name COLLATE \"C\"",
    )
    .bind(&ids)
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let assignment = Assignment { system: row.try_get(1)?, method: row::method(&row, 2)? };
        assignments.entry(row.try_get(0)?).or_default().push(assignment);
    }
    for (id, user) in &mut users {
        user.contacts = contacts.remove(id).unwrap_or_default();
        user.assignments = assignments.remove(id).unwrap_or_default();
    }
    Ok(users)
}

/// Adds or replaces each, and records it; those that can't be are left out.
pub(super) async fn put(
    connection: &mut PgConnection,
    account: AccountId,
    wanted: &[NewUser],
    only_new: bool,
    now: UnixMillis,
) -> Result<Vec<Result<Put, DirectoryError>>, StoreError> {
    let auth_ids: Vec<_> = wanted.iter().map(|user| user.auth_id.as_str()).collect();
    let added = add(connection, account, wanted, now).await?;
    let found = lock(connection, account, &auth_ids).await?;
    let found: HashMap<_, _> =
        found.into_iter().map(|(id, user)| (user.auth_id.clone(), (id, user))).collect();
    let names: Vec<_> = wanted
        .iter()
        .flat_map(|user| user.assignments.iter().flatten())
        .map(|assignment| assignment.system.as_str())
        .collect();
    let systems = hold_systems(connection, account, &names).await?;
    let policies = systems.iter().map(|(name, (_, on))| (name.clone(), *on)).collect();
    let mut rows = Rows::default();
    let mut puts = Vec::with_capacity(wanted.len());
    for user in wanted {
        let Some((id, current)) = found.get(&user.auth_id) else { return Err(StoreError::Undone) };
        let is_new = added.contains(id);
        let planned = if only_new && !is_new {
            Err(DirectoryError::UserExists { auth_id: user.auth_id.clone() })
        } else {
            plan((!is_new).then_some(current), &policies, user)
        };
        match planned {
            Ok(plan) => {
                rows.add(*id, user, &plan, &systems);
                let withdrawn = end(connection, *id, &plan, now).await?;
                puts.push(Ok(Put { change: plan.change(), withdrawn }));
            }
            Err(error) => {
                if is_new {
                    rows.unwanted.push(*id);
                }
                puts.push(Err(error));
            }
        }
    }
    rows.write(connection, account, now).await?;
    Ok(puts)
}

/// The ids of those that there were not. Another one who adds the same is waited for.
async fn add(
    connection: &mut PgConnection,
    account: AccountId,
    wanted: &[NewUser],
    now: UnixMillis,
) -> Result<Vec<i64>, StoreError> {
    let auth_ids: Vec<_> = wanted.iter().map(|user| user.auth_id.as_str()).collect();
    let locales: Vec<_> = wanted.iter().map(|user| user.locale.as_str()).collect();
    let added = sqlx::query_scalar(
        "INSERT INTO users (account_id, auth_id, locale, created_at)
         SELECT $1, t.auth_id, t.locale, $2 FROM unnest($3::text[], $4::text[]) t (auth_id, locale)
         WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.account_id = $1 AND u.auth_id = t.auth_id)
         ORDER BY t.auth_id ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(account.0)
    .bind(now.as_millis())
    .bind(auth_ids)
    .bind(locales)
    .fetch_all(connection)
    .await?;
    Ok(added)
}

/// Ends what waits for a user who is disabled, or who loses a system.
async fn end(
    connection: &mut PgConnection,
    user: i64,
    plan: &Plan,
    now: UnixMillis,
) -> Result<Vec<i64>, StoreError> {
    let mut withdrawn = Vec::new();
    if plan.disabled == Some(true) {
        withdrawn.extend(withdraw(connection, user, None, now).await?);
    }
    for system in &plan.unassign {
        withdrawn.extend(withdraw(connection, user, Some(system), now).await?);
    }
    record_challenges(connection, &withdrawn, Event::Withdrawn, None, now).await?;
    Ok(withdrawn)
}

/// Ends what waits for a user, whose row is locked, on the system or on all.
pub(super) async fn withdraw(
    connection: &mut PgConnection,
    user: i64,
    system: Option<&str>,
    now: UnixMillis,
) -> Result<Vec<i64>, StoreError> {
    let withdrawn = sqlx::query_scalar(
        "WITH ending AS (
             SELECT c.id FROM challenges c JOIN systems s ON s.id = c.system_id
             WHERE c.user_id = $1 AND ($3::text IS NULL OR s.name = $3)
               AND c.state IN ('pending', 'authenticated') AND c.expires_at > $2
             ORDER BY c.id FOR NO KEY UPDATE OF c
         )
         UPDATE challenges c SET state = 'withdrawn', ended_at = $2 FROM ending
         WHERE c.id = ending.id RETURNING c.id",
    )
    .bind(user)
    .bind(now.as_millis())
    .bind(system)
    .fetch_all(connection)
    .await?;
    Ok(withdrawn)
}

/// What is to be written, column by column.
#[derive(Default)]
struct Rows<'a> {
    /// Added, and then refused.
    unwanted: Vec<i64>,
    locales: (Vec<i64>, Vec<&'a str>),
    switched: (Vec<i64>, Vec<bool>),
    new_contacts_of: Vec<i64>,
    contacts: (Vec<i64>, Vec<i32>, Vec<&'a str>, Vec<&'a str>),
    assigned: (Vec<i64>, Vec<i64>, Vec<&'static str>),
    unassigned: (Vec<i64>, Vec<String>),
    entries: (Vec<&'static str>, Vec<Option<String>>, Vec<&'a str>),
}

impl<'a> Rows<'a> {
    fn add(
        &mut self,
        id: i64,
        user: &'a NewUser,
        plan: &Plan,
        systems: &HashMap<String, (i64, crate::Policies)>,
    ) {
        if plan.add {
            self.say(Event::UserAdded, None, user);
        } else if plan.contacts || plan.locale {
            self.say(Event::UserChanged, None, user);
            self.locales.0.push(id);
            self.locales.1.push(&user.locale);
        }
        if plan.contacts {
            self.new_contacts_of.push(id);
            for (contact, position) in user.contacts.iter().zip(0_i32..) {
                self.contacts.0.push(id);
                self.contacts.1.push(position);
                self.contacts.2.push(contact.channel.as_str());
                self.contacts.3.push(&contact.address);
            }
        }
        if let Some(disabled) = plan.disabled {
            self.switched.0.push(id);
            self.switched.1.push(disabled);
            let event = if disabled { Event::UserDisabled } else { Event::UserEnabled };
            self.say(event, None, user);
        }
        for Assignment { system, method } in &plan.assign {
            if let Some((system_id, _)) = systems.get(system) {
                self.assigned.0.push(id);
                self.assigned.1.push(*system_id);
                self.assigned.2.push(method.as_str());
                self.say(Event::Assigned, Some(system), user);
            }
        }
        for system in &plan.unassign {
            self.unassigned.0.push(id);
            self.unassigned.1.push(system.clone());
            self.say(Event::Unassigned, Some(system), user);
        }
    }

    fn say(&mut self, event: Event, system: Option<&str>, user: &'a NewUser) {
        self.entries.0.push(event.as_str());
        self.entries.1.push(system.map(ToOwned::to_owned));
        self.entries.2.push(&user.auth_id);
    }

    async fn write(
        self,
        connection: &mut PgConnection,
        account: AccountId,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        if !self.unwanted.is_empty() {
            sqlx::query("DELETE FROM users WHERE id = ANY($1)")
                .bind(self.unwanted)
                .execute(&mut *connection)
                .await?;
        }
        if self.entries.0.is_empty() {
            return Ok(());
        }
        sqlx::query(
            "UPDATE users u SET locale = t.locale FROM unnest($1::bigint[], $2::text[]) t (id, locale)
             WHERE u.id = t.id",
        )
        .bind(self.locales.0)
        .bind(self.locales.1)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE users u SET disabled = t.disabled
             FROM unnest($1::bigint[], $2::boolean[]) t (id, disabled) WHERE u.id = t.id",
        )
        .bind(self.switched.0)
        .bind(self.switched.1)
        .execute(&mut *connection)
        .await?;
        sqlx::query("DELETE FROM contacts WHERE user_id = ANY($1)")
            .bind(self.new_contacts_of)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "INSERT INTO contacts (user_id, position, account_id, channel, address)
             SELECT t.id, t.position, $1, t.channel, t.address
             FROM unnest($2::bigint[], $3::integer[], $4::text[], $5::text[])
                 t (id, position, channel, address)",
        )
        .bind(account.0)
        .bind(self.contacts.0)
        .bind(self.contacts.1)
        .bind(self.contacts.2)
        .bind(self.contacts.3)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO assignments (user_id, system_id, account_id, method)
             SELECT t.id, t.system_id, $1, t.method
             FROM unnest($2::bigint[], $3::bigint[], $4::text[]) t (id, system_id, method)
             ON CONFLICT (user_id, system_id) DO UPDATE SET method = excluded.method",
        )
        .bind(account.0)
        .bind(self.assigned.0)
        .bind(self.assigned.1)
        .bind(self.assigned.2)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "DELETE FROM assignments a
             USING unnest($2::bigint[], $3::text[]) t (id, system), systems s
             WHERE s.account_id = $1 AND s.name = t.system AND a.user_id = t.id
               AND a.system_id = s.id",
        )
        .bind(account.0)
        .bind(self.unassigned.0)
        .bind(self.unassigned.1)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO audit (account_id, at, event, system, auth_id)
             SELECT $1, $2, t.event, t.system, t.auth_id
             FROM unnest($3::text[], $4::text[], $5::text[]) WITH ORDINALITY
                 t (event, system, auth_id, position) ORDER BY t.position",
        )
        .bind(account.0)
        .bind(now.as_millis())
        .bind(self.entries.0)
        .bind(self.entries.1)
        .bind(self.entries.2)
        .execute(connection)
        .await?;
        Ok(())
    }
}
