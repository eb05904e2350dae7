use sqlx::PgConnection;

use crate::{
    StoreError, UnixMillis,
    store::{Entry, Event},
};

pub(super) async fn record(
    connection: &mut PgConnection,
    entry: &Entry<'_>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (account_id, at, event, system, auth_id, api_key, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(entry.account.0)
    .bind(now.as_millis())
    .bind(entry.event.as_str())
    .bind(entry.system)
    .bind(entry.auth_id)
    .bind(entry.api_key)
    .bind(entry.detail)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn record_challenges(
    connection: &mut PgConnection,
    challenges: &[i64],
    event: Event,
    detail: Option<&str>,
    now: UnixMillis,
) -> Result<(), StoreError> {
    if challenges.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip, detail)
         SELECT c.account_id, $1, $2, s.name, u.auth_id, c.id, c.ip, $3
         FROM challenges c JOIN systems s ON s.id = c.system_id JOIN users u ON u.id = c.user_id
         WHERE c.id = ANY($4) ORDER BY c.id",
    )
    .bind(now.as_millis())
    .bind(event.as_str())
    .bind(detail)
    .bind(challenges)
    .execute(connection)
    .await?;
    Ok(())
}
