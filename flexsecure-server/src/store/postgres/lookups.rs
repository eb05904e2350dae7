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
    store::{AccountId, Asked, CheckedChallenge, Lookup, StoredApiKey},
};

/// The columns that [`key`] reads, of a table called `k`.
macro_rules! key_columns {
    () => {
        "k.id, k.account_id, k.scopes, k.server_key, k.mac, \
         (SELECT s.name FROM systems s WHERE s.id = k.system_id), k.last_used_at"
    };
}

/// The live key that begins with `r.prefix`.
macro_rules! join_live_key {
    () => {
        "JOIN api_keys k ON k.prefix = r.prefix AND k.revoked_at IS NULL \
           AND (k.expires_at IS NULL OR k.expires_at > r.now)"
    };
}

/// The newest challenge of that account that `r` asks for.
macro_rules! newest_challenge {
    (of: $account:literal) => {
        concat!(
            "SELECT c.*, s.requires_txn FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = r.auth_id
             JOIN challenges c ON c.user_id = u.id AND c.system_id = s.id
             WHERE s.account_id = ",
            $account,
            " AND s.name = r.system AND NOT u.disabled AND (r.txn IS NULL OR c.txn = r.txn)
             ORDER BY c.id DESC LIMIT 1"
        )
    };
}

/// A check that wants to know how its challenge stands.
#[derive(Debug)]
pub(super) struct Looking {
    pub(super) account: AccountId,
    pub(super) asked: Sought,
}

/// [`Asked`], for as long as it waits for its turn.
#[derive(Debug)]
pub(super) struct Sought {
    system: String,
    auth_id: String,
    txn: Option<String>,
}

impl From<Asked<'_>> for Sought {
    fn from(asked: Asked<'_>) -> Self {
        Self {
            system: asked.system.to_owned(),
            auth_id: asked.auth_id.to_owned(),
            txn: asked.txn.map(str::to_owned),
        }
    }
}

impl Sought {
    fn asked(&self) -> Asked<'_> {
        Asked { system: &self.system, auth_id: &self.auth_id, txn: self.txn.as_deref() }
    }
}

#[async_trait]
impl Grouped for Looking {
    type Answer = Option<CheckedChallenge>;

    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError> {
        let lookups = group
            .iter()
            .map(|looking| Lookup { account: looking.account, asked: looking.asked.asked() });
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
         CROSS JOIN LATERAL (",
        newest_challenge!(of: "r.account_id"),
        ") c
         LEFT JOIN failures f ON f.user_id = c.user_id AND f.method = c.method",
    ))
    .bind(lookups.iter().map(|lookup| lookup.account.0).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.asked.system).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.asked.auth_id).collect::<Vec<_>>())
    .bind(lookups.iter().map(|lookup| lookup.asked.txn).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        let position = index_of(row.try_get(NEXT + 4)?);
        Ok((position, (checked(&row)?, row::failures(&row, NEXT + 1)?)))
    })
    .fetch_all(connection)
    .await?;
    Ok(found.into_iter().collect())
}

/// A check that comes with its key.
#[derive(Debug)]
pub(super) struct Polling {
    pub(super) presented: Presented,
    pub(super) asked: Sought,
}

#[async_trait]
impl Grouped for Polling {
    type Answer = Option<(StoredApiKey, Option<CheckedChallenge>)>;

    async fn carry_out(
        pool: &PgPool,
        group: &[Self],
    ) -> Result<Vec<Option<Self::Answer>>, StoreError> {
        const KEY: usize = row::CHALLENGE_COLUMNS + 1;
        let asked: Vec<_> = group.iter().map(|polling| polling.asked.asked()).collect();
        let presented = || group.iter().map(|polling| &polling.presented);
        let mut found = sqlx::query(concat!(
            "SELECT ",
            row::challenge_columns!(),
            ", c.requires_txn, ",
            key_columns!(),
            ", r.position
             FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[])
                 WITH ORDINALITY AS r (prefix, now, system, auth_id, txn, position)
             ",
            join_live_key!(),
            " LEFT JOIN LATERAL (",
            newest_challenge!(of: "k.account_id"),
            ") c ON TRUE",
        ))
        .bind(presented().map(|presented| presented.prefix.as_str()).collect::<Vec<_>>())
        .bind(presented().map(|presented| presented.now.as_millis()).collect::<Vec<_>>())
        .bind(asked.iter().map(|asked| asked.system).collect::<Vec<_>>())
        .bind(asked.iter().map(|asked| asked.auth_id).collect::<Vec<_>>())
        .bind(asked.iter().map(|asked| asked.txn).collect::<Vec<_>>())
        .try_map(|row: PgRow| {
            let checked = match row.try_get::<Option<i64>, _>(0)? {
                Some(_) => Some(checked(&row)?),
                None => None,
            };
            let position = index_of(row.try_get(KEY + KEY_COLUMNS)?);
            Ok((position, (key(&row, KEY)?, checked)))
        })
        .fetch_all(pool)
        .await?
        .into_iter()
        .collect::<BTreeMap<_, _>>();
        Ok((0..group.len()).map(|index| Some(found.remove(&index))).collect())
    }
}

fn checked(row: &PgRow) -> sqlx::Result<CheckedChallenge> {
    Ok(CheckedChallenge {
        challenge: row::challenge(row)?,
        requires_txn: row.try_get(row::CHALLENGE_COLUMNS)?,
    })
}

/// From its first column on.
fn key(row: &PgRow, first: usize) -> sqlx::Result<StoredApiKey> {
    let column = |index: usize| first.saturating_add(index);
    Ok(StoredApiKey {
        id: row.try_get(column(0))?,
        account: AccountId(row.try_get(column(1))?),
        scopes: row::parsed(row, column(2), Scopes::parse)?,
        server_key: row.try_get(column(3))?,
        mac: row.try_get(column(4))?,
        system: row.try_get(column(5))?,
        last_used_at: row::optional_moment(row, column(6))?,
    })
}

/// How many columns [`key`] takes.
const KEY_COLUMNS: usize = 7;

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
        let mut found = sqlx::query(concat!(
            "SELECT ",
            key_columns!(),
            ", r.position
             FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS r (prefix, now, position)
             ",
            join_live_key!(),
        ))
        .bind(group.iter().map(|presented| presented.prefix.as_str()).collect::<Vec<_>>())
        .bind(group.iter().map(|presented| presented.now.as_millis()).collect::<Vec<_>>())
        .try_map(|row: PgRow| Ok((index_of(row.try_get(KEY_COLUMNS)?), key(&row, 0)?)))
        .fetch_all(pool)
        .await?
        .into_iter()
        .collect::<BTreeMap<_, _>>();
        Ok((0..group.len()).map(|index| Some(found.remove(&index))).collect())
    }
}
