//! The banks are one application: same status, same headers, same bytes.

use flexsecure_conformance::scenario::script::Story;
use flexsecure_conformance::subject::Launch;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_banks_answer_alike_to_the_byte() {
    let axum = Launch::new(env!("CARGO_BIN_EXE_subject-axum")).start().await;
    let actix = Launch::new(env!("CARGO_BIN_EXE_subject-actix")).start().await;
    let (axum, actix) = tokio::join!(Story::play(&axum), Story::play(&actix));
    let mut differences = Vec::new();
    for (one, other) in axum.entries().iter().zip(actix.entries()) {
        if one.1 != other.1 {
            differences.push(format!(
                "{}\n--- axum\n{}\n--- actix\n{}\n",
                one.0.trim_end(),
                one.1,
                other.1
            ));
        }
    }
    assert!(differences.is_empty(), "{}\n{}", differences.len(), differences.join("=========\n"));
    assert_eq!(axum.entries().len(), actix.entries().len());
    assert!(axum.entries().len() > 200);
}
