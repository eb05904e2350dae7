use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{
    Postgres,
    keys::{touched, touched_before},
    retry::TRIES,
    row,
};
use crate::{
    Channel, Method, StoreError, UnixMillis,
    challenge::{
        Challenge, ContactFacts, Draft, NetworkFacts, SmsFacts, StartFacts, StartPlan,
        StartRequest, StartStep, State, limits, plan_start,
    },
    store::{Event, Start},
};

impl Postgres {
    pub(super) async fn start_once(
        &self,
        request: &StartRequest,
        draft: &Draft,
        now: UnixMillis,
    ) -> Result<Start, StoreError> {
        let mut transaction = self.begin().await?;
        lock(&mut transaction, request).await?;
        for _ in 0..TRIES {
            let found = find(&mut transaction, request, now).await?;
            if let Some(started) = carry_out(&mut transaction, request, draft, found, now).await? {
                transaction.commit().await?;
                return Ok(started);
            }
        }
        Err(StoreError::Undone)
    }
}

/// Locks the user, and then what limits count that other users share: his addresses, the network, and SMS.
///
/// The latter are locks of the transaction without a row; always in the same order, and after the user.
async fn lock(connection: &mut PgConnection, request: &StartRequest) -> Result<(), StoreError> {
    sqlx::query(
        "WITH locked AS MATERIALIZED (
             SELECT id FROM users WHERE account_id = $1 AND auth_id = $2 FOR NO KEY UPDATE
         )
         SELECT (SELECT count(pg_advisory_xact_lock(counter)) FROM (
             SELECT hashtextextended(shared.name, $1) AS counter FROM (
                 SELECT 'to ' || t.address FROM contacts t WHERE t.user_id = locked.id
                 UNION
                 SELECT t.channel FROM contacts t WHERE t.user_id = locked.id AND t.channel = 'sms'
                 UNION
                 SELECT 'from ' || $3 WHERE $3 IS NOT NULL
             ) AS shared (name) ORDER BY counter
         ) AS in_order)
         FROM locked",
    )
    .bind(request.account.0)
    .bind(&request.auth_id)
    .bind(request.ip.and_then(limits::network))
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// What there is when the user is locked.
enum Found {
    /// It was started with the same key before.
    Same(Challenge),
    Nobody,
    Target {
        user: i64,
        system: i64,
        facts: StartFacts,
    },
}

async fn find(
    connection: &mut PgConnection,
    request: &StartRequest,
    now: UnixMillis,
) -> Result<Found, StoreError> {
    // The system is locked as a reference to it locks it, but before its policy is looked at: whoever switches that
    // off withdraws what was started before, and nothing is started afterwards.
    //
    // Only a pending challenge of the same binding counts: whoever gets the `txn` of another can take its approval.
    let rows = sqlx::query(concat!(
        "WITH target AS MATERIALIZED (
             SELECT u.id AS user_id, s.id AS system_id, a.method, o.sms_countries,
                 o.sms_daily_budget
             FROM systems s
             JOIN users u ON u.account_id = s.account_id AND u.auth_id = $3
             JOIN assignments a ON a.user_id = u.id AND a.system_id = s.id
             JOIN accounts o ON o.id = s.account_id
             WHERE s.account_id = $1 AND s.name = $2 AND NOT u.disabled
               AND CASE a.method WHEN 'pin' THEN s.pin ELSE s.passwordless END
             FOR KEY SHARE OF s
         )
         SELECT ",
        row::challenge_columns!(),
        ", c.same_key, t.user_id, t.system_id, t.method, t.sms_countries, t.sms_daily_budget,
             f.in_row, f.streak, f.last_at, n.starts, n.oldest,
             coalesce((SELECT d.count FROM sms_counts d
                       WHERE d.account_id = $1 AND d.prefix = '' AND d.day = $9), 0),
             k.channel, k.address,
             ARRAY(SELECT o.queued_at FROM outbox o
                   WHERE o.account_id = $1 AND o.address = k.address AND o.queued_at > $10
                   ORDER BY o.queued_at DESC LIMIT $11),
             coalesce((SELECT d.count FROM sms_counts d
                       WHERE d.account_id = $1 AND d.prefix = left(k.address, $12)
                         AND d.day = $9), 0)
         FROM (SELECT count(*) AS starts, min(c.created_at) AS oldest FROM challenges c
               WHERE c.account_id = $1 AND c.network = $13 AND c.created_at > $14) n
         LEFT JOIN target t ON TRUE
         LEFT JOIN LATERAL (
             SELECT c.*, TRUE AS same_key
             FROM idempotency_keys i JOIN challenges c ON c.id = i.challenge_id
             WHERE i.api_key_id = $4 AND i.key_hash = $5 AND c.account_id = $1
               AND c.expires_at > $6
             UNION ALL
             SELECT c.*, FALSE FROM challenges c
             WHERE c.user_id = t.user_id AND c.system_id = t.system_id AND c.operation = $7
               AND c.binding = $8 AND c.state = 'pending'
             ORDER BY same_key DESC LIMIT 1
         ) c ON TRUE
         LEFT JOIN failures f ON f.user_id = t.user_id AND f.method = t.method
         LEFT JOIN contacts k ON k.user_id = t.user_id
         ORDER BY k.position",
    ))
    .bind(request.account.0)
    .bind(&request.system)
    .bind(&request.auth_id)
    .bind(request.api_key)
    .bind(request.idempotency_key_hash.as_ref().map(<[u8; 32]>::as_slice))
    .bind(now.as_millis())
    .bind(&request.operation)
    .bind(&request.binding)
    .bind(limits::day(now).0)
    .bind(now.saturating_sub(limits::DAY).as_millis())
    .bind(i64::from(limits::SENT_LOOKED_AT))
    .bind(i32::try_from(limits::SMS_PREFIX).unwrap_or(i32::MAX))
    .bind(request.ip.and_then(limits::network))
    .bind(now.saturating_sub(limits::NETWORK_WINDOW).as_millis())
    .fetch_all(connection)
    .await?;
    Ok(parse(&rows)?)
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

/// `None`: it was not as it had been found, and nothing was written.
async fn carry_out(
    connection: &mut PgConnection,
    request: &StartRequest,
    draft: &Draft,
    found: Found,
    now: UnixMillis,
) -> Result<Option<Start>, StoreError> {
    let mut writing = Writing { connection, request, now };
    let (user, system, facts) = match found {
        Found::Same(challenge) => {
            writing.repeat(&challenge, false).await?;
            return Ok(Some(Start::Repeated(challenge)));
        }
        Found::Nobody => {
            writing.refuse(Event::StartRefused, None, None).await?;
            return Ok(Some(Start::Refused));
        }
        Found::Target { user, system, facts } => (user, system, facts),
    };
    let StartPlan { ends, step } = plan_start(&facts, now);
    let ends = ends.and_then(|state| Some((facts.pending.as_ref()?.id, state)));
    Ok(match (step, facts.pending) {
        (StartStep::Limit { limit, until }, _) => {
            writing.refuse(Event::StartLimited, Some(limit.as_str()), ends).await?;
            Some(Start::Limited { limit, until })
        }
        (StartStep::Repeat, Some(pending)) => {
            writing.repeat(&pending, true).await?;
            Some(Start::Repeated(pending))
        }
        (StartStep::Resend { contact }, Some(pending)) => match facts.contacts.get(contact) {
            Some(contact) => writing.resend(pending, contact).await?.map(Start::Queued),
            None => Some(Start::Refused),
        },
        (StartStep::Open { contact }, _) => match facts.contacts.get(contact) {
            Some(contact) => {
                let target = Target { user, system, method: facts.method };
                writing.open(draft, &target, contact, ends).await?.map(Start::Queued)
            }
            None => Some(Start::Refused),
        },
        (StartStep::Refuse | StartStep::Repeat | StartStep::Resend { .. }, _) => {
            writing.refuse(Event::StartRefused, Some("method disabled"), ends).await?;
            Some(Start::Refused)
        }
    })
}

struct Target {
    user: i64,
    system: i64,
    method: Method,
}

/// One statement each. Of all of them `$1` is the account, `$2` the time, `$3` and `$4` the API key and when its use
/// needs no note, `$5` the hash of the idempotency key.
struct Writing<'a> {
    connection: &'a mut PgConnection,
    request: &'a StartRequest,
    now: UnixMillis,
}

/// Of what is `changed`, remembers by which key it was started.
macro_rules! keyed {
    () => {
        "keyed AS (
             INSERT INTO idempotency_keys (api_key_id, key_hash, challenge_id)
             SELECT $3, $5, c.id FROM changed c WHERE $5::bytea IS NOT NULL
             ON CONFLICT (api_key_id, key_hash) DO UPDATE SET challenge_id = excluded.challenge_id
         )"
    };
}

/// Of what is `changed`, queues a message by the channel `$8` to the address `$9`, and counts it under the prefixes
/// `$10` of the day `$11`.
macro_rules! queued {
    () => {
        "queued AS (
             INSERT INTO outbox (account_id, user_id, challenge_id, kind, channel, address,
                 queued_at, due_at)
             SELECT c.account_id, c.user_id, c.id, 'challenge', $8, $9, $2, $2 FROM changed c
         ), counted AS (
             INSERT INTO sms_counts (account_id, prefix, day, count)
             SELECT c.account_id, prefix, $11, 1 FROM changed c CROSS JOIN unnest($10) AS prefix
             ON CONFLICT (account_id, prefix, day) DO UPDATE SET count = sms_counts.count + 1
         )"
    };
}

type Query = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

impl Writing<'_> {
    /// The parameters that all have.
    fn query(&self, sql: &'static str) -> Query {
        let key_hash = self.request.idempotency_key_hash.map(Vec::from);
        sqlx::query(sql)
            .bind(self.request.account.0)
            .bind(self.now.as_millis())
            .bind(self.request.api_key)
            .bind(touched_before(self.now))
            .bind(key_hash)
    }

    /// Also those of what queues: `$6` and `$7` are the names of the system and the user.
    fn query_to_queue(&self, sql: &'static str, contact: &ContactFacts) -> Query {
        self.query(sql)
            .bind(self.request.system.clone())
            .bind(self.request.auth_id.clone())
            .bind(contact.channel.as_str())
            .bind(contact.address.clone())
            .bind(counted_under(contact.channel, &contact.address))
            .bind(limits::day(self.now).0)
    }

    async fn refuse(
        &mut self,
        event: Event,
        detail: Option<&'static str>,
        ends: Option<(i64, State)>,
    ) -> Result<(), StoreError> {
        self.query(concat!(
            "WITH ",
            touched!(),
            ", ended AS (
                 UPDATE challenges SET state = $8, ended_at = $2
                 WHERE id = $9 AND state = 'pending' RETURNING id, ip
             )
             INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip, detail)
             SELECT $1, $2, $10, $6, $7, e.id, e.ip, NULL FROM ended e
             UNION ALL
             SELECT $1, $2, $11, $6, $7, NULL, NULL, $12",
        ))
        .bind(self.request.system.clone())
        .bind(self.request.auth_id.clone())
        .bind(ends.map(|(_, state)| state.as_str()))
        .bind(ends.map(|(challenge, _)| challenge))
        .bind(ends.map(|(_, state)| end_event(state).as_str()))
        .bind(event.as_str())
        .bind(detail)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn repeat(&mut self, challenge: &Challenge, keyed: bool) -> Result<(), StoreError> {
        self.query(concat!(
            "WITH ",
            touched!(),
            ", changed AS (SELECT id FROM challenges WHERE id = $6 AND $7), ",
            keyed!(),
            " SELECT 1",
        ))
        .bind(challenge.id)
        .bind(keyed)
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    async fn resend(
        &mut self,
        pending: Challenge,
        contact: &ContactFacts,
    ) -> Result<Option<Challenge>, StoreError> {
        let query = self.query_to_queue(
            concat!(
                "WITH ",
                touched!(),
                ", changed AS (
                     UPDATE challenges SET sent_at = $2, sends = sends + 1
                     WHERE id = $12 AND state = 'pending' RETURNING id, account_id, user_id, ip
                 ), ",
                keyed!(),
                ", ",
                queued!(),
                " INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
                  SELECT $1, $2, $13, $6, $7, c.id, c.ip FROM changed c",
            ),
            contact,
        );
        let resent = query
            .bind(pending.id)
            .bind(Event::ResendAsked.as_str())
            .execute(&mut *self.connection)
            .await?
            .rows_affected()
            == 1;
        let sends = pending.sends.saturating_add(1);
        Ok(resent.then_some(Challenge { sent_at: self.now, sends, ..pending }))
    }

    /// The index of what is pending has room for the new one only after the old one has ended: it is inserted from
    /// what counts what has.
    async fn open(
        &mut self,
        draft: &Draft,
        target: &Target,
        contact: &ContactFacts,
        ends: Option<(i64, State)>,
    ) -> Result<Option<Challenge>, StoreError> {
        let query = self.query_to_queue(
            concat!(
                "WITH ",
                touched!(),
                ", ended AS (
                     UPDATE challenges SET state = $12, ended_at = $2
                     WHERE id = $13 AND state = 'pending' RETURNING id, ip
                 ), changed AS (
                     INSERT INTO challenges (account_id, txn, system_id, user_id, operation,
                         binding, method, server_key, nonce, token_hash, match_number, ip, network,
                         user_agent, created_at, sent_at, expires_at)
                     SELECT $1, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,
                         $2, $2, $28
                     FROM (SELECT count(*) FROM ended) AS after_it
                     RETURNING id, account_id, user_id, ip
                 ), ",
                keyed!(),
                ", ",
                queued!(),
                ", trail AS (
                     INSERT INTO audit (account_id, at, event, system, auth_id, challenge_id, ip)
                     SELECT $1, $2, $14, $6, $7, e.id, e.ip FROM ended e
                     UNION ALL
                     SELECT $1, $2, $29, $6, $7, c.id, c.ip FROM changed c
                 )
                 SELECT id FROM changed",
            ),
            contact,
        );
        let link = target.method == Method::Passwordless;
        let expires_at = self.now.saturating_add(limits::life(target.method));
        let request = self.request;
        let id: i64 = query
            .bind(ends.map(|(_, state)| state.as_str()))
            .bind(ends.map(|(challenge, _)| challenge))
            .bind(ends.map(|(_, state)| end_event(state).as_str()))
            .bind(draft.txn.clone())
            .bind(target.system)
            .bind(target.user)
            .bind(request.operation.clone())
            .bind(request.binding.clone())
            .bind(target.method.as_str())
            .bind(draft.server_key.clone())
            .bind(Vec::from(draft.nonce))
            .bind(link.then(|| Vec::from(draft.token_hash)))
            .bind(link.then(|| i32::from(draft.match_number.as_u8())))
            .bind(request.ip.map(|ip| ip.to_string()))
            .bind(request.ip.and_then(limits::network))
            .bind(request.user_agent.as_deref().map(storable))
            .bind(expires_at.as_millis())
            .bind(Event::Started.as_str())
            .fetch_one(&mut *self.connection)
            .await?
            .try_get(0)?;
        Ok(Some(Challenge {
            id,
            account: request.account,
            user: target.user,
            txn: draft.txn.clone(),
            method: target.method,
            server_key: draft.server_key.clone(),
            nonce: Vec::from(draft.nonce),
            match_number: link.then_some(draft.match_number),
            expires_at,
            sent_at: self.now,
            sends: 1,
            attempts: 0,
            state: State::Pending,
            claimed: false,
        }))
    }
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

/// PostgreSQL keeps every character but this one.
fn storable(text: &str) -> String {
    text.replace('\0', "")
}
