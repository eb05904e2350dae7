//! How often things are tried, and when the client stops.

use tokio::time::Instant;

use super::*;
use crate::flow::Over;

const LINK: &str = ",\"method\":\"passwordless\",\"match\":\"47\",\"expires_in\":600";
const PIN: &str = ",\"method\":\"pin\",\"expires_in\":300,\"attempts_left\":5";

#[tokio::test]
async fn rejected_pins_are_not_asked_for_without_end() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", PIN)),
        _ => problem(403, "pin-rejected", "", &flow("started", PIN)),
    });
    let (server, user) = (server.await, User::default());
    let error = user.get(&server).await.unwrap_err();
    assert!(matches!(error, ClientError::Over(Over::Attempts)), "{error}");
    assert_eq!(user.pins(), 10);
    let seen = user.0.lock().unwrap();
    let rejected: Vec<_> = seen.pins.iter().map(Challenge::pin_was_rejected).collect();
    assert!(!rejected[0] && rejected[1..].iter().all(|it| *it));
}

#[tokio::test]
async fn a_pin_that_got_no_answer_is_not_sent_again_by_itself() {
    let pin = format!("POST {FLOW}/pin");
    let line = pin.clone();
    let server = Server::start(move |heard| match times(heard, &line) {
        0 => refusal(&flow("started", PIN)),
        1 if is_last(heard, &line) => answer(503, "retry-after: 1\r\n", ""),
        1 => ok(&flow("started", PIN)),
        _ if is_last(heard, "GET /balance") => answer(200, "", ""),
        _ => ok(&flow("authenticated", "")),
    });
    let (server, user) = (server.await, User::default());
    user.get(&server).await.unwrap();
    let look = format!("GET {FLOW}");
    assert_eq!(server.heard.lines(), ["GET /balance", &pin, &look, &pin, "GET /balance"]);
    assert_eq!(user.pins(), 2);
}

#[tokio::test]
async fn a_start_that_got_no_answer_is_looked_after_before_it_is_repeated() {
    let (start, look) = (format!("POST {FLOW}/start"), format!("GET {FLOW}"));
    let line = start.clone();
    let server = Server::start(move |heard| match heard.len() {
        1 => refusal(&flow("idle", "")),
        2 => Answer::Nothing,
        3 => ok(&flow("idle", "")),
        4 if is_last(heard, &line) => ok(&flow("authenticated", "")),
        _ => answer(200, "", ""),
    });
    let server = server.await;
    User::default().get(&server).await.unwrap();
    assert_eq!(server.heard.lines(), ["GET /balance", &start, &look, &start, "GET /balance"]);
    let prefer: Vec<_> =
        server.heard.all().iter().map(|it| it.header("prefer").map(str::to_owned)).collect();
    assert_eq!(prefer[2].as_deref(), Some("wait=0"));
}

#[tokio::test]
async fn a_message_that_is_out_already_is_no_reason_to_wait() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("idle", "")),
        2 => problem(429, "too-soon", "retry-after: 30\r\n", &flow("started", PIN)),
        3 => ok(&flow("authenticated", "")),
        _ => answer(200, "", ""),
    });
    let (server, user) = (server.await, User::default());
    let began = Instant::now();
    user.get(&server).await.unwrap();
    assert_eq!(user.pins(), 1);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_link_is_waited_for_by_held_calls_that_keep_their_distance() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", LINK)),
        // Neither holds the call nor has news.
        2 => ok(&flow("polling", LINK)),
        3 => ok(&flow("authenticated", LINK)),
        _ => answer(200, "", ""),
    });
    let (server, user) = (server.await, User::default());
    let began = Instant::now();
    user.get(&server).await.unwrap();
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    let heard = server.heard.all();
    assert_eq!(heard[1].header("prefer"), Some("wait=25"));
    let seen = user.0.lock().unwrap();
    assert_eq!(seen.news.len(), 2);
    assert_eq!(seen.news[0].match_number().unwrap().to_string(), "47");
    assert!(seen.news[0].expires_in().unwrap() > Duration::from_secs(500));
    assert_eq!((seen.news[0].system(), seen.news[0].reason()), ("bank", Some("missing")));
}

#[tokio::test]
async fn an_outage_longer_than_the_flow_is_told_at_once() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", ",\"method\":\"passwordless\",\"expires_in\":30")),
        _ => answer(503, "retry-after: 120\r\n", ""),
    });
    let error = User::default().get(&server.await).await.unwrap_err();
    let wait = Some(Duration::from_secs(120));
    assert!(
        matches!(error, ClientError::Unavailable { retry_after } if retry_after == wait),
        "{error}"
    );
}

#[tokio::test]
async fn patience_ends_also_while_the_user_thinks() {
    struct Thinker;
    #[async_trait]
    impl Prompt for Thinker {
        async fn pin(&self, _: &Challenge) -> Option<Pin> {
            std::future::pending().await
        }

        fn waiting(&self, _: &Challenge) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }
    let server = Server::start(|_| refusal(&flow("started", PIN))).await;
    let client = StepUpClient::new(reqwest::Client::builder(), Thinker).unwrap();
    let client = client.patience(Duration::from_millis(50));
    let request = client.http().get(server.url("/balance")).build().unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(30), client.send(request));
    let error = sent.await.expect("it ends").unwrap_err();
    assert!(matches!(error, ClientError::Over(Over::Timeout)), "{error}");
    assert_eq!(server.heard.lines(), ["GET /balance"]);
}

#[tokio::test]
async fn giving_up_cancels_the_flow() {
    for (state, fields) in [("started", PIN), ("started", LINK), ("idle", "")] {
        let server = Server::start(move |heard| match heard.len() {
            1 => refusal(&flow(state, fields)),
            _ => ok(&flow("expired", ",\"over\":\"cancelled\"")),
        });
        let (server, user) = (server.await, User::default());
        {
            let mut seen = user.0.lock().unwrap();
            (seen.impatient, seen.has_no_pin) = (true, true);
        }
        let error = user.get(&server).await.unwrap_err();
        assert!(matches!(error, ClientError::Cancelled), "{error}");
        assert_eq!(server.heard.lines(), ["GET /balance", &format!("DELETE {FLOW}")]);
    }
}

#[tokio::test]
async fn a_flow_of_another_session_is_told_as_such() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", PIN)),
        _ => answer(404, "", ""),
    });
    let error = User::default().get(&server.await).await.unwrap_err();
    assert!(matches!(error, ClientError::FlowNotFound), "{error}");
}
