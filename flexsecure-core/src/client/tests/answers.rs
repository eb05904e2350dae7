//! What is handed back, and what the client refuses to believe.

use super::*;

const BALANCE: &str = "GET /balance";

#[tokio::test]
async fn whatever_is_no_refusal_is_handed_back_as_it_came() {
    let long = format!(
        "{{\"type\":\"urn:flexsecure:problem:step-up-required\",\"x\":\"{}\"}}",
        "x".repeat(70_000)
    );
    let step_up = "{\"type\":\"urn:flexsecure:problem:step-up-required\"}";
    let cases = [
        (200, PROBLEM, step_up),
        (403, PROBLEM, step_up),
        (401, "content-type: application/json\r\n", step_up),
        (401, "", step_up),
        (401, PROBLEM, "{\"type\":\"urn:flexsecure:problem:identification-required\"}"),
        (401, PROBLEM, "{\"type\":\"step-up-required\"}"),
        (401, PROBLEM, "{\"type\":"),
        (401, PROBLEM, "{\"type\":[],\"flow\":1}"),
        (401, PROBLEM, ""),
        (401, PROBLEM, &long),
    ];
    for (status, headers, body) in cases {
        let headers = format!("{headers}x-request-id: 7\r\n");
        let (told, said) = (headers.clone(), body.to_owned());
        let server = Server::start(move |_| answer(status, &told, &said)).await;
        let user = User::default();
        let response = user.get(&server).await.unwrap();
        assert_eq!(response.status(), status, "{body:.60}");
        assert_eq!(response.url().as_str(), server.url("/balance"));
        assert_eq!(response.headers()["x-request-id"], "7");
        assert_eq!(response.headers()["content-length"], body.len().to_string().as_str());
        assert_eq!(response.text().await.unwrap(), body);
        assert_eq!((server.heard.lines().len(), user.news(), user.pins()), (1, 0, 0));
    }
}

#[tokio::test]
async fn a_refusal_is_recognised_whatever_else_its_media_type_says() {
    let server = Server::start(|heard| match heard.len() {
        1 => {
            let flow = flow("authenticated", ",\"later\":{}");
            let body = format!(
                "{{\"type\":\"urn:flexsecure:problem:step-up-required\",\"system\":\"bank\",\
                 \"flow\":{flow}}}"
            );
            answer(401, "content-type: Application/Problem+JSON; charset=utf-8\r\n", &body)
        }
        _ => answer(200, "", "done"),
    });
    let response = User::default().get(&server.await).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "done");
}

#[tokio::test]
async fn an_endless_body_is_cut() {
    let head = format!("HTTP/1.1 401 X\r\n{PROBLEM}\r\n");
    let server = Server::start(move |_| Answer::Endless(head.clone())).await;
    assert_eq!(User::default().get(&server).await.unwrap().status(), 401);

    let server = Server::start(move |heard| {
        if is_last(heard, BALANCE) {
            refusal(&flow("started", ",\"method\":\"passwordless\""))
        } else {
            Answer::Endless("HTTP/1.1 200 X\r\n\r\n".to_owned())
        }
    });
    let server = server.await;
    assert!(matches!(User::default().get(&server).await, Err(ClientError::Malformed)));
}

#[tokio::test]
async fn a_server_that_refuses_for_ever_is_asked_twice() {
    let server = Server::start(|_| refusal(&flow("authenticated", ""))).await;
    let error = User::default().get(&server).await.unwrap_err();
    assert!(matches!(error, ClientError::RefusedAgain), "{error}");
    assert_eq!(server.heard.lines(), [BALANCE, BALANCE]);
}

#[tokio::test]
async fn a_body_that_cannot_be_repeated_is_not_sent_at_all() {
    let server = Server::start(|_| refusal(&flow("started", ",\"method\":\"pin\""))).await;
    let user = User::default();
    let client = user.client();
    let once = reqwest::Body::wrap(reqwest::Body::from("once"));
    let request = client.http().post(server.url("/transfers")).body(once).build().unwrap();
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, ClientError::Unrepeatable), "{error}");
    assert!(server.heard.lines().is_empty() && user.pins() == 0);
}

#[tokio::test]
async fn a_body_is_sent_again_as_it_was() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("authenticated", "")),
        _ => answer(201, "", ""),
    });
    let (server, client) = (server.await, User::default().client());
    let request = client.http().post(server.url("/transfers")).header("x-trace", "7").body("250");
    assert_eq!(client.send(request.build().unwrap()).await.unwrap().status(), 201);
    let sent: Vec<_> = server.heard.all().into_iter().map(|it| (it.body, it.headers)).collect();
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[1].0, "250");
}

#[tokio::test]
async fn what_is_no_description_of_a_flow_is_an_error() {
    let nonsense = [
        "7".to_owned(),
        "[]".to_owned(),
        "{\"id\":7}".to_owned(),
        flow("finished", ""),
        flow("expired", ""),
        flow("expired", ",\"over\":\"perhaps\""),
    ];
    for nonsense in nonsense {
        let within = nonsense.clone();
        let server = Server::start(move |_| refusal(&within)).await;
        let error = User::default().get(&server).await.unwrap_err();
        assert!(matches!(error, ClientError::Malformed), "{nonsense}: {error}");

        let server = Server::start(move |heard| match heard.len() {
            1 => refusal(&flow("started", ",\"method\":\"passwordless\"")),
            _ => ok(&nonsense),
        });
        let server = server.await;
        let error = User::default().get(&server).await.unwrap_err();
        assert!(matches!(error, ClientError::Malformed), "{error}");
        assert_eq!(server.heard.count(BALANCE), 1);
    }
}

#[tokio::test]
async fn nobody_is_asked_where_no_proof_does() {
    let idle = flow("idle", "");
    for (reason, flow) in [("no-method", &*idle), ("loop", &idle), ("missing", "null")] {
        let body = format!(
            "{{\"type\":\"urn:flexsecure:problem:step-up-required\",\"reason\":\"{reason}\",\
             \"system\":\"bank\",\"flow\":{flow}}}"
        );
        let server = Server::start(move |_| answer(401, PROBLEM, &body)).await;
        let user = User::default();
        let error = user.get(&server).await.unwrap_err();
        assert!(matches!(error, ClientError::Unprovable), "{reason}: {error}");
        assert_eq!((server.heard.lines().len(), user.news(), user.pins()), (1, 0, 0));
    }
}

#[tokio::test]
async fn how_a_flow_ended_is_told() {
    use crate::flow::Over::{Attempts, Cancelled, Declined, Refused, Timeout};
    for over in [Timeout, Attempts, Refused, Declined, Cancelled] {
        let word = over.as_str();
        let server =
            Server::start(move |_| refusal(&flow("expired", &format!(",\"over\":\"{word}\""))));
        let error = User::default().get(&server.await).await.unwrap_err();
        assert!(matches!(error, ClientError::Over(told) if told == over), "{error}");
    }
}

#[tokio::test]
async fn nothing_a_server_says_moves_the_cursor() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", ",\"match\":\"4\\u001b\",\"method\":\"carrier pigeon\"")),
        2 => ok(&flow("authenticated", "")),
        _ => answer(200, "", ""),
    });
    let (server, user) = (server.await, User::default());
    user.get(&server).await.unwrap();
    let seen = user.0.lock().unwrap();
    let challenge = &seen.news[0];
    assert_eq!(challenge.operation(), Some("Read [2J all"));
    assert_eq!((challenge.match_number(), challenge.method()), (None, None));
}

#[tokio::test]
async fn nothing_secret_is_printed() {
    let gone = Server::start(|_| Answer::Nothing).await;
    let client = User::default().client();
    let request = client.http().get(gone.url("/balance?token=secret")).bearer_auth("secret");
    let error = client.send(request.build().unwrap()).await.unwrap_err();
    assert!(matches!(error, ClientError::Http(_)));
    let printed = format!("{client:?} {error} {error:?}");
    assert!(!printed.contains("secret"), "{printed}");

    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("started", ",\"match\":\"47\",\"method\":\"passwordless\"")),
        _ => ok(&flow("authenticated", "")),
    });
    let (server, user) = (server.await, User::default());
    let _ = user.get(&server).await;
    let printed = format!("{:?}", user.0.lock().unwrap().news);
    assert!(printed.contains("Passwordless") && !printed.contains("47"), "{printed}");
}
