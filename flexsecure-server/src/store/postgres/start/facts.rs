use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    super::{groups::index_of, row},
    Starting,
};
use crate::{
    StoreError, UnixMillis,
    challenge::{Challenge, ContactFacts, NetworkFacts, SmsFacts, StartFacts, limits},
};

/// What there is when the user is locked.
pub(super) enum Found {
    /// It was started with the same key before.
    Same(Challenge),
    Nobody,
    Target {
        user: i64,
        system: i64,
        facts: StartFacts,
    },
}

/// For each of `wave`, which are indices of `group`.
pub(super) async fn find(
    connection: &mut PgConnection,
    group: &[Starting],
    wave: &[usize],
    now: UnixMillis,
) -> Result<Vec<(usize, Found)>, StoreError> {
    let requests = || wave.iter().filter_map(|&index| Some(&group.get(index)?.request));
    let hashes = requests().map(|request| request.idempotency_key_hash.as_ref());
    let networks = requests().map(|request| request.ip.and_then(limits::network));
    // The system is locked as a reference to it locks it, but before its policy is looked at: whoever switches that
    // off withdraws what was started before, and nothing is started afterwards.
    //
    // Only a pending challenge of the same binding counts: whoever gets the `txn` of another can take its approval.
    let rows = sqlx::query(concat!(
        "WITH asked AS MATERIALIZED (
             SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bytea[],
                     $6::text[], $7::text[], $8::text[]) WITH ORDINALITY
                 AS r (account_id, system, auth_id, api_key, key_hash, operation, binding, network,
                     position)
         ), target AS MATERIALIZED (
             SELECT r.position, t.* FROM asked r CROSS JOIN LATERAL (
                 SELECT u.id AS user_id, s.id AS system_id, a.method, o.sms_countries,
                     o.sms_daily_budget
                 FROM systems s
                 JOIN users u ON u.account_id = s.account_id AND u.auth_id = r.auth_id
                 JOIN assignments a ON a.user_id = u.id AND a.system_id = s.id
                 JOIN accounts o ON o.id = s.account_id
                 WHERE s.account_id = r.account_id AND s.name = r.system AND NOT u.disabled
                   AND CASE a.method WHEN 'pin' THEN s.pin ELSE s.passwordless END
                 FOR KEY SHARE OF s
             ) AS t
         )
         SELECT ",
        row::challenge_columns!(),
        ", c.same_key, t.user_id, t.system_id, t.method, t.sms_countries, t.sms_daily_budget,
             f.in_row, f.streak, f.last_at, n.starts, n.oldest,
             coalesce((SELECT d.count FROM sms_counts d
                       WHERE d.account_id = r.account_id AND d.prefix = '' AND d.day = $9), 0),
             k.channel, k.address,
             ARRAY(SELECT o.queued_at FROM outbox o
                   WHERE o.account_id = r.account_id AND o.address = k.address
                     AND o.queued_at > $10
                   ORDER BY o.queued_at DESC LIMIT $11),
             coalesce((SELECT d.count FROM sms_counts d
                       WHERE d.account_id = r.account_id AND d.prefix = left(k.address, $12)
                         AND d.day = $9), 0),
             r.position
         FROM asked r
         LEFT JOIN target t ON t.position = r.position
         CROSS JOIN LATERAL (
             SELECT count(*) AS starts, min(c.created_at) AS oldest FROM challenges c
             WHERE c.account_id = r.account_id AND c.network = r.network AND c.created_at > $13
         ) n
         LEFT JOIN LATERAL (
             SELECT c.*, TRUE AS same_key FROM challenges c
             WHERE c.id = (SELECT i.challenge_id FROM idempotency_keys i
                           WHERE i.api_key_id = r.api_key AND i.key_hash = r.key_hash)
               AND c.account_id = r.account_id AND c.expires_at > $14
             UNION ALL
             SELECT c.*, FALSE FROM challenges c
             WHERE c.user_id = t.user_id AND c.system_id = t.system_id
               AND c.operation = r.operation AND c.binding = r.binding AND c.state = 'pending'
             ORDER BY same_key DESC LIMIT 1
         ) c ON TRUE
         LEFT JOIN failures f ON f.user_id = t.user_id AND f.method = t.method
         LEFT JOIN contacts k ON k.user_id = t.user_id
         ORDER BY r.position, k.position",
    ))
    .bind(requests().map(|request| request.account.0).collect::<Vec<_>>())
    .bind(requests().map(|request| request.system.as_str()).collect::<Vec<_>>())
    .bind(requests().map(|request| request.auth_id.as_str()).collect::<Vec<_>>())
    .bind(requests().map(|request| request.api_key).collect::<Vec<_>>())
    .bind(hashes.map(|hash| hash.map(<[u8; 32]>::as_slice)).collect::<Vec<_>>())
    .bind(requests().map(|request| request.operation.as_str()).collect::<Vec<_>>())
    .bind(requests().map(|request| request.binding.as_str()).collect::<Vec<_>>())
    .bind(networks.collect::<Vec<_>>())
    .bind(limits::day(now).0)
    .bind(now.saturating_sub(limits::DAY).as_millis())
    .bind(i64::from(limits::SENT_LOOKED_AT))
    .bind(i32::try_from(limits::SMS_PREFIX).unwrap_or(i32::MAX))
    .bind(now.saturating_sub(limits::NETWORK_WINDOW).as_millis())
    .bind(now.as_millis())
    .fetch_all(connection)
    .await?;
    let mut found = Vec::with_capacity(wave.len());
    let position = |row: &PgRow| row.try_get::<i64, _>(POSITION).unwrap_or_default();
    for rows in rows.chunk_by(|one, next| position(one) == position(next)) {
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let index = wave.get(index_of(first.try_get(POSITION)?)).ok_or(StoreError::Undone)?;
        found.push((*index, parse(rows)?));
    }
    Ok(found)
}

fn parse(rows: &[PgRow]) -> sqlx::Result<Found> {
    const NEXT: usize = row::CHALLENGE_COLUMNS;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let challenge = match first.try_get::<Option<bool>, _>(NEXT)? {
        Some(true) => return Ok(Found::Same(row::challenge(first)?)),
        Some(false) => Some(row::challenge(first)?),
        None => None,
    };
    let Some(user) = first.try_get(NEXT + 1)? else { return Ok(Found::Nobody) };
    let mut contacts = Vec::with_capacity(rows.len());
    for row in rows {
        if row.try_get::<Option<&str>, _>(NEXT + 12)?.is_none() {
            continue;
        }
        let sent: Vec<i64> = row.try_get(NEXT + 14)?;
        contacts.push(ContactFacts {
            channel: row::channel(row, NEXT + 12)?,
            address: row.try_get(NEXT + 13)?,
            sent: sent.into_iter().map(UnixMillis::new).collect(),
            prefix_today: row::integer(row, NEXT + 15)?,
        });
    }
    let facts = StartFacts {
        method: row::method(first, NEXT + 3)?,
        failures: row::failures(first, NEXT + 6)?,
        pending: challenge,
        contacts,
        sms: SmsFacts {
            countries: first.try_get(NEXT + 4)?,
            daily_budget: row::count(first, NEXT + 5)?,
            today: row::integer(first, NEXT + 11)?,
        },
        network: NetworkFacts {
            starts: row::count(first, NEXT + 9)?,
            oldest: row::optional_moment(first, NEXT + 10)?,
        },
    };
    Ok(Found::Target { user, system: first.try_get(NEXT + 2)?, facts })
}

const POSITION: usize = row::CHALLENGE_COLUMNS + 16;
