//! F60, F61: a node that is asked to end, while another serves on.

use std::time::{Duration, Instant};

use flexsecure_conformance::client::{Answer, Request};
use flexsecure_conformance::cluster::is_check;
use flexsecure_conformance::cluster::redis::Redis;
use flexsecure_conformance::counts::Bearer;
use flexsecure_conformance::subject::{Launch, Subject, signal};
use flexsecure_core::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::{Pair, counter, on_both, until_there};

on_both! {
    a_thousand_held_requests_are_told_to_try_again
    who_waits_elsewhere_is_let_in_when_the_node_that_asks_ends
    a_second_signal_ends_it_at_once
}

/// F60: all are answered, the process ends well, and each goes on where they were on another node.
async fn a_thousand_held_requests_are_told_to_try_again(first: &str, second: &str) {
    let names: Vec<_> = (0..USERS).map(|number| format!("user-{number}")).collect();
    let users: Vec<_> = names.iter().map(|name| (&**name, Method::Passwordless)).collect();
    let redis = Redis::start().await;
    let pair = Pair::of(&counter(first), &counter(second), redis, &users).await;
    for id in [std::process::id(), pair.first.subject.id(), pair.second.subject.id()] {
        allow_open_files(id).await;
    }
    let mut flows = Vec::new();
    for name in &names {
        let user = pair.first.subject.bearer(&format!("{name}.of-{name}"));
        flows.push(user.get(DOOR).await.refused("missing"));
    }
    // A user has so many places: who is refused at once is the one for whom there was none.
    let mut waiting = JoinSet::new();
    hold(&mut waiting, &pair.first.subject, &names, PLACES + 1);
    for _ in 0..USERS {
        let (_, refused) = waiting.join_next().await.expect("one of them").expect("an answer");
        refused.assert_problem(401, "step-up-required");
    }
    assert_eq!(waiting.len(), USERS * PLACES);
    assert_eq!(pair.first.subject.came_through("bank").await, 0);

    let begun = Instant::now();
    pair.first.subject.terminate().await;
    let mut answered = 0;
    while let Some(answer) = waiting.join_next().await {
        let (user, answer) = answer.expect("an answer");
        assert_eq!(answer.refused("missing").id(), flows[user].id());
        answered += 1;
    }
    let told = begun.elapsed();
    let status = pair.first.subject.ended().await;
    assert!(status.success(), "{status}");
    println!(
        "{answered} held requests: all told after {told:?}, ended after {:?}",
        begun.elapsed()
    );
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(answered, USERS * PLACES);

    hold(&mut waiting, &pair.second.subject, &names, PLACES);
    pair.second.authority.has_seen(1, |_| true).await;
    for (name, flow) in names.iter().zip(&flows) {
        let link = pair.authority.newest_to(name).await.link();
        link.approve(flow.match_number()).await.assert_status(200);
    }
    let begun = Instant::now();
    while let Some(answer) = waiting.join_next().await {
        let (_, answer) = answer.expect("an answer");
        let asked = || pair.second.authority.exchanges(|_| true);
        assert_eq!(answer.status, 200, "{answer:?} {:#?}", asked());
    }
    println!("and let in on the other node {:?} after the last approval", begun.elapsed());
    assert_eq!(pair.second.subject.came_through("bank").await, USERS * PLACES);
    assert_eq!(pair.authority.messages().await.len(), USERS);
}

/// F60: the node that asks the authority for everybody gives that up when it ends.
async fn who_waits_elsewhere_is_let_in_when_the_node_that_asks_ends(first: &str, second: &str) {
    let pair = Pair::start(first, second).await;
    let bob = pair.first.subject.bearer("bob.of-bob");
    let flow = bob.get(DOOR).await.refused("missing");
    let mut waiting = JoinSet::new();
    hold(&mut waiting, &pair.first.subject, &["bob".to_owned()], 1);
    pair.first.authority.has_seen(1, is_check).await;
    let calls = pair.second.calls();
    let bob = pair.second.subject.bearer("bob.of-bob");
    let held = tokio::spawn(async move { bob.send(Request::get(DOOR).wait(60)).await });
    pair.second.has_settled(calls).await;
    pair.first.subject.terminate().await;
    let (_, told) = waiting.join_next().await.expect("one").expect("an answer");
    told.assert_problem(401, "step-up-required");
    assert!(pair.first.subject.ended().await.success());
    let link = pair.authority.newest_to("bob").await.link();
    link.approve(flow.match_number()).await.assert_status(200);
    let begun = Instant::now();
    held.await.expect("an answer").assert_status(200);
    println!("let in {:?} after the approval", begun.elapsed());
    // An authority that is still being asked for the other node would be asked again after 29.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(pair.authority.messages().await.len(), 1);
}

/// F61: who cannot wait for the requests that are under way need not.
async fn a_second_signal_ends_it_at_once(first: &str, _: &str) {
    let program = match first {
        "axum" => env!("CARGO_BIN_EXE_subject-axum"),
        _ => env!("CARGO_BIN_EXE_subject-actix"),
    };
    for name in ["TERM", "INT"] {
        let mut bank = Launch::new(program).start().await;
        let mut unfinished = TcpStream::connect(bank.address()).await.expect("a bank");
        let head = "POST /login HTTP/1.1\r\nhost: bank.example\r\ncontent-type: application/json\r\n\
                    expect: 100-continue\r\ncontent-length: 100\r\n\r\n";
        unfinished.write_all(head.as_bytes()).await.expect("a bank");
        // It is asked to go on once somebody reads the body.
        let mut asked = [0; 12];
        unfinished.read_exact(&mut asked).await.expect("an answer");
        assert_eq!(&asked, b"HTTP/1.1 100");
        bank.terminate().await;
        assert!(bank.answers_nobody().await, "it takes no more requests");
        assert!(bank.runs(), "it waits for what is under way");
        let begun = Instant::now();
        signal(bank.id(), name).await;
        let status = bank.ended().await;
        println!("ended {:?} after the second signal: {status}", begun.elapsed());
        assert!(!status.success(), "{status}");
        assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
        drop(unfinished);
    }
}

/// Sends `count` requests of each user that are ready to wait; they come back with the number of the user.
fn hold(waiting: &mut JoinSet<(usize, Answer)>, node: &Subject, users: &[String], count: usize) {
    for (number, name) in users.iter().enumerate() {
        let user: Bearer = node.bearer(&format!("{name}.of-{name}"));
        for _ in 0..count {
            let user = user.clone();
            waiting.spawn(async move {
                (number, until_there(&user, Request::get(DOOR).wait(60)).await)
            });
        }
    }
}

/// Each held request is an open connection.
async fn allow_open_files(id: u32) {
    let limit = ["--pid", &id.to_string(), "--nofile=8192:"];
    let status = Command::new("prlimit").args(limit).status().await;
    assert!(status.expect("prlimit runs").success(), "8192 files cannot be open");
}

const DOOR: &str = "/doors/bank";

const USERS: usize = 32;

/// How many requests of one user are held.
const PLACES: usize = 32;
