//! Requests that are held until the user has answered (T18, T60, T65, F40, F42, F60), over HTTP/1.1,
//! HTTP/2 and gRPC.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::client::{Answer, Request};
use crate::counts::Bearer;
use crate::flow::Flow;
use crate::inbox::wrong;
use crate::legacy::{Legacy, Variant, Verb};
use crate::relay::Relay;
use crate::rpc::{Caller, OPEN};
use crate::streamed::Streamed;
use crate::subject::{Launch, Subject};

/// A door, and what it is counted by.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    path: &'static str,
    name: &'static str,
}

impl Door {
    /// One of HTTP.
    pub const BANK: Self = Self { path: "/doors/bank", name: "bank" };

    /// The one of gRPC.
    pub const VAULT: Self = Self { path: OPEN, name: "vault" };
}

/// T18: a held request and its body are let through by the click, without another question to the
/// authority; until then nobody takes more of the body than the sockets hold.
pub async fn a_held_body_stays_unread_until_the_click(launch: &Launch) {
    let held = Held::at(launch, Door::BANK).await;
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: bank.example\r\nauthorization: {}\r\nprefer: wait=60\r\n\
         content-length: {LARGE}\r\n\r\n",
        held.bob.authorization()
    );
    let body = Bytes::from(vec![b'x'; LARGE]);
    let upload = Streamed::over_http1(held.counter.address(), head.as_bytes(), body).await;
    let (bob, get) = (held.bob.clone(), Request::get("/doors/bank").wait(9999));
    let small = tokio::spawn(async move { bob.send(get).await });
    let taken = held.until_held(&upload, LARGE).await;
    let small = held.release(async { small.await.expect("an answer") }, "HTTP/1.1", taken).await;
    assert_eq!(small.header("preference-applied"), Some("wait=60"), "capped: {small:?}");
    upload.answer().await.assert_status(200);
    assert_eq!(held.counter.came_through("bytes").await, LARGE);
    assert_eq!(held.counter.came_through("bank").await, 1);
}

/// T18: so it is over HTTP/2, where the server would have to open its window to read on.
pub async fn a_held_body_stays_unread_over_http2(launch: &Launch) {
    let held = Held::at(launch, Door::BANK).await;
    let address = held.counter.address();
    let upload = held.over_http2("POST", "/upload", &[("prefer", "wait=60")]);
    let upload = Streamed::over_http2(address, upload, Bytes::from(vec![b'x'; MEDIUM])).await;
    let small = held.over_http2("GET", "/doors/bank", &[("prefer", "wait=61")]);
    let small = Streamed::over_http2(address, small, Bytes::new()).await;
    let taken = held.until_held(&upload, MEDIUM).await;
    let small = held.release(small.answer(), "HTTP/2", taken).await;
    assert_eq!(small.header("preference-applied"), Some("wait=60"), "capped: {small:?}");
    upload.answer().await.assert_status(200);
    assert_eq!(held.counter.came_through("bytes").await, MEDIUM);
    assert_eq!(held.counter.came_through("bank").await, 1);
}

/// T18: and so it is of a call of gRPC, whose message is not read either.
pub async fn a_held_message_stays_unread_until_the_click(launch: &Launch) {
    let held = Held::at(launch, Door::VAULT).await;
    let address = held.counter.address();
    let grpc = [("prefer", "wait=60"), ("content-type", "application/grpc"), ("te", "trailers")];
    let mut message = vec![0];
    message.extend(u32::try_from(MEDIUM).expect("few").to_be_bytes());
    message.resize(MEDIUM + 5, b'x');
    let upload = held.over_http2("POST", OPEN, &grpc);
    let upload = Streamed::over_http2(address, upload, message.into()).await;
    let small = held.over_http2("POST", OPEN, &grpc);
    let small = Streamed::over_http2(address, small, Bytes::from_static(b"\0\0\0\0\x01x")).await;
    let taken = held.until_held(&upload, MEDIUM).await;
    let small = held.release(small.answer(), "gRPC", taken).await;
    assert_eq!(small.header("preference-applied"), Some("wait=60"), "{small:?}");
    for answer in [small, upload.answer().await] {
        assert_eq!(answer.header("grpc-status"), Some("0"), "{answer:?}");
    }
    assert_eq!(held.counter.came_through("vault").await, 2);
}

/// T60, T65, F42: of forty requests of one user 32 are held; the others are refused as if they had not
/// asked for it, and another user is held all the same.
pub async fn so_many_requests_of_a_user_are_held(launch: &Launch, door: Door) {
    let legacy = Legacy::start(Variant::default()).await;
    let counter = launch.clone().with_legacy(&legacy).start().await;
    let bob = counter.bearer("bob.1");
    let flow = bob.send(ask(door)).await.refused("missing");
    let mut waiting = hold(&bob, door, 40);
    for _ in 0..8 {
        let refused = waiting.join_next().await.expect("one of them").expect("an answer");
        assert_eq!(refused.refused("missing").id(), flow.id());
    }
    let carol = counter.bearer("carol.1");
    let _flow = carol.send(ask(door)).await.refused("missing");
    let mut other = hold(&carol, door, 1);
    assert_eq!(counter.came_through(door.name).await, 0);
    legacy.approve("bank", "bob");
    legacy.approve("bank", "carol");
    let through = waiting.join_all().await;
    assert!(through.iter().all(|answer| answer.header("preference-applied").is_some()));
    assert_eq!(through.len(), 32);
    let carols = other.join_next().await.expect("an answer").expect("an answer");
    assert!(carols.header("preference-applied").is_some(), "{carols:?}");
    assert_eq!(counter.came_through(door.name).await, 33);
}

/// F40: who leaves makes room, and their request is never run.
pub async fn who_leaves_is_not_held_any_more(launch: &Launch, door: Door) {
    let (legacy, counter, bob) = full_house(launch, door).await;
    let mut tries = 0;
    loop {
        let begun = Instant::now();
        let answer = bob.send(ask(door).wait(1)).await;
        let _flow = answer.refused("missing");
        if begun.elapsed() >= Duration::from_millis(900) {
            break;
        }
        tries += 1;
        assert!(tries < 200, "there is no room again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(counter.came_through(door.name).await, 0);
    legacy.approve("bank", "bob");
    let mut last = hold(&bob, door, 1);
    let _through = last.join_next().await.expect("an answer").expect("an answer");
    assert_eq!(counter.came_through(door.name).await, 1);
}

/// F40: where the framework does not tell who has left, their requests can still be run: after the
/// approval, and once.
pub async fn who_left_is_served_once_at_the_most(launch: &Launch, door: Door) {
    let (legacy, counter, bob) = full_house(launch, door).await;
    assert_eq!(counter.came_through(door.name).await, 0);
    let flow = bob.send(ask(door)).await.refused("missing");
    legacy.approve("bank", "bob");
    bob.send(Request::get(flow.url()).wait(30)).await.flow().assert_state("authenticated");
    let answer = bob.send(ask(door)).await;
    assert!(answer.status < 300, "{answer:?}");
    // Who was held is served by now, or will be by the time that the server has ended.
    let through = counter.came_through(door.name).await;
    assert!((1..=33).contains(&through), "{through}");
}

/// F60: who is held is answered when the server is to end, and it ends.
pub async fn who_is_held_is_answered_when_the_server_is_to_end(launch: &Launch, door: Door) {
    let legacy = Legacy::start(Variant::default()).await;
    let counter = launch.clone().with_legacy(&legacy).start().await;
    let bob = counter.bearer("bob.1");
    let flow = bob.send(ask(door)).await.refused("missing");
    let mut waiting = hold(&bob, door, 20);
    // The second check is one for somebody who waits.
    legacy.called(Verb::Check, 2).await;
    let begun = Instant::now();
    counter.terminate().await;
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.expect("an answer").refused("missing").id(), flow.id());
    }
    let status = counter.ended().await;
    assert!(status.success(), "{status}");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
}

/// A PIN on the repeated request does over HTTP/2 what it does over HTTP/1.1.
pub async fn a_pin_rides_on_a_request_over_http2(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let flow = alice.get("/doors/bank").await.refused("missing");
    let pin = counter.newest_pin().await;
    let repeat = async |pin: &str| {
        let request = request("GET", "/doors/bank", &alice, &[("flexsecure-pin", pin)]);
        Streamed::over_http2(counter.address(), request, Bytes::new()).await.answer().await
    };
    let rejected = repeat(&wrong(&pin)).await;
    rejected.assert_problem(403, "pin-rejected");
    assert_eq!(rejected.flow_within().id(), flow.id());
    repeat("1234").await.assert_problem(400, "pin-malformed");
    assert_eq!(counter.came_through("bank").await, 0);
    repeat(&pin).await.assert_status(200);
    assert_eq!(counter.came_through("bank").await, 1);
}

/// F40: a call that is held goes through by the click, and a PIN in the metadata lets one through.
pub async fn a_call_is_held_and_a_pin_rides_on_one(launch: &Launch) {
    let held = Held::at(launch, Door::VAULT).await;
    let caller = Caller::connect(held.counter.address(), Some("bob.1")).await;
    let call = tokio::spawn(async move { caller.call(OPEN, &[("prefer", "wait=60")]).await });
    held.relay.asked_for_news().await;
    assert_eq!(held.counter.came_through("vault").await, 0);
    held.link.approve(held.flow.match_number()).await.assert_status(200);
    call.await.expect("an answer").expect("a proof");
    let alice = Caller::connect(held.counter.address(), Some("alice.1")).await;
    let _refused = alice.call(OPEN, &[]).await.expect_err("no proof");
    let pin = held.authority.newest_pin().await;
    alice.call(OPEN, &[("flexsecure-pin", &pin)]).await.expect("a proof");
    assert_eq!(held.counter.came_through("vault").await, 2);
}

/// A user by link who has been refused once, and an authority whose calls are counted.
struct Held {
    authority: Subject,
    relay: Relay,
    counter: Subject,
    bob: Bearer,
    flow: Flow,
    link: crate::inbox::Link,
}

impl Held {
    async fn at(launch: &Launch, door: Door) -> Self {
        let authority = launch.start().await;
        let relay = Relay::to(authority.authority().address).await;
        let key = authority.authority().key.clone();
        let counter = launch.clone().with_authority(relay.address(), &key).start().await;
        let bob = counter.bearer("bob.1");
        let flow = bob.send(ask(door)).await.refused("missing");
        let link = authority.newest_link().await;
        Self { authority, relay, counter, bob, flow, link }
    }

    fn over_http2(&self, method: &str, path: &str, more: &[(&str, &str)]) -> http::Request<()> {
        request(method, path, &self.bob, more)
    }

    /// Waits until the gate waits for news, and says how much of the body has been taken then.
    async fn until_held(&self, upload: &Streamed, length: usize) -> usize {
        self.relay.asked_for_news().await;
        let taken = upload.settled().await;
        assert!(taken < length, "all of the body was read");
        assert!(self.counter.counts().await.is_empty(), "{:?}", self.counter.counts().await);
        taken
    }

    /// The user clicks, and `answer` comes with nobody asking again.
    async fn release(
        &self,
        answer: impl Future<Output = Answer>,
        what: &str,
        taken: usize,
    ) -> Answer {
        let checks = self.relay.checks();
        self.link.approve(self.flow.match_number()).await.assert_status(200);
        let begun = Instant::now();
        let answer = answer.await;
        let took = begun.elapsed();
        println!("{what}: released {took:?} after the click, {taken} bytes on the way until then");
        answer.assert_status(200);
        assert_eq!(self.relay.checks(), checks, "it was the question under way that told");
        answer
    }
}

/// All places of a user taken by clients that have left since.
async fn full_house(launch: &Launch, door: Door) -> (Legacy, Subject, Bearer) {
    let legacy = Legacy::start(Variant::default()).await;
    let counter = launch.clone().with_legacy(&legacy).start().await;
    let bob = counter.bearer("bob.1");
    let _flow = bob.send(ask(door)).await.refused("missing");
    let mut waiting = hold(&bob, door, 33);
    let one_too_many = waiting.join_next().await.expect("one of them").expect("an answer");
    let _flow = one_too_many.refused("missing");
    waiting.shutdown().await;
    (legacy, counter, bob)
}

fn ask(door: Door) -> Request {
    Request::post(door.path)
}

/// Sends so many requests that are ready to wait.
fn hold(bearer: &Bearer, door: Door, count: usize) -> JoinSet<Answer> {
    let mut waiting = JoinSet::new();
    for _ in 0..count {
        let bearer = bearer.clone();
        waiting.spawn(async move { bearer.send(ask(door).wait(60)).await });
    }
    waiting
}

fn request(method: &str, path: &str, bearer: &Bearer, more: &[(&str, &str)]) -> http::Request<()> {
    let uri = format!("http://{}{path}", bearer.client().address());
    let mut request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("authorization", bearer.authorization());
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

/// More than the sockets of both ends hold.
const LARGE: usize = 32 << 20;

/// More than the window of a stream, and less than a message of gRPC may be.
const MEDIUM: usize = 3 << 20;
