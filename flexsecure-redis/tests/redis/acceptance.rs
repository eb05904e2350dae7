use flexsecure_core::test_util::acceptance;

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
