use async_trait::async_trait;
use rusqlite::{Connection, Row, TransactionBehavior, params_from_iter, types};
use tokio::sync::mpsc;

use super::{Sqlite, connection};
use crate::{
    StoreError,
    store::transfer::{
        BATCH, Batch, Counts, Kind, TABLES, Table, TransferError, TransferStore, Value, verify,
    },
};

#[async_trait]
impl TransferStore for Sqlite {
    async fn give(&self, batches: mpsc::Sender<Batch>) -> Result<(), StoreError> {
        self.read_much(move |connection| {
            // What is read is of the moment at which this one begins.
            let transaction = connection.unchecked_transaction()?;
            let mut counts = Counts::default();
            for (table, count) in TABLES.iter().zip(&mut counts) {
                *count = give_table(&transaction, table, &batches)?;
            }
            batches.blocking_send(Batch::End(counts)).map_err(|_| StoreError::Closed)
        })
        .await
    }

    /// By a connection of its own: the rows come when they come, and the writer is not to wait for them.
    async fn take(&self, batches: mpsc::Receiver<Batch>) -> Result<Counts, TransferError> {
        let path = self.readers.path().to_owned();
        tokio::task::spawn_blocking(move || take(&mut connection::open_writer(&path)?, batches))
            .await
            .map_err(StoreError::interrupted)?
    }
}

fn give_table(
    connection: &Connection,
    table: &'static Table,
    batches: &mpsc::Sender<Batch>,
) -> Result<u64, StoreError> {
    let sql = format!("SELECT {} FROM {}", table.column_list(), table.name);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut batch = Vec::with_capacity(BATCH);
    let mut count = 0_u64;
    while let Some(row) = rows.next()? {
        batch.push(values(row, table)?);
        count = count.saturating_add(1);
        if batch.len() == BATCH {
            let rows = std::mem::take(&mut batch);
            batches.blocking_send(Batch::Rows { table, rows }).map_err(|_| StoreError::Closed)?;
        }
    }
    let last = Batch::Rows { table, rows: batch };
    batches.blocking_send(last).map_err(|_| StoreError::Closed)?;
    Ok(count)
}

fn values(row: &Row<'_>, table: &Table) -> rusqlite::Result<Vec<Value>> {
    (0..)
        .zip(table.columns)
        .map(|(column, (_, kind))| {
            Ok(match (row.get(column)?, kind) {
                (types::Value::Null, _) => Value::Null,
                (types::Value::Integer(number), Kind::Boolean) => Value::Boolean(number != 0),
                (types::Value::Integer(number), _) => Value::Integer(number),
                (types::Value::Text(text), _) => Value::Text(text),
                (types::Value::Blob(bytes), _) => Value::Bytes(bytes),
                (real @ types::Value::Real(_), _) => {
                    let damage = "a number that is not whole".into();
                    let found = real.data_type();
                    return Err(rusqlite::Error::FromSqlConversionFailure(column, found, damage));
                }
            })
        })
        .collect()
}

fn take(
    connection: &mut Connection,
    mut batches: mpsc::Receiver<Batch>,
) -> Result<Counts, TransferError> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(StoreError::from)?;
    if let Some((table, _)) = TABLES.iter().zip(counts(&transaction)?).find(|(_, rows)| *rows > 0) {
        return Err(TransferError::NotEmpty { table: table.name });
    }
    while let Some(batch) = batches.blocking_recv() {
        match batch {
            Batch::Rows { table, rows } => take_rows(&transaction, table, rows)?,
            Batch::End(given) => {
                let taken = counts(&transaction)?;
                verify(&given, &taken)?;
                transaction.commit().map_err(StoreError::from)?;
                // A backup is one file, also if the one beside it gets lost.
                connection
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                    .map_err(StoreError::from)?;
                return Ok(taken);
            }
        }
    }
    Err(TransferError::Incomplete)
}

fn take_rows(
    connection: &Connection,
    table: &Table,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let places = vec!["?"; table.columns.len()].join(", ");
    let columns = table.column_list();
    let sql = format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name);
    let mut insert = connection.prepare_cached(&sql)?;
    for row in rows {
        insert.execute(params_from_iter(row.into_iter().map(bound)))?;
    }
    Ok(())
}

fn counts(connection: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for (table, count) in TABLES.iter().zip(&mut counts) {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let rows: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        *count = rows.unsigned_abs();
    }
    Ok(counts)
}

fn bound(value: Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Integer(number) => types::Value::Integer(number),
        Value::Boolean(on) => types::Value::Integer(on.into()),
        Value::Text(text) => types::Value::Text(text),
        Value::Bytes(bytes) => types::Value::Blob(bytes),
    }
}
