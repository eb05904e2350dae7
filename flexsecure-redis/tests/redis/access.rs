use flexsecure_core::test_util::acceptance;
use flexsecure_redis::RedisStore;

use crate::server::{Server, patient};
use crate::someone::Someone;

/// The very line that the README tells operators to run.
fn documented_line() -> Vec<String> {
    let readme = include_str!("../../README.md");
    let line = readme.lines().find(|line| line.starts_with("ACL SETUSER")).unwrap();
    line.split(' ').map(str::to_owned).collect()
}

#[tokio::test]
async fn user_with_the_documented_rights_can_do_everything() {
    let server = Server::start();
    let line = documented_line();
    let (name, arguments) = line.split_first().unwrap();
    let mut admin = server.admin().await;
    redis::cmd(name).arg(arguments).exec_async(&mut admin).await.unwrap();
    let url = server.url().replace("redis://", "redis://bank:password@");
    let store = patient(RedisStore::builder(&url)).connect().unwrap();
    // Nothing is copied unless all that the watcher does is allowed.
    Someone::copying(&store).await;
    acceptance::run(async || store.clone()).await;
}
