//! Credentials go where the request went, and to the flow there.

use super::*;

async fn nobody() -> Server {
    Server::start(|_| answer(200, "", "")).await
}

#[tokio::test]
async fn the_flow_gets_the_credentials_of_the_request_and_no_other_header() {
    let server = Server::start(|heard| match heard.len() {
        1 => refusal(&flow("idle", "")),
        2 => ok(&flow("started", ",\"method\":\"pin\"")),
        3 => ok(&flow("authenticated", ",\"method\":\"pin\"")),
        _ => answer(200, "", ""),
    });
    let server = server.await;
    User::default().get(&server).await.unwrap();
    let expected = [
        "GET /balance",
        &format!("POST {FLOW}/start"),
        &format!("POST {FLOW}/pin"),
        "GET /balance",
    ];
    assert_eq!(server.heard.lines(), expected);
    for request in server.heard.all() {
        assert_eq!(request.header("authorization"), Some("Bearer token"), "{request:?}");
        assert_eq!(request.header("cookie"), Some("session=alice"), "{request:?}");
        let is_own = request.line == "GET /balance";
        assert_eq!(request.header("x-other").is_some(), is_own, "{request:?}");
    }
    assert_eq!(server.heard.all()[2].body, "{\"pin\":\"48151623\"}");
}

#[tokio::test]
async fn a_flow_anywhere_else_is_not_called() {
    let evil = nobody().await;
    let host = evil.address;
    let urls = [
        format!("http://{host}/step-up/flows/{ID}"),
        format!("//{host}/step-up/flows/{ID}"),
        format!("///{host}/step-up/flows/{ID}"),
        format!("/\\\\{host}/step-up/flows/{ID}"),
        format!("\\\\\\\\{host}/step-up/flows/{ID}"),
        format!("/\\t/{host}/step-up/flows/{ID}"),
        format!("\\n//{host}/step-up/flows/{ID}"),
        format!(" //{host}/step-up/flows/{ID}"),
        format!("@{host}/step-up/flows/{ID}"),
        format!("step-up/flows/{ID}"),
        format!("https://{host}/step-up/flows/{ID}"),
        "file:///etc/passwd".to_owned(),
        String::new(),
        // The same origin, and yet no flow: a DELETE would hit something else.
        "/admin/users/bob".to_owned(),
        format!("/admin/users/bob?/flows/{ID}"),
        format!("/admin/users/bob#/flows/{ID}"),
        format!("/flows/{ID}/../../admin/users/bob"),
        "/step-up/flows/ffffffffffffffffffffffffffffffff".to_owned(),
        format!("/step-up/flows/{ID}?then=1"),
        format!("/step-up/flows/{ID}#then"),
    ];
    for url in urls {
        let flow = format!(
            "{{\"id\":\"{ID}\",\"url\":\"{url}\",\"state\":\"started\",\"method\":\"pin\"}}"
        );
        let server = Server::start(move |_| refusal(&flow)).await;
        let user = User::default();
        let error = user.get(&server).await.unwrap_err();
        assert!(matches!(error, ClientError::ForeignFlow), "{url}: {error}");
        assert_eq!((server.heard.lines().len(), user.pins()), (1, 0), "{url}");
    }
    let no_id = "{\"id\":\"bob\",\"url\":\"/admin/flows/bob\",\"state\":\"idle\"}";
    let server = Server::start(move |_| refusal(no_id)).await;
    let error = User::default().get(&server).await.unwrap_err();
    assert!(matches!(error, ClientError::ForeignFlow), "{error}");
    assert!(evil.heard.lines().is_empty(), "{:?}", evil.heard.all());
}

#[tokio::test]
async fn another_port_is_another_origin_even_after_the_flow_was_found() {
    let evil = nobody().await;
    let url = evil.url(FLOW);
    // The first address holds: a later one is not even read.
    let server = Server::start(move |heard| {
        let moved = format!(
            "{{\"id\":\"{ID}\",\"url\":\"{url}\",\"state\":\"started\",\"method\":\"pin\"}}"
        );
        match heard.len() {
            1 => refusal(&flow("idle", "")),
            2 => ok(&moved),
            3 => ok(&flow("authenticated", "")),
            _ => answer(200, "", ""),
        }
    });
    let server = server.await;
    User::default().get(&server).await.unwrap();
    assert_eq!(server.heard.lines()[2], format!("POST {FLOW}/pin"));
    assert!(evil.heard.lines().is_empty());
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let evil = nobody().await;
        let location = format!("location: {}\r\n", evil.url(FLOW));
        let redirect = location.clone();
        let server = Server::start(move |_| answer(status, &redirect, "")).await;
        assert_eq!(User::default().get(&server).await.unwrap().status(), status);

        for method in ["pin", "passwordless"] {
            let redirect = location.clone();
            let server = Server::start(move |heard| match heard.len() {
                1 => refusal(&flow("started", &format!(",\"method\":\"{method}\""))),
                _ => answer(status, &redirect, ""),
            });
            let error = User::default().get(&server.await).await.unwrap_err();
            let is_told =
                matches!(error, ClientError::UnexpectedStatus { status: told } if told == status);
            assert!(is_told, "{error}");
        }
        assert!(evil.heard.lines().is_empty(), "{:?}", evil.heard.all());
    }
}

#[tokio::test]
async fn a_builder_that_would_follow_redirects_does_not() {
    let evil = nobody().await;
    let location = format!("location: {}\r\n", evil.url("/"));
    let server = Server::start(move |_| answer(307, &location, "")).await;
    let eager = reqwest::Client::builder().redirect(reqwest::redirect::Policy::limited(10));
    let client = StepUpClient::new(eager, User::default()).unwrap();
    let request = client.http().get(server.url("/")).bearer_auth("token").build().unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), 307);
    assert!(evil.heard.lines().is_empty());
}
