//! What follows a refused request on its connection (T18).

use std::time::Duration;

use crate::client::{Answer, Request};
use crate::connection::Connection;
use crate::counts::Bearer;
use crate::subject::Subject;

/// T18: neither by length nor in chunks is what a refused request carries a request of its own, and
/// what comes behind it is refused like it.
pub async fn what_a_refused_request_carries_is_never_run(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let smuggled = alice.wire_form(Request::get("/open"));
    let behind = alice.wire_form(Request::get("/reads").header("connection", "close"));
    let mut chunked = format!("{:x}\r\n", smuggled.len()).into_bytes();
    chunked.extend([&*smuggled, b"\r\n0\r\n\r\n"].concat());
    let by_length = alice.wire_form(Request::post("/writes").untyped(smuggled.clone()));
    let in_chunks = Request::post("/writes").header("transfer-encoding", "chunked");
    let in_chunks = alice.wire_form(in_chunks.untyped(chunked.clone()));
    let lying = Request::post("/writes").header("transfer-encoding", "identity, chunked ");
    let lying = alice.wire_form(lying.untyped(chunked));
    for refused in [by_length, in_chunks, lying] {
        let answers = alice.client().pipeline([&*refused, &*behind].concat(), 3).await;
        assert!(!answers.is_empty() && answers.len() <= 2, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.status >= 400), "{answers:?}");
    }
    assert!(counter.counts().await.is_empty(), "{:?}", counter.counts().await);
    // The same bytes are a request where they are not a body.
    let refused = alice.wire_form(Request::post("/writes"));
    let answers = alice.client().pipeline([&*refused, &*smuggled].concat(), 2).await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [401, 200]);
    assert_eq!(counter.came_through("open").await, 1);
}

/// T18: a refusal does not wait for the body, and what is sent of it then is not run either.
pub async fn a_body_that_is_never_sent_is_not_waited_for(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    for expects in [false, true] {
        let mut connection = Connection::open(counter.address()).await;
        connection.write(&head_of_an_upload(&alice, expects)).await;
        let answer = final_answer(&mut connection).await;
        let _flow = answer.refused("missing");
        // So late, it is what the client had promised to send, or nothing at all.
        connection.write(&alice.wire_form(Request::get("/open"))).await;
        let more = tokio::time::timeout(A_MOMENT, connection.read_answer(false)).await;
        assert!(!matches!(more, Ok(Some(Answer { status: 200, .. }))), "{more:?}");
    }
    assert!(counter.counts().await.is_empty(), "{:?}", counter.counts().await);
}

/// All but the body, of which there is to be as much as fits several requests.
fn head_of_an_upload(alice: &Bearer, expects: bool) -> Vec<u8> {
    let expectation = if expects { "expect: 100-continue\r\n" } else { "" };
    let head = format!(
        "POST /upload HTTP/1.1\r\nhost: bank.example\r\nauthorization: {}\r\n{expectation}content-length: \
         100000\r\n\r\n",
        alice.authorization()
    );
    head.into_bytes()
}

/// An interim answer is not yet one (RFC 9110, section 15.2).
async fn final_answer(connection: &mut Connection) -> Answer {
    loop {
        let answer = tokio::time::timeout(LONGEST_ANSWER, connection.read_answer(false)).await;
        let answer = answer.expect("in time").expect("an answer");
        if answer.status >= 200 {
            return answer;
        }
    }
}

/// Enough for a server that runs what it should not; what is counted does not depend on it.
const A_MOMENT: Duration = Duration::from_millis(300);

const LONGEST_ANSWER: Duration = Duration::from_secs(30);
