use std::time::Duration;

use axum::http::StatusCode;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::*;

#[test]
fn each_event_is_counted_under_words_of_ours() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let still_open = metrics::with_local_recorder(&recorder, || {
        for start in [Start::Accepted, Start::Refused, Start::Failed] {
            started(start);
        }
        ended(Method::Pin, End::Authenticated);
        ended(Method::Pin, End::Authenticated);
        for end in [End::Declined, End::WrongNumber, End::Locked] {
            ended(Method::Passwordless, end);
        }
        sent("mail-1", Sending::Accepted);
        sent("mail-1", Sending::Failed);
        outbox(Duration::from_millis(1500), 3);
        locked_out();
        wrong_keys_limited();
        committed();
        let took = Duration::from_millis(3);
        let route = "/a/{token}";
        answered(&Request { route, status: StatusCode::NOT_FOUND, is_held: false, took });
        let still_open = open_connection();
        drop(open_connection());
        process::measure();
        still_open
    });
    let text = handle.render();
    for line in [
        "flexsecure_starts_total{outcome=\"accepted\"} 1",
        "flexsecure_starts_total{outcome=\"refused\"} 1",
        "flexsecure_starts_total{outcome=\"failed\"} 1",
        "flexsecure_challenges_ended_total{method=\"pin\",outcome=\"authenticated\"} 2",
        "flexsecure_challenges_ended_total{method=\"passwordless\",outcome=\"wrong_number\"} 1",
        "flexsecure_messages_sent_total{provider=\"mail-1\",outcome=\"failed\"} 1",
        "flexsecure_outbox_oldest_seconds 1.5",
        "flexsecure_outbox_queued 3",
        "flexsecure_lock_outs_total 1",
        "flexsecure_wrong_key_refusals_total 1",
        "flexsecure_store_commits_total 1",
        "flexsecure_http_requests_total{route=\"/a/{token}\",status=\"4xx\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("flexsecure_http_request_duration_seconds"));
    assert!(text.contains("flexsecure_connections_open 1"), "{text}");
    drop(still_open);
}
