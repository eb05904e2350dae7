use flexsecure_core::test_util::acceptance;

use crate::alternating::Alternating;
use crate::server::Server;

#[tokio::test]
async fn store_has_every_property_on_one_thread() {
    let server = Server::start();
    acceptance::run(async || server.store()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_has_every_property_on_several_threads() {
    let server = Server::start();
    acceptance::run(async || server.store()).await;
}

/// Its copies are good from the beginning to the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_that_has_been_there_for_a_while_has_every_property() {
    let server = Server::start();
    let store = server.store();
    crate::someone::Someone::copying(&store).await;
    acceptance::run(async || store.clone()).await;
}

#[tokio::test]
async fn store_without_copies_has_every_property_on_one_thread() {
    let server = Server::start();
    let builder = || server.patient().without_local_copies();
    acceptance::run(async || builder().connect().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn store_without_copies_has_every_property_on_several_threads() {
    let server = Server::start();
    let builder = || server.patient().without_local_copies();
    acceptance::run(async || builder().connect().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_behind_a_load_balancer_have_every_property() {
    let server = Server::start();
    let node = |_| server.patient().without_local_copies().connect().unwrap();
    acceptance::run(async || Alternating::between(std::array::from_fn(node))).await;
}
