//! From columns to types. What a column can't hold is damage, and said to be.

use rusqlite::{Row, types::Type};

use crate::{
    Channel, Method, UnixMillis,
    challenge::{Challenge, MatchNumber, State},
};

/// The columns that [`challenge`] reads, of a table called `c`.
macro_rules! challenge_columns {
    () => {
        "c.id, c.account_id, c.user_id, c.txn, c.method, c.server_key, c.nonce, c.match_number, \
         c.expires_at, c.sent_at, c.sends, c.attempts, c.state, c.claimed"
    };
}
pub(super) use challenge_columns;

pub(super) fn challenge(row: &Row<'_>) -> rusqlite::Result<Challenge> {
    Ok(Challenge {
        id: row.get(0)?,
        account: crate::store::AccountId(row.get(1)?),
        user: row.get(2)?,
        txn: row.get(3)?,
        method: method(row, 4)?,
        server_key: row.get(5)?,
        nonce: row.get(6)?,
        match_number: row.get::<_, Option<u8>>(7)?.map(MatchNumber::stored),
        expires_at: moment(row, 8)?,
        sent_at: moment(row, 9)?,
        sends: row.get(10)?,
        attempts: row.get(11)?,
        state: parsed(row, 12, State::parse)?,
        claimed: row.get(13)?,
    })
}

/// How many columns [`challenge`] takes: what is selected besides comes after.
pub(super) const CHALLENGE_COLUMNS: usize = 14;

pub(super) fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<UnixMillis> {
    row.get(column).map(UnixMillis::new)
}

pub(super) fn optional_moment(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(UnixMillis::new))
}

pub(super) fn method(row: &Row<'_>, column: usize) -> rusqlite::Result<Method> {
    parsed(row, column, |text| text.parse().ok())
}

pub(super) fn channel(row: &Row<'_>, column: usize) -> rusqlite::Result<Channel> {
    parsed(row, column, Channel::parse)
}

pub(super) fn parsed<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    parse(text).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, "an unknown word".into())
    })
}
