use std::{collections::BTreeSet, path::Path};

use rusqlite::{Connection, OpenFlags};

use super::connection::migrations;
use crate::{StoreError, store::Condition};

pub(crate) fn condition(path: &Path) -> Result<Condition, StoreError> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let done: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let (done, known) = (done.unsigned_abs(), migrations());
    let mut server_keys = BTreeSet::new();
    if done > 0 {
        let mut statement = connection
            .prepare("SELECT DISTINCT server_key FROM api_keys WHERE revoked_at IS NULL")?;
        let ids = statement.query_map([], |row| row.get(0))?;
        server_keys = ids.collect::<Result<_, _>>()?;
    }
    Ok(Condition {
        missing: known.saturating_sub(done),
        unknown: done.saturating_sub(known),
        server_keys,
    })
}
