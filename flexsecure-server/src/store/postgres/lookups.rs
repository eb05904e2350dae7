//! What is only looked at, by every request.

use std::collections::BTreeMap;

use async_trait::async_trait;
use sqlx::{PgExecutor, PgPool, Row as _, postgres::PgRow};

use super::{
    groups::{Grouped, index_of},
    row,
};
use crate::{
    Scopes, StoreError, UnixMillis,
    challenge::limits::Failures,
    store::{AccountId, CheckedChallenge, Lookup, StoredApiKey},
};

/// A check that wants to know how its challenge stands.
#[derive(Debug)]
pub(super) struct Looking {
    pub(super) account: AccountId,
    pub(super) system: String,
    pub(super) auth_id: String,
    pub(super) txn: Option<String>,
}

#[async_trait]
impl Grouped for Looking {
    type Answer = Option<CheckedChallenge>;

    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError> {
        let lookups = group.iter().map(|looking| Lookup {
            account: looking.account,
            system: &looking.system,
            auth_id: &looking.auth_id,
            txn: looking.txn.as_deref(),
        });
        let mut found = find(pool, &lookups.collect::<Vec<_>>()).await?;
        let checked =
            (0..group.len()).map(|index| found.remove(&index).map(|(checked, _)| checked));
        Ok(checked.map(Some).collect())
    }
}

/// The newest challenge that is meant, and the failures of its user; by the index of the look-up.
pub(super) async fn find(
    connection: impl PgExecutor<'_>,
    lookups: &[Lookup<'_>],
) -> Result<BTreeMap<usize, (CheckedChallenge, Failures)>, StoreError> {
    const NEXT: usize = row::CHALLENGE_COLUMNS;
    let found = sqlx::query(concat!(
        "SELECT ",
        row::challenge_columns!(),
        ", c.requires_txn, f.in_row, f.streak, f.last_at, r.position
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY
             AS r (account_id, system, auth_id, txn, position)
         CROSS JOIN LATERAL (
             SELECT c.*, s.requires_txn FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = r.auth_id
             JOIN challenges c ON c.user_id = u.id AND c.system_id = s.id
             WHERE s.account_id = r.account_id AND s.name = r.system AND NOT u.disabled
               AND (r.txn IS NULL OR c.txn = r.txn)
             ORDER BY c.id DESC LIMIT 1
         ) c
         LEFT JOIN failures f ON f.user_id = c.user_id AND f.method = c.method",
    ))
    .bind(lookups.iter().map(|lookup| lookup.account.0).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.system).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.auth_id).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.txn).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        let checked =
            CheckedChallenge { challenge: row::challenge(&row)?, requires_txn: row.try_get(NEXT)? };
        let position = index_of(row.try_get(NEXT + 4)?);
        Ok((position, (checked, row::failures(&row, NEXT + 1)?)))
    })
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}

/// An API key that came, by what it begins with.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) prefix: String,
    pub(super) now: UnixMillis,
}

#[async_trait]
impl Grouped for Presented {
    /// None, if it is not live.
    type Answer = Option<StoredApiKey>;

    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError> {
        let mut found = sqlx::query(
            "SELECT k.id, k.account_id, k.scopes, k.server_key, k.mac,
                 (SELECT s.name FROM systems s WHERE s.id = k.system_id), k.last_used_at, r.position
             FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS r (prefix, now, position)
             JOIN api_keys k ON k.prefix = r.prefix AND k.revoked_at IS NULL
               AND (k.expires_at IS NULL OR k.expires_at > r.now)",
        )
        .bind(group.iter().map(|presented| presented.prefix.as_str()).collect::<Vec<_>>())
        .bind(group.iter().map(|presented| presented.now.as_millis()).collect::<Vec<_>>())
        .try_map(|row: PgRow| {
            let key = StoredApiKey {
                id: row.try_get(0)?,
                account: AccountId(row.try_get(1)?),
                scopes: row::parsed(&row, 2, Scopes::parse)?,
                server_key: row.try_get(3)?,
                mac: row.try_get(4)?,
                system: row.try_get(5)?,
                last_used_at: row::optional_moment(&row, 6)?,
            };
            Ok((index_of(row.try_get(7)?), key))
        })
        .fetch_all(pool)
        .await?
        .into_iter()
        .collect::<BTreeMap<_, _>>();
        Ok((0..group.len()).map(|index| Some(found.remove(&index))).collect())
    }
}
