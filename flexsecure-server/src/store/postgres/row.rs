//! From columns to types. What a column can't hold is damage, and said to be.

use sqlx::{Row as _, postgres::PgRow};

use crate::{
    Channel, Method, UnixMillis,
    challenge::{Challenge, MatchNumber, State, limits::Failures},
    store::AccountId,
};

/// The columns that [`challenge`] reads, of a table called `c`.
macro_rules! challenge_columns {
    () => {
        "c.id, c.account_id, c.user_id, c.txn, c.method, c.server_key, c.nonce, c.match_number, \
         c.expires_at, c.sent_at, c.sends, c.attempts, c.state, c.claimed"
    };
}
pub(super) use challenge_columns;

pub(super) fn challenge(row: &PgRow) -> sqlx::Result<Challenge> {
    Ok(Challenge {
        id: row.try_get(0)?,
        account: AccountId(row.try_get(1)?),
        user: row.try_get(2)?,
        txn: row.try_get(3)?,
        method: method(row, 4)?,
        server_key: row.try_get(5)?,
        nonce: row.try_get(6)?,
        match_number: match row.try_get::<Option<i32>, _>(7)? {
            Some(number) => Some(MatchNumber::stored(fitting(7, number)?)),
            None => None,
        },
        expires_at: moment(row, 8)?,
        sent_at: moment(row, 9)?,
        sends: integer(row, 10)?,
        attempts: fitting(11, row.try_get::<i32, _>(11)?)?,
        state: parsed(row, 12, State::parse)?,
        claimed: row.try_get(13)?,
    })
}

/// How many columns [`challenge`] takes: what is selected besides comes after.
pub(super) const CHALLENGE_COLUMNS: usize = 14;

/// None, if there is no such row: `in_row`, `streak` and `last_at` from `column` on.
pub(super) fn failures(row: &PgRow, column: usize) -> sqlx::Result<Failures> {
    let [streak, last_at] = [1, 2].map(|further| column.saturating_add(further));
    if row.try_get::<Option<i32>, _>(column)?.is_none() {
        return Ok(Failures::default());
    }
    Ok(Failures {
        in_row: integer(row, column)?,
        streak: integer(row, streak)?,
        last_at: moment(row, last_at)?,
    })
}

pub(super) fn moment(row: &PgRow, column: usize) -> sqlx::Result<UnixMillis> {
    row.try_get(column).map(UnixMillis::new)
}

pub(super) fn optional_moment(row: &PgRow, column: usize) -> sqlx::Result<Option<UnixMillis>> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(UnixMillis::new))
}

/// Of an `INTEGER` that is never negative.
pub(super) fn integer(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    fitting(column, row.try_get::<i32, _>(column)?)
}

/// Of a `BIGINT` that is never negative.
pub(super) fn count(row: &PgRow, column: usize) -> sqlx::Result<u32> {
    fitting(column, row.try_get::<i64, _>(column)?)
}

pub(super) fn method(row: &PgRow, column: usize) -> sqlx::Result<Method> {
    parsed(row, column, |text| text.parse().ok())
}

pub(super) fn channel(row: &PgRow, column: usize) -> sqlx::Result<Channel> {
    parsed(row, column, Channel::parse)
}

pub(super) fn parsed<T>(
    row: &PgRow,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> sqlx::Result<T> {
    parse(row.try_get(column)?).ok_or_else(|| damaged(column, "an unknown word"))
}

fn fitting<T, U: TryFrom<T>>(column: usize, value: T) -> sqlx::Result<U> {
    U::try_from(value).map_err(|_| damaged(column, "a number out of range"))
}

fn damaged(column: usize, what: &'static str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_string(), source: what.into() }
}
