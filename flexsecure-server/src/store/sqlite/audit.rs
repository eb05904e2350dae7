use rusqlite::{Connection, params};

use crate::{
    StoreError, UnixMillis,
    store::{Entry, Event},
};

pub(super) fn record(
    connection: &Connection,
    entry: &Entry<'_>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit (account_id, at, event, system, auth_id, api_key, detail)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            entry.account.0,
            now.as_millis(),
            entry.event.as_str(),
            entry.system,
            entry.auth_id,
            entry.api_key,
            entry.detail,
        ])?;
    Ok(())
}

pub(super) fn record_challenge(
    connection: &Connection,
    challenge: i64,
    event: Event,
    detail: Option<&str>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip, detail)
             SELECT c.account_id, ?, ?, s.name, u.auth_id, c.id, c.ip, ?
             FROM challenges c JOIN systems s ON s.id = c.system_id
             JOIN users u ON u.id = c.user_id WHERE c.id = ?",
        )?
        .execute(params![now.as_millis(), event.as_str(), detail, challenge])?;
    Ok(())
}
