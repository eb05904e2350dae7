use std::sync::mpsc::channel;

use rusqlite::params;

use super::*;
use crate::store::sqlite::connection::open_writer;

/// A table in which a row has a number and a length, and how much fits in beside.
fn with_room_for(pages: i64) -> (Writer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let connection = open_writer(&folder.path().join("flexsecure.db")).unwrap();
    connection.execute_batch("CREATE TABLE rows (number INTEGER, filling BLOB)").unwrap();
    let used: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection
        .pragma_update_and_check(None, "max_page_count", used.saturating_add(pages), |_| Ok(()))
        .unwrap();
    (Writer::spawn(connection).unwrap(), folder)
}

async fn add(writer: &Writer, number: i64, length: i64) -> Result<(), StoreError> {
    let work = move |connection: &Connection| {
        let row = params![number, length];
        connection.execute("INSERT INTO rows VALUES (?, zeroblob(?))", row)?;
        Ok(())
    };
    writer.run(work).await
}

async fn rows(writer: &Writer) -> Vec<i64> {
    let work = |connection: &Connection| -> Result<Vec<i64>, StoreError> {
        let mut statement = connection.prepare("SELECT number FROM rows ORDER BY number")?;
        let rows = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(rows)
    };
    writer.run(work).await.unwrap()
}

/// F71
#[tokio::test]
async fn where_it_gets_full_what_is_told_is_what_is_kept() {
    let (writer, _folder) = with_room_for(4);
    let (go, gone) = channel();
    let first = writer.run(move |_| gone.recv().map_err(|_| StoreError::Closed));
    // All of them wait for the first one, and share its commit.
    let (first, small, large, late, _) = tokio::join!(
        first,
        add(&writer, 1, 10),
        add(&writer, 2, 1_000_000),
        add(&writer, 3, 10),
        async { go.send(()) },
    );
    assert!(matches!(large, Err(StoreError::Database(_))), "{large:?}");
    let told = [(1, small.is_ok()), (3, late.is_ok())];
    let told: Vec<i64> = told.iter().filter(|(_, ok)| *ok).map(|(number, _)| *number).collect();
    assert_eq!(rows(&writer).await, told, "{first:?} {small:?} {late:?}");

    let make_room = |connection: &Connection| -> Result<(), StoreError> {
        Ok(connection.pragma_update_and_check(None, "max_page_count", 10_000, |_| Ok(()))?)
    };
    writer.run(make_room).await.unwrap();
    add(&writer, 2, 1_000_000).await.unwrap();
    assert!(rows(&writer).await.contains(&2));
}

/// A mistake in one of them ends neither the others nor the thread.
#[tokio::test]
async fn a_job_that_panics_is_undone_alone() {
    let (writer, _folder) = with_room_for(100);
    let panics = |connection: &Connection| -> Result<(), StoreError> {
        connection.execute("INSERT INTO rows VALUES (1, NULL)", [])?;
        panic!("a mistake")
    };
    let (panicked, other) = tokio::join!(writer.run(panics), add(&writer, 2, 10));
    assert!(matches!(panicked, Err(StoreError::Closed)), "{panicked:?}");
    other.unwrap();
    assert_eq!(rows(&writer).await, [2]);
}
