use std::{path::Path, sync::Arc};

use secrecy::SecretString;
use temporary_postgres::TemporaryPostgres;

use super::*;
use crate::{
    Config, Method, NewUser, Policies, PublicUrl, Server, UnixMillis,
    challenge::{CheckRequest, StartRequest},
    store::{Postgres, Sqlite},
};

/// A row in every table, and more than a batch of them in one.
async fn filled(path: &Path) -> SharedStore {
    let url = PublicUrl::parse("http://127.0.0.1:4000").unwrap();
    let server = Server::open(Config::new(path, url).inbox(true)).await.unwrap();
    let directory = server.directory();
    directory.allow_sms_to(&["+41"]).await.unwrap();
    directory.add_system("bank", Policies::both()).await.unwrap();
    for n in 0..600 {
        directory.add_user(NewUser::new(format!("user{n}")).sms("+41790000001")).await.unwrap();
    }
    directory.assign("user0", &["bank"], Method::Pin).await.unwrap();
    directory.assign("user1", &["bank"], Method::Passwordless).await.unwrap();
    let key = directory.create_key("tests").await.unwrap();
    let caller = directory.authorize(key.expose()).await.unwrap().unwrap();
    for auth_id in ["user0", "user1"] {
        let start = StartRequest {
            account: caller.account,
            api_key: caller.api_key,
            system: "bank".to_owned(),
            auth_id: auth_id.to_owned(),
            operation: "Transfer 1 EUR to Zoë".to_owned(),
            binding: String::new(),
            ip: Some("2001:db8::1".parse().unwrap()),
            user_agent: None,
            idempotency_key_hash: Some([0; 32]),
        };
        server.inner.challenges.start(start).await.unwrap();
        let check = CheckRequest {
            account: caller.account,
            api_key: caller.api_key,
            system: "bank".to_owned(),
            auth_id: auth_id.to_owned(),
            txn: None,
            pin: Some("11111111".to_owned().into()),
        };
        server.inner.challenges.check(&check).await.unwrap();
    }
    Arc::clone(&server.inner.challenges.store)
}

/// Everything, in order.
async fn all(store: &SharedStore) -> Vec<String> {
    let (sender, mut receiver) = mpsc::channel(1);
    let reading = async {
        let mut rows = Vec::new();
        while let Some(batch) = receiver.recv().await {
            let Batch::Rows { table, rows: batch } = batch else { continue };
            rows.extend(batch.iter().map(|row| format!("{} {}", table.name, text(row))));
        }
        rows
    };
    let (given, rows) = tokio::join!(store.give(sender), reading);
    given.unwrap();
    rows
}

fn text(row: &[Value]) -> String {
    row.iter()
        .map(|value| match value {
            Value::Null => "NULL ".to_owned(),
            Value::Integer(number) => format!("{number} "),
            Value::Boolean(on) => format!("{on} "),
            Value::Text(text) => format!("'{text}' "),
            Value::Bytes(bytes) => format!("{bytes:02x?} "),
        })
        .collect()
}

async fn empty(path: &Path) -> SharedStore {
    Arc::new(Sqlite::open(path).await.unwrap())
}

#[tokio::test]
async fn every_row_of_every_table_comes_over() {
    let folder = tempfile::tempdir().unwrap();
    let from = filled(&folder.path().join("from.db")).await;
    let to = empty(&folder.path().join("to.db")).await;
    let copied = transfer(&from, &to).await.unwrap();
    assert!(copied.iter().all(|(_, rows)| *rows > 0), "{copied:?}");
    assert_eq!(all(&to).await, all(&from).await);

    // The log beside it is not needed.
    let alone = folder.path().join("alone.db");
    std::fs::copy(folder.path().join("to.db"), &alone).unwrap();
    assert_eq!(all(&empty(&alone).await).await, all(&from).await);

    let again = transfer(&from, &to).await;
    assert!(matches!(again, Err(TransferError::NotEmpty { table: "accounts" })), "{again:?}");
}

#[tokio::test]
async fn also_into_postgres_and_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let from = filled(&folder.path().join("from.db")).await;
    let postgres = TemporaryPostgres::start().unwrap();
    let between = empty_on(&postgres, "copy").await;
    let to = empty(&folder.path().join("to.db")).await;
    let copied = transfer(&from, &between).await.unwrap();
    assert_eq!(transfer(&between, &to).await.unwrap(), copied);
    assert_eq!(all(&between).await, all(&from).await);
    assert_eq!(all(&to).await, all(&from).await);

    let again = transfer(&from, &between).await;
    assert!(matches!(again, Err(TransferError::NotEmpty { table: "accounts" })), "{again:?}");
    // What is added next has an id of its own.
    between.open_account("another", UnixMillis::new(0)).await.unwrap();
}

/// A database of each kind, with the same in it.
async fn filled_on_each(folder: &Path, postgres: &TemporaryPostgres) -> [SharedStore; 2] {
    let file = filled(&folder.join("from.db")).await;
    let database = empty_on(postgres, "filled").await;
    transfer(&file, &database).await.unwrap();
    [file, database]
}

async fn empty_on(postgres: &TemporaryPostgres, name: &str) -> SharedStore {
    let url = SecretString::from(postgres.create_database(name).unwrap());
    Arc::new(Postgres::open(&url, None).await.unwrap())
}

#[tokio::test]
async fn what_is_written_meanwhile_is_not_among_it() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = TemporaryPostgres::start().unwrap();
    for from in filled_on_each(folder.path(), &postgres).await {
        let before = all(&from).await;
        let (sender, mut receiver) = mpsc::channel(1);
        let reading = async {
            let mut rows = Vec::new();
            while let Some(batch) = receiver.recv().await {
                let Batch::Rows { table, rows: batch } = batch else { continue };
                if rows.is_empty() {
                    // The trail, which comes last, says that there is one more.
                    from.open_account("meanwhile", UnixMillis::new(0)).await.unwrap();
                }
                rows.extend(batch.iter().map(|row| format!("{} {}", table.name, text(row))));
            }
            rows
        };
        let (given, rows) = tokio::join!(from.give(sender), reading);
        given.unwrap();
        assert_eq!(rows, before);
        let after = all(&from).await;
        assert_eq!(after.iter().filter(|row| !before.contains(row)).count(), 2, "{after:?}");
    }
}

#[tokio::test]
async fn what_does_not_come_over_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let postgres = TemporaryPostgres::start().unwrap();
    let from = filled(&folder.path().join("from.db")).await;
    for to in [empty(&folder.path().join("to.db")).await, empty_on(&postgres, "target").await] {
        for is_cut_off in [false, true] {
            let (sender, mut half_way) = mpsc::channel(1);
            let (onwards, receiver) = mpsc::channel(1);
            let losing = async {
                while let Some(batch) = half_way.recv().await {
                    let is_lost = match &batch {
                        Batch::Rows { table, .. } => table.name == "audit",
                        Batch::End(_) => is_cut_off,
                    };
                    if !is_lost {
                        onwards.send(batch).await.unwrap();
                    }
                }
                drop(onwards);
            };
            let (_, taken, ()) = tokio::join!(from.give(sender), to.take(receiver), losing);
            match taken {
                Err(TransferError::Incomplete) if is_cut_off => {}
                Err(TransferError::Counts { table: "audit", taken: 0, .. }) if !is_cut_off => {}
                other => panic!("{other:?}"),
            }
            assert!(all(&to).await.is_empty());
        }
    }
}

#[test]
fn a_row_that_is_missing_is_noticed() {
    let mut taken = [7; TABLE_COUNT];
    verify(&[7; TABLE_COUNT], &taken).unwrap();
    taken[2] = 6;
    let missing = verify(&[7; TABLE_COUNT], &taken);
    assert!(matches!(missing, Err(TransferError::Counts { table: "users", given: 7, taken: 6 })));
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let _store = filled(&folder.path().join("private.db")).await;
    for file in ["private.db", "private.db-wal", "private.db-shm", "private.db.keys"] {
        let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

/// A table or a column that a migration adds is copied, or this fails.
#[tokio::test]
async fn every_table_and_column_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("schema.db");
    Sqlite::open(&path).await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let mut there: Vec<(String, String)> = connection
        .prepare(
            "SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p
             WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'",
        )
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut named: Vec<(String, String)> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|(column, _)| (table.name, *column)))
        .map(|(table, column)| (table.to_owned(), column.to_owned()))
        .collect();
    there.sort();
    named.sort();
    assert_eq!(named, there);
}
