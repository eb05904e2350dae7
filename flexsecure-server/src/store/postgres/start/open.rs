use sqlx::PgConnection;

use super::{
    super::{
        groups::index_of,
        keys::{touched, touched_before},
    },
    Starting, end_event,
};
use crate::{
    Method, StoreError, UnixMillis,
    challenge::{Challenge, ContactFacts, State, limits},
    store::{Event, Start},
};

pub(super) struct Target {
    pub(super) user: i64,
    pub(super) system: i64,
    pub(super) method: Method,
}

/// A challenge that is to be.
pub(super) struct Opening<'a> {
    pub(super) index: usize,
    pub(super) starting: &'a Starting,
    pub(super) target: Target,
    pub(super) contact: ContactFacts,
    /// What ends before it, and how.
    pub(super) ends: Option<(i64, State)>,
}

impl Opening<'_> {
    fn is_link(&self) -> bool {
        self.target.method == Method::Passwordless
    }

    fn expires_at(&self, now: UnixMillis) -> UnixMillis {
        now.saturating_add(limits::life(self.target.method))
    }

    fn challenge(&self, id: i64, now: UnixMillis) -> Challenge {
        let Starting { request, draft, .. } = self.starting;
        Challenge {
            id,
            account: request.account,
            user: self.target.user,
            txn: draft.txn.clone(),
            method: self.target.method,
            server_key: draft.server_key.clone(),
            nonce: Vec::from(draft.nonce),
            match_number: self.is_link().then_some(draft.match_number),
            expires_at: self.expires_at(now),
            sent_at: now,
            sends: 1,
            attempts: 0,
            state: State::Pending,
            claimed: false,
        }
    }
}

/// Opens them all, with their messages, in one statement.
///
/// The index of what is pending has room for the new one only after the old one has ended: it is inserted from what
/// counts what has.
pub(super) async fn open(
    connection: &mut PgConnection,
    openings: Vec<Opening<'_>>,
    now: UnixMillis,
) -> Result<Vec<(usize, Start)>, StoreError> {
    if openings.is_empty() {
        return Ok(Vec::new());
    }
    let each = || openings.iter();
    let requests = || openings.iter().map(|opening| &opening.starting.request);
    let drafts = || openings.iter().map(|opening| &opening.starting.draft);
    let opened: Vec<(i64, i64)> = sqlx::query_as(concat!(
        "WITH asked AS MATERIALIZED (
             SELECT * FROM unnest($3::bigint[], $4::bigint[], $5::bytea[], $6::text[], $7::text[],
                     $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
                     $13::text[], $14::bigint[], $15::bigint[], $16::text[], $17::text[],
                     $18::text[], $19::text[], $20::bytea[], $21::bytea[], $22::integer[],
                     $23::text[], $24::text[], $25::text[], $26::bigint[]) WITH ORDINALITY
                 AS r (account_id, api_key, key_hash, system, auth_id, channel, address,
                     end_state, ends, end_event, txn, system_id, user_id, operation, binding,
                     method, server_key, nonce, token_hash, match_number, ip, network, user_agent,
                     expires_at, position)
         ), ",
        touched!(now: "$1", before: "$2", keys: "$4"),
        ", ended AS (
             UPDATE challenges c SET state = r.end_state, ended_at = $1 FROM asked r
             WHERE c.id = r.ends AND c.state = $30 RETURNING c.id, c.ip, r.position
         ), changed AS (
             INSERT INTO challenges (account_id, txn, system_id, user_id, operation, binding,
                 method, server_key, nonce, token_hash, match_number, ip, network, user_agent,
                 created_at, sent_at, expires_at)
             SELECT r.account_id, r.txn, r.system_id, r.user_id, r.operation, r.binding, r.method,
                 r.server_key, r.nonce, r.token_hash, r.match_number, r.ip, r.network,
                 r.user_agent, $1, $1, r.expires_at
             FROM asked r CROSS JOIN (SELECT count(*) FROM ended) AS after_it ORDER BY r.position
             RETURNING id, txn
         ), opened AS MATERIALIZED (
             SELECT c.id AS challenge_id, r.* FROM changed c JOIN asked r ON r.txn = c.txn
         ), keyed AS (
             INSERT INTO idempotency_keys (api_key_id, key_hash, challenge_id)
             SELECT o.api_key, o.key_hash, o.challenge_id FROM opened o
             WHERE o.key_hash IS NOT NULL ORDER BY o.api_key, o.key_hash
             ON CONFLICT (api_key_id, key_hash) DO UPDATE SET challenge_id = excluded.challenge_id
         ), queued AS (
             INSERT INTO outbox (account_id, user_id, challenge_id, kind, channel, address,
                 queued_at, due_at)
             SELECT o.account_id, o.user_id, o.challenge_id, 'challenge', o.channel, o.address, $1,
                 $1 FROM opened o ORDER BY o.position
         ), counted AS (
             INSERT INTO sms_counts (account_id, prefix, day, count)
             SELECT o.account_id, p.prefix, $27, count(*)
             FROM opened o CROSS JOIN LATERAL (VALUES (''), (left(o.address, $28))) AS p (prefix)
             WHERE o.channel = 'sms' GROUP BY o.account_id, p.prefix ORDER BY o.account_id, p.prefix
             ON CONFLICT (account_id, prefix, day)
             DO UPDATE SET count = sms_counts.count + excluded.count
         ), trail AS (
             INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
             SELECT r.account_id, $1, t.event, r.system, r.auth_id, t.challenge_id, t.ip
             FROM (SELECT e.position, 1 AS step, r.end_event AS event, e.id AS challenge_id, e.ip
                   FROM ended e JOIN asked r USING (position)
                   UNION ALL
                   SELECT o.position, 2, $29, o.challenge_id, o.ip FROM opened o) AS t
             JOIN asked r USING (position) ORDER BY t.position, t.step
         )
         SELECT o.position, o.challenge_id FROM opened o"
    ))
    .bind(now.as_millis())
    .bind(touched_before(now))
    .bind(requests().map(|request| request.account.0).collect::<Vec<_>>())
    .bind(requests().map(|request| request.api_key).collect::<Vec<_>>())
    .bind(
        requests()
            .map(|request| request.idempotency_key_hash.as_ref().map(<[u8; 32]>::as_slice))
            .collect::<Vec<_>>(),
    )
    .bind(requests().map(|request| request.system.as_str()).collect::<Vec<_>>())
    .bind(requests().map(|request| request.auth_id.as_str()).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.contact.channel.as_str()).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.contact.address.as_str()).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.ends.map(|(_, state)| state.as_str())).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.ends.map(|(id, _)| id)).collect::<Vec<_>>())
    .bind(
        each()
            .map(|opening| opening.ends.map(|(_, state)| end_event(state).as_str()))
            .collect::<Vec<_>>(),
    )
    .bind(drafts().map(|draft| draft.txn.as_str()).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.target.system).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.target.user).collect::<Vec<_>>())
    .bind(requests().map(|request| request.operation.as_str()).collect::<Vec<_>>())
    .bind(requests().map(|request| request.binding.as_str()).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.target.method.as_str()).collect::<Vec<_>>())
    .bind(drafts().map(|draft| draft.server_key.as_str()).collect::<Vec<_>>())
    .bind(drafts().map(|draft| draft.nonce.as_slice()).collect::<Vec<_>>())
    .bind(
        each()
            .map(|opening| {
                opening.is_link().then_some(opening.starting.draft.token_hash.as_slice())
            })
            .collect::<Vec<_>>(),
    )
    .bind(
        each()
            .map(|opening| {
                opening.is_link().then(|| i32::from(opening.starting.draft.match_number.as_u8()))
            })
            .collect::<Vec<_>>(),
    )
    .bind(requests().map(|request| request.ip.map(|ip| ip.to_string())).collect::<Vec<_>>())
    .bind(requests().map(|request| request.ip.and_then(limits::network)).collect::<Vec<_>>())
    .bind(requests().map(|request| request.user_agent.as_deref().map(storable)).collect::<Vec<_>>())
    .bind(each().map(|opening| opening.expires_at(now).as_millis()).collect::<Vec<_>>())
    .bind(limits::day(now).0)
    .bind(i32::try_from(limits::SMS_PREFIX).unwrap_or(i32::MAX))
    .bind(Event::Started.as_str())
    .bind(State::Pending.as_str())
    .fetch_all(connection)
    .await?;
    let started = opened.into_iter().filter_map(|(position, id)| {
        let opening = openings.get(index_of(position))?;
        Some((opening.index, Start::Queued(opening.challenge(id, now))))
    });
    Ok(started.collect())
}

/// PostgreSQL keeps every character but this one.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}
