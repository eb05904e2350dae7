//! Starts, for several at once.
//!
//! | file | role |
//! | --- | --- |
//! | `facts` | what a start is decided by |
//! | `open` | new challenges with their messages |
//! | `writing` | what becomes of the others |

mod facts;
mod open;
mod writing;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};

use self::{
    facts::{Found, find},
    open::{Opening, Target, open},
    writing::Writing,
};
use super::groups::{Grouped, begin, index_of, rounds, wave};
use crate::{
    Channel, StoreError, UnixMillis,
    challenge::{Draft, StartPlan, StartRequest, StartStep, State, limits, plan_start},
    store::{Event, Start},
};

/// A start that waits for its transaction.
#[derive(Debug)]
pub(super) struct Starting {
    pub(super) request: Arc<StartRequest>,
    pub(super) draft: Draft,
    pub(super) now: UnixMillis,
}

#[async_trait]
impl Grouped for Starting {
    type Answer = Start;

    async fn carry_out(pool: &PgPool, group: &[Self]) -> Result<Vec<Option<Start>>, StoreError> {
        let now = group.iter().map(|starting| starting.now).max().unwrap_or_default();
        let mut transaction = begin(pool, group.len()).await?;
        let counters = lock(&mut transaction, group).await?;
        let mut started: BTreeMap<usize, Option<Start>> = BTreeMap::new();
        let mut left: Vec<usize> = (0..group.len()).collect();
        for _ in 0..rounds(group.len()) {
            let wave = wave(&left, |index| {
                let counters = counters.get(&index).map(Vec::as_slice).unwrap_or_default();
                group.get(index).map(|starting| shared(starting, counters)).unwrap_or_default()
            });
            let mut found = find(&mut transaction, group, &wave, now).await?;
            found.retain(|(index, found)| {
                let is_left_out =
                    matches!(found, Found::Target { .. }) && !counters.contains_key(index);
                if is_left_out {
                    started.insert(*index, None);
                }
                !is_left_out
            });
            let done = carry_out(&mut transaction, group, found, now).await?;
            started.extend(done.into_iter().map(|(index, start)| (index, Some(start))));
            left.retain(|index| !started.contains_key(index));
            if left.is_empty() {
                transaction.commit().await?;
                return Ok(started.into_values().collect());
            }
        }
        Err(StoreError::Undone)
    }
}

/// What two starts of a group may not share if both are decided by what was found at the same time.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Shared<'a> {
    User(i64, &'a str),
    IdempotencyKey(i64, &'a [u8; 32]),
    Counter(i64),
}

fn shared<'a>(starting: &'a Starting, counters: &[i64]) -> Vec<Shared<'a>> {
    let request = &starting.request;
    let user = Shared::User(request.account.0, &request.auth_id);
    let key = request.idempotency_key_hash.as_ref();
    let key = key.map(|hash| Shared::IdempotencyKey(request.api_key, hash));
    counters.iter().copied().map(Shared::Counter).chain([user]).chain(key).collect()
}

/// Locks users, and the counters of those whom it has locked.
macro_rules! lock {
    ($others:literal) => {
        concat!(
            "WITH locked AS MATERIALIZED (
             SELECT u.id, r.position, r.account_id, r.network
             FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY
                 AS r (account_id, auth_id, network, position)
             JOIN users u ON u.id = (SELECT n.id FROM users n
                                     WHERE n.account_id = r.account_id AND n.auth_id = r.auth_id)
             ORDER BY u.id FOR NO KEY UPDATE OF u ",
            $others,
            "
         ), counters AS MATERIALIZED (
             SELECT l.position, hashtextextended(shared.name, l.account_id) AS counter
             FROM locked l CROSS JOIN LATERAL (
                 SELECT 'to ' || t.address FROM contacts t WHERE t.user_id = l.id
                 UNION
                 SELECT t.channel FROM contacts t WHERE t.user_id = l.id AND t.channel = 'sms'
                 UNION
                 SELECT 'from ' || l.network WHERE l.network IS NOT NULL
             ) AS shared (name)
         ), taken AS MATERIALIZED (
             SELECT count(pg_advisory_xact_lock(in_order.counter)) FROM
                 (SELECT DISTINCT c.counter FROM counters c ORDER BY c.counter) AS in_order
         )
         SELECT l.position, array_remove(array_agg(c.counter), NULL)
         FROM locked l CROSS JOIN taken LEFT JOIN counters c ON c.position = l.position
         GROUP BY l.position"
        )
    };
}

/// Locks the users, and then what limits count that other users share: their addresses, the networks, and SMS.
///
/// The latter are locks of the transaction without a row, and are returned; always in the same order, and after the
/// users. Of several, only those are locked whom nobody else has: none is kept waiting by another's row.
async fn lock(
    connection: &mut PgConnection,
    group: &[Starting],
) -> Result<BTreeMap<usize, Vec<i64>>, StoreError> {
    let requests = || group.iter().map(|starting| &starting.request);
    let networks = requests().map(|request| request.ip.and_then(limits::network));
    let sql = if group.len() > 1 { lock!("SKIP LOCKED") } else { lock!("") };
    let locked: Vec<(i64, Vec<i64>)> = sqlx::query_as(sql)
        .bind(requests().map(|request| request.account.0).collect::<Vec<_>>())
        .bind(requests().map(|request| request.auth_id.as_str()).collect::<Vec<_>>())
        .bind(networks.collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    Ok(locked.into_iter().map(|(position, counters)| (index_of(position), counters)).collect())
}

/// Those that are not as they were found any more are left out, and nothing is written for them.
async fn carry_out(
    connection: &mut PgConnection,
    group: &[Starting],
    found: Vec<(usize, Found)>,
    now: UnixMillis,
) -> Result<Vec<(usize, Start)>, StoreError> {
    let mut started = Vec::with_capacity(found.len());
    let mut openings = Vec::with_capacity(found.len());
    for (index, found) in found {
        let starting = group.get(index).ok_or(StoreError::Undone)?;
        let mut writing = Writing { connection: &mut *connection, request: &starting.request, now };
        let (user, system, facts) = match found {
            Found::Same(challenge) => {
                writing.repeat(&challenge, false).await?;
                started.push((index, Start::Repeated(challenge)));
                continue;
            }
            Found::Nobody => {
                writing.refuse(Event::StartRefused, None, None).await?;
                started.push((index, Start::Refused));
                continue;
            }
            Found::Target { user, system, facts } => (user, system, facts),
        };
        let StartPlan { ends, step } = plan_start(&facts, now);
        let ends = ends.and_then(|state| Some((facts.pending.as_ref()?.id, state)));
        let contact = match step {
            StartStep::Open { contact } | StartStep::Resend { contact } => {
                facts.contacts.into_iter().nth(contact)
            }
            StartStep::Refuse | StartStep::Repeat | StartStep::Limit { .. } => None,
        };
        let start = match (step, facts.pending, contact) {
            (StartStep::Open { .. }, _, Some(contact)) => {
                let target = Target { user, system, method: facts.method };
                openings.push(Opening { index, starting, target, contact, ends });
                continue;
            }
            (StartStep::Resend { .. }, Some(pending), Some(contact)) => {
                writing.resend(pending, &contact).await?.map(Start::Queued)
            }
            (StartStep::Repeat, Some(pending), _) => {
                writing.repeat(&pending, true).await?;
                Some(Start::Repeated(pending))
            }
            (StartStep::Limit { limit, until }, ..) => {
                writing.refuse(Event::StartLimited, Some(limit.as_str()), ends).await?;
                Some(Start::Limited { limit, until })
            }
            (
                StartStep::Refuse
                | StartStep::Repeat
                | StartStep::Resend { .. }
                | StartStep::Open { .. },
                ..,
            ) => {
                writing.refuse(Event::StartRefused, Some("method disabled"), ends).await?;
                Some(Start::Refused)
            }
        };
        started.extend(start.map(|start| (index, start)));
    }
    started.extend(open(connection, openings, now).await?);
    Ok(started)
}

/// Both are locked by whoever counts: the first one first.
pub(super) fn counted_under(channel: Channel, address: &str) -> Vec<String> {
    match channel {
        Channel::Email => Vec::new(),
        Channel::Sms => vec![String::new(), limits::sms_prefix(address).to_owned()],
    }
}

fn end_event(state: State) -> Event {
    if state == State::Expired { Event::Expired } else { Event::Withdrawn }
}
