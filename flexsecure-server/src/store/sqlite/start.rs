use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    audit::{record, record_challenge},
    keys::touch,
    row,
};
use crate::{
    Channel, Method, StoreError, UnixMillis,
    challenge::{
        Challenge, ContactFacts, Draft, NetworkFacts, SmsFacts, StartFacts, StartRequest,
        StartStep, State, limits, plan_start,
    },
    store::{Entry, Event, Kind, Start},
};

struct Target {
    user: i64,
    system: i64,
    method: Method,
    sms: SmsFacts,
}

pub(super) fn start(
    connection: &Connection,
    request: &StartRequest,
    draft: &Draft,
    now: UnixMillis,
) -> Result<Start, StoreError> {
    touch(connection, request.api_key, now)?;
    if let Some(challenge) = started_with_same_key(connection, request, now)? {
        return Ok(Start::Repeated(challenge));
    }
    let refused = |event, detail| Entry {
        system: Some(&request.system),
        auth_id: Some(&request.auth_id),
        detail,
        ..Entry::new(request.account, event)
    };
    let Some(target) = target(connection, request)? else {
        record(connection, &refused(Event::StartRefused, None), now)?;
        return Ok(Start::Refused);
    };
    let facts = facts(connection, request, &target, now)?;
    let plan = plan_start(&facts, now);
    if let (Some(ends), Some(pending)) = (plan.ends, &facts.pending) {
        end(connection, pending.id, ends, now)?;
    }
    let live = |challenge: i64| one(connection, challenge);
    let started = match (plan.step, &facts.pending) {
        (StartStep::Refuse, _) => {
            let entry = refused(Event::StartRefused, Some("method disabled"));
            record(connection, &entry, now)?;
            return Ok(Start::Refused);
        }
        (StartStep::Limit { limit, until }, _) => {
            record(connection, &refused(Event::StartLimited, Some(limit.as_str())), now)?;
            return Ok(Start::Limited { limit, until });
        }
        (StartStep::Repeat, Some(pending)) => Start::Repeated(pending.clone()),
        (StartStep::Resend { contact }, Some(pending)) => {
            connection
                .prepare_cached(
                    "UPDATE challenges SET sent_at = ?, sends = sends + 1 WHERE id = ?",
                )?
                .execute(params![now.as_millis(), pending.id])?;
            record_challenge(connection, pending.id, Event::ResendAsked, None, now)?;
            queue(connection, pending, facts.contacts.get(contact), Kind::Challenge, now)?;
            Start::Queued(live(pending.id)?)
        }
        (StartStep::Open { contact }, _) => {
            let challenge = insert(connection, request, draft, &target, now)?;
            record_challenge(connection, challenge.id, Event::Started, None, now)?;
            queue(connection, &challenge, facts.contacts.get(contact), Kind::Challenge, now)?;
            Start::Queued(challenge)
        }
        (StartStep::Repeat | StartStep::Resend { .. }, None) => return Ok(Start::Refused),
    };
    if let (Start::Repeated(challenge) | Start::Queued(challenge), Some(key_hash)) =
        (&started, &request.idempotency_key_hash)
    {
        connection
            .prepare_cached(
                "INSERT INTO idempotency_keys (api_key_id, key_hash, challenge_id) VALUES (?, ?, ?)
                 ON CONFLICT DO UPDATE SET challenge_id = excluded.challenge_id",
            )?
            .execute(params![request.api_key, key_hash, challenge.id])?;
    }
    Ok(started)
}

fn started_with_same_key(
    connection: &Connection,
    request: &StartRequest,
    now: UnixMillis,
) -> Result<Option<Challenge>, StoreError> {
    let Some(key_hash) = &request.idempotency_key_hash else { return Ok(None) };
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            " FROM idempotency_keys i JOIN challenges c ON c.id = i.challenge_id
              WHERE i.api_key_id = ? AND i.key_hash = ? AND c.account_id = ? AND c.expires_at > ?",
        ))?
        .query_row(
            params![request.api_key, key_hash, request.account.0, now.as_millis()],
            row::challenge,
        )
        .optional()?;
    Ok(found)
}

fn target(connection: &Connection, request: &StartRequest) -> Result<Option<Target>, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT u.id, s.id, a.method, o.sms_countries, o.sms_daily_budget
             FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = ?3
             JOIN assignments a ON a.user_id = u.id AND a.system_id = s.id
             JOIN accounts o ON o.id = s.account_id
             WHERE s.account_id = ?1 AND s.name = ?2 AND u.disabled = 0
               AND CASE a.method WHEN 'pin' THEN s.pin ELSE s.passwordless END",
        )?
        .query_row(params![request.account.0, request.system, request.auth_id], |row| {
            Ok(Target {
                user: row.get(0)?,
                system: row.get(1)?,
                method: row::method(row, 2)?,
                sms: SmsFacts { countries: row.get(3)?, daily_budget: row.get(4)?, today: 0 },
            })
        })
        .optional()?;
    Ok(found)
}

fn facts(
    connection: &Connection,
    request: &StartRequest,
    target: &Target,
    now: UnixMillis,
) -> Result<StartFacts, StoreError> {
    // Only the one of the same binding: whoever gets the `txn` of another can take its approval.
    let pending = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            " FROM challenges c WHERE c.user_id = ? AND c.system_id = ? AND c.operation = ?
              AND c.binding = ? AND c.state = 'pending'",
        ))?
        .query_row(
            params![target.user, target.system, request.operation, request.binding],
            row::challenge,
        )
        .optional()?;
    let mut contacts = connection
        .prepare_cached(
            "SELECT channel, address FROM contacts WHERE user_id = ? ORDER BY position",
        )?
        .query_map([target.user], |row| {
            Ok(ContactFacts {
                channel: row::channel(row, 0)?,
                address: row.get(1)?,
                sent: Vec::new(),
                prefix_today: 0,
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    let mut sms = target.sms.clone();
    for contact in &mut contacts {
        contact.sent = sent(connection, request, &contact.address, now)?;
        if contact.channel == Channel::Sms {
            sms.today = sms_today(connection, request, "", now)?;
            let prefix = limits::sms_prefix(&contact.address);
            contact.prefix_today = sms_today(connection, request, prefix, now)?;
        }
    }
    Ok(StartFacts {
        method: target.method,
        failures: failures(connection, target.user, target.method)?,
        pending,
        contacts,
        sms,
        network: network(connection, request, now)?,
    })
}

fn sent(
    connection: &Connection,
    request: &StartRequest,
    address: &str,
    now: UnixMillis,
) -> Result<Vec<UnixMillis>, StoreError> {
    let since = now.saturating_sub(limits::DAY).as_millis();
    let sent = connection
        .prepare_cached(
            "SELECT queued_at FROM outbox WHERE account_id = ? AND address = ? AND queued_at > ?
             ORDER BY queued_at DESC LIMIT ?",
        )?
        .query_map(params![request.account.0, address, since, limits::SENT_LOOKED_AT], |row| {
            row::moment(row, 0)
        })?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(sent)
}

fn sms_today(
    connection: &Connection,
    request: &StartRequest,
    prefix: &str,
    now: UnixMillis,
) -> Result<u32, StoreError> {
    let count = connection
        .prepare_cached(
            "SELECT count FROM sms_counts WHERE account_id = ? AND prefix = ? AND day = ?",
        )?
        .query_row(params![request.account.0, prefix, limits::day(now).0], |row| row.get(0))
        .optional()?;
    Ok(count.unwrap_or(0))
}

fn network(
    connection: &Connection,
    request: &StartRequest,
    now: UnixMillis,
) -> Result<NetworkFacts, StoreError> {
    let Some(network) = request.ip.and_then(limits::network) else {
        return Ok(NetworkFacts::default());
    };
    let since = now.saturating_sub(limits::NETWORK_WINDOW).as_millis();
    let facts = connection
        .prepare_cached(
            "SELECT count(*), min(created_at) FROM challenges
             WHERE account_id = ? AND network = ? AND created_at > ?",
        )?
        .query_row(params![request.account.0, network, since], |row| {
            Ok(NetworkFacts {
                starts: row.get(0)?,
                oldest: row.get::<_, Option<i64>>(1)?.map(UnixMillis::new),
            })
        })?;
    Ok(facts)
}

pub(super) fn failures(
    connection: &Connection,
    user: i64,
    method: Method,
) -> Result<limits::Failures, StoreError> {
    let found = connection
        .prepare_cached(
            "SELECT in_row, streak, last_at FROM failures WHERE user_id = ? AND method = ?",
        )?
        .query_row(params![user, method.as_str()], |row| {
            Ok(limits::Failures {
                in_row: row.get(0)?,
                streak: row.get(1)?,
                last_at: row::moment(row, 2)?,
            })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

fn insert(
    connection: &Connection,
    request: &StartRequest,
    draft: &Draft,
    target: &Target,
    now: UnixMillis,
) -> Result<Challenge, StoreError> {
    let link = target.method == Method::Passwordless;
    connection
        .prepare_cached(
            "INSERT INTO challenges (account_id, txn, system_id, user_id, operation, binding,
                 method, server_key, nonce, token_hash, match_number, ip, network, user_agent,
                 created_at, sent_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?15, ?16)",
        )?
        .execute(params![
            request.account.0,
            draft.txn,
            target.system,
            target.user,
            request.operation,
            request.binding,
            target.method.as_str(),
            draft.server_key,
            draft.nonce,
            link.then_some(draft.token_hash),
            link.then_some(draft.match_number.as_u8()),
            request.ip.map(|ip| ip.to_string()),
            request.ip.and_then(limits::network),
            request.user_agent,
            now.as_millis(),
            now.saturating_add(limits::life(target.method)).as_millis(),
        ])?;
    one(connection, connection.last_insert_rowid())
}

fn one(connection: &Connection, challenge: i64) -> Result<Challenge, StoreError> {
    let found = connection
        .prepare_cached(concat!(
            "SELECT ",
            row::challenge_columns!(),
            " FROM challenges c WHERE c.id = ?",
        ))?
        .query_row([challenge], row::challenge)?;
    Ok(found)
}

pub(super) fn end(
    connection: &Connection,
    challenge: i64,
    state: State,
    now: UnixMillis,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE challenges SET state = ?, ended_at = ? WHERE id = ? AND state = 'pending'",
        )?
        .execute(params![state.as_str(), now.as_millis(), challenge])?;
    let event = if state == State::Expired { Event::Expired } else { Event::Withdrawn };
    record_challenge(connection, challenge, event, None, now)
}

/// Queues a message, and counts it.
pub(super) fn queue(
    connection: &Connection,
    challenge: &Challenge,
    contact: Option<&ContactFacts>,
    kind: Kind,
    now: UnixMillis,
) -> Result<(), StoreError> {
    let Some(contact) = contact else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT INTO outbox (account_id, user_id, challenge_id, kind, channel, address,
                 queued_at, due_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )?
        .execute(params![
            challenge.account.0,
            challenge.user,
            challenge.id,
            kind.as_str(),
            contact.channel.as_str(),
            contact.address,
            now.as_millis(),
        ])?;
    if contact.channel == Channel::Sms {
        let mut count = connection.prepare_cached(
            "INSERT INTO sms_counts (account_id, prefix, day, count) VALUES (?, ?, ?, 1)
             ON CONFLICT DO UPDATE SET count = count + 1",
        )?;
        for prefix in ["", limits::sms_prefix(&contact.address)] {
            count.execute(params![challenge.account.0, prefix, limits::day(now).0])?;
        }
    }
    Ok(())
}
