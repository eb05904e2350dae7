use sqlx::PgConnection;

use super::{
    super::keys::{touched, touched_before},
    counted_under, end_event,
};
use crate::{
    StoreError, UnixMillis,
    challenge::{Challenge, ContactFacts, StartRequest, State, limits},
    store::Event,
};

/// One statement each. Of all of them `$1` is the account, `$2` the time, `$3` and `$4` the API key and when its use
/// needs no note, `$5` the hash of the idempotency key.
pub(super) struct Writing<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) request: &'a StartRequest,
    pub(super) now: UnixMillis,
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

    pub(super) async fn refuse(
        &mut self,
        event: Event,
        detail: Option<&'static str>,
        ends: Option<(i64, State)>,
    ) -> Result<(), StoreError> {
        self.query(concat!(
            "WITH ",
            touched!(now: "$2", before: "$4", keys: "ARRAY[$3::bigint]"),
            ", ended AS (
                 UPDATE challenges SET state = $8, ended_at = $2
                 WHERE id = $9 AND state = $13 RETURNING id, ip
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
        .bind(State::Pending.as_str())
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    pub(super) async fn repeat(
        &mut self,
        challenge: &Challenge,
        keyed: bool,
    ) -> Result<(), StoreError> {
        self.query(concat!(
            "WITH ",
            touched!(now: "$2", before: "$4", keys: "ARRAY[$3::bigint]"),
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

    pub(super) async fn resend(
        &mut self,
        pending: Challenge,
        contact: &ContactFacts,
    ) -> Result<Option<Challenge>, StoreError> {
        let query = self.query_to_queue(
            concat!(
                "WITH ",
                touched!(now: "$2", before: "$4", keys: "ARRAY[$3::bigint]"),
                ", changed AS (
                     UPDATE challenges SET sent_at = $2, sends = sends + 1
                     WHERE id = $12 AND state = $14 RETURNING id, account_id, user_id, ip
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
            .bind(State::Pending.as_str())
            .execute(&mut *self.connection)
            .await?
            .rows_affected()
            == 1;
        let sends = pending.sends.saturating_add(1);
        Ok(resent.then_some(Challenge { sent_at: self.now, sends, ..pending }))
    }
}
