use async_trait::async_trait;
use sqlx::{AssertSqlSafe, PgConnection, PgTransaction, Row as _, postgres::PgRow};
use tokio::sync::mpsc;

use super::Postgres;
use crate::{
    StoreError,
    store::transfer::{
        BATCH, Batch, Counts, Kind, TABLES, Table, TransferError, TransferStore, Value, verify,
    },
};

#[async_trait]
impl TransferStore for Postgres {
    async fn give(&self, batches: mpsc::Sender<Batch>) -> Result<(), StoreError> {
        // What is read is of the moment at which this one begins.
        let mut transaction =
            self.pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        wait_patiently(&mut transaction).await?;
        let mut counts = Counts::default();
        for (table, count) in TABLES.iter().zip(&mut counts) {
            *count = give_table(&mut transaction, table, &batches).await?;
        }
        batches.send(Batch::End(counts)).await.map_err(|_| StoreError::Closed)
    }

    async fn take(&self, mut batches: mpsc::Receiver<Batch>) -> Result<Counts, TransferError> {
        let mut transaction = self.begin().await?;
        wait_patiently(&mut transaction).await?;
        let there = counts(&mut transaction).await?;
        if let Some((table, _)) = TABLES.iter().zip(there).find(|(_, rows)| *rows > 0) {
            return Err(TransferError::NotEmpty { table: table.name });
        }
        while let Some(batch) = batches.recv().await {
            match batch {
                Batch::Rows { table, rows } => take_rows(&mut transaction, table, rows).await?,
                Batch::End(given) => return finish(transaction, &given).await,
            }
        }
        Err(TransferError::Incomplete)
    }
}

/// The other database may be slow.
async fn wait_patiently(connection: &mut PgConnection) -> Result<(), StoreError> {
    for setting in
        ["SET LOCAL idle_in_transaction_session_timeout = 0", "SET LOCAL statement_timeout = 0"]
    {
        sqlx::query(setting).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn give_table(
    connection: &mut PgConnection,
    table: &'static Table,
    batches: &mpsc::Sender<Batch>,
) -> Result<u64, StoreError> {
    let columns = table.column_list();
    let cursor = format!("DECLARE {CURSOR} CURSOR FOR SELECT {columns} FROM {}", table.name);
    sqlx::raw_sql(AssertSqlSafe(cursor)).execute(&mut *connection).await?;
    let fetch = format!("FETCH FORWARD {BATCH} FROM {CURSOR}");
    let mut count = 0_u64;
    loop {
        // Not kept prepared: the cursor has other columns each time.
        let rows = sqlx::query(AssertSqlSafe(fetch.clone()))
            .persistent(false)
            .try_map(|row: PgRow| values(&row, table))
            .fetch_all(&mut *connection)
            .await?;
        let fetched = rows.len();
        count = count.saturating_add(u64::try_from(fetched).unwrap_or(u64::MAX));
        batches.send(Batch::Rows { table, rows }).await.map_err(|_| StoreError::Closed)?;
        if fetched < BATCH {
            break;
        }
    }
    let close = format!("CLOSE {CURSOR}");
    sqlx::raw_sql(AssertSqlSafe(close)).execute(connection).await?;
    Ok(count)
}

fn values(row: &PgRow, table: &Table) -> sqlx::Result<Vec<Value>> {
    (0..)
        .zip(table.columns)
        .map(|(column, (_, kind))| {
            Ok(match kind {
                Kind::Long => row.try_get::<Option<i64>, _>(column)?.map(Value::Integer),
                Kind::Integer => row
                    .try_get::<Option<i32>, _>(column)?
                    .map(|number| Value::Integer(number.into())),
                Kind::Boolean => row.try_get::<Option<bool>, _>(column)?.map(Value::Boolean),
                Kind::Text => row.try_get::<Option<String>, _>(column)?.map(Value::Text),
                Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(column)?.map(Value::Bytes),
            }
            .unwrap_or(Value::Null))
        })
        .collect()
}

async fn take_rows(
    connection: &mut PgConnection,
    table: &Table,
    rows: Vec<Vec<Value>>,
) -> Result<(), StoreError> {
    let columns = table.column_list();
    let places: Vec<_> = (1..=table.columns.len()).map(|number| format!("${number}")).collect();
    let places = places.join(", ");
    let mut insert = sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO {} ({columns}) SELECT * FROM unnest({places})",
        table.name
    )));
    let mut by_column: Vec<Vec<Value>> = table.columns.iter().map(|_| Vec::new()).collect();
    for row in rows {
        for (column, value) in by_column.iter_mut().zip(row) {
            column.push(value);
        }
    }
    for ((_, kind), column) in table.columns.iter().zip(by_column) {
        insert = match kind {
            Kind::Long | Kind::Integer => insert.bind(each(column, |value| integer(&value))),
            Kind::Boolean => insert.bind(each(column, |value| boolean(&value))),
            Kind::Text => insert.bind(each(column, storable_text)),
            Kind::Bytes => insert.bind(each(column, bytes)),
        };
    }
    insert.execute(connection).await?;
    Ok(())
}

fn each<T>(column: Vec<Value>, of: impl Fn(Value) -> Option<T>) -> Vec<Option<T>> {
    column.into_iter().map(of).collect()
}

fn integer(value: &Value) -> Option<i64> {
    if let Value::Integer(number) = value { Some(*number) } else { None }
}

fn boolean(value: &Value) -> Option<bool> {
    if let Value::Boolean(on) = value { Some(*on) } else { None }
}

/// PostgreSQL keeps every character but this one.
fn storable_text(value: Value) -> Option<String> {
    if let Value::Text(text) = value { Some(text.replace('\0', "")) } else { None }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    if let Value::Bytes(bytes) = value { Some(bytes) } else { None }
}

async fn finish(
    mut transaction: PgTransaction<'static>,
    given: &Counts,
) -> Result<Counts, TransferError> {
    let taken = counts(&mut transaction).await?;
    verify(given, &taken)?;
    for table in TABLES.iter().filter(|table| table.has_id) {
        let name = table.name;
        // What is added next comes after what was taken.
        let set = format!(
            "SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}
             HAVING max(id) IS NOT NULL"
        );
        sqlx::query(AssertSqlSafe(set))
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
    }
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(taken)
}

async fn counts(connection: &mut PgConnection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    for (table, count) in TABLES.iter().zip(&mut counts) {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let rows: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut *connection).await?;
        *count = rows.unsigned_abs();
    }
    Ok(counts)
}

const CURSOR: &str = "given_rows";
