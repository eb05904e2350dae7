//! Ways around the gate, by the hundreds: whoever gets through is counted by the door itself (T10, T12,
//! T14, T15).

use std::time::Instant;

use tokio::task::JoinSet;

use crate::client::Request;
use crate::counts::Bearer;
use crate::keep_alive::KeepAlive;
use crate::spelling::{METHODS, spellings};
use crate::subject::Subject;

/// T10, T12, T15: however a path is spelled and whatever the method, nobody comes in without a proof;
/// with one, enough of the same spellings do that this says something.
pub async fn no_spelling_with_any_method_leads_around_the_gate(counter: &Subject) {
    let begun = Instant::now();
    let alice = counter.bearer("alice.1");
    let targets = spellings(&PATHS);
    assert!(targets.len() >= 400, "{}", targets.len());
    let sent = send_all(&alice, &targets, &METHODS, &[]).await;
    assert_eq!(strangers_inside(counter).await, 0, "{:?}", counter.counts().await);

    prove(counter, &alice).await;
    let before: usize = counter.counts().await.values().sum();
    alice.get("/doors/bank").await.assert_status(200);
    assert_eq!(counter.counts().await.values().sum::<usize>(), before + 1);
    let with_proof = send_all(&alice, &targets, &["GET", "POST"], &[]).await;
    let inside = strangers_inside(counter).await - before - 1;
    println!(
        "{sent} requests ({} spellings, {} methods) with no proof: 0 came in; {with_proof} with one: \
         {inside}; {:.1} s",
        targets.len(),
        METHODS.len(),
        begun.elapsed().as_secs_f64()
    );
    assert!(inside >= 60, "{inside}");
}

/// T12: a method in a header or in the query is not the method.
pub async fn no_method_in_another_place_counts(counter: &Subject) {
    let alice = counter.bearer("alice.1");
    let targets = PATHS.map(|path| [path.to_owned(), format!("{path}?_method=OPTIONS")]).concat();
    for name in ["x-http-method-override", "x-http-method", "x-method-override", "_method"] {
        for value in ["GET", "OPTIONS", "HEAD"] {
            send_all(&alice, &targets, &METHODS, &[(name, value)]).await;
        }
    }
    let preflight = [
        ("origin", "https://evil.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    send_all(&alice, &targets, &METHODS, &preflight).await;
    assert_eq!(strangers_inside(counter).await, 0, "{:?}", counter.counts().await);
}

/// T14: none of the headers `names`, which are all that the crates know, says that somebody has proved
/// something, however it is written.
pub async fn no_header_opens_a_door(counter: &Subject, names: &[String]) {
    let alice = counter.bearer("alice.1");
    let flow = alice.get("/doors/bank").await.refused("missing");
    let values = ["1", "true", "authenticated", "/open", "bank", flow.id()];
    let mut connection = KeepAlive::new(counter.address());
    let mut sent = 0;
    for name in names {
        let bare = name.trim_start_matches("x-");
        for name in [
            name.clone(),
            name.replace('-', "_"),
            name.to_uppercase(),
            name.replace('-', "_").to_uppercase(),
            format!("x-{bare}"),
            format!("x-stepup-{bare}"),
            format!("x-step-up-{bare}"),
            format!("flexsecure-{bare}"),
        ] {
            for value in values {
                let request = Request::get("/doors/bank").header(&name, value);
                let bytes = alice.wire_form(request);
                let answer = connection.send("GET", &bytes).await;
                let is_refused = answer.as_ref().is_none_or(|answer| answer.status >= 300);
                assert!(is_refused, "{name}: {value}: {answer:?}");
                sent += 1;
            }
        }
    }
    println!("{sent} requests with {} headers: 0 came in", names.len());
    assert_eq!(strangers_inside(counter).await, 0, "{:?}", counter.counts().await);
}

/// Everything that a gate is around, in every way that the adapter's documentation shows.
const PATHS: [&str; 6] =
    ["/doors/bank", "/reads", "/writes", "/nested/door", "/nested/x/door", "/table/door"];

/// Whoever came in, but for the one door that is open to everybody.
async fn strangers_inside(counter: &Subject) -> usize {
    let counts = counter.counts().await;
    counts.iter().filter(|(door, _)| *door != "open").map(|(_, count)| count).sum()
}

async fn prove(counter: &Subject, alice: &Bearer) {
    let pin = counter.newest_pin().await;
    let request = Request::get("/doors/bank").header("flexsecure-pin", &pin);
    alice.send(request).await.assert_status(200);
}

/// Sends every combination, and says how many that were.
async fn send_all(
    client: &Bearer,
    targets: &[String],
    methods: &[&str],
    headers: &[(&str, &str)],
) -> usize {
    let address = client.client().address();
    let mut connections = JoinSet::new();
    for part in targets.chunks(targets.len().div_ceil(CONNECTIONS)) {
        let mut requests = Vec::new();
        for target in part {
            for method in methods {
                let mut request = Request::new(method, target);
                for (name, value) in headers {
                    request = request.header(name, value);
                }
                requests.push(((*method).to_owned(), client.wire_form(request)));
            }
        }
        connections.spawn(async move {
            let mut connection = KeepAlive::new(address);
            for (method, bytes) in &requests {
                let _answer = connection.send(method, bytes).await;
            }
            requests.len()
        });
    }
    connections.join_all().await.into_iter().sum()
}

const CONNECTIONS: usize = 4;
