use super::{Answer, Problem};
use crate::flow::FlowId;

/// A gRPC response without messages: status and metadata are all in the header block.
///
/// `flexsecure-flow` names the flow and `flexsecure-problem` is what an HTTP client would get as a
/// body, with everything beyond ASCII escaped.
pub(super) fn trailers_only(problem: Problem, problem_json: &str, flow: Option<FlowId>) -> Answer {
    let mut answer = Answer::new(200, "application/grpc", "")
        .with_header("grpc-status", problem.grpc_status().to_string())
        .with_header("grpc-message", problem.title().to_owned())
        .with_header("flexsecure-problem", ascii_json(problem_json));
    if let Some(flow) = flow {
        answer = answer.with_header("flexsecure-flow", flow.to_string());
    }
    answer
}

/// JSON has an escape for every UTF-16 code unit (RFC 8259, section 7).
fn ascii_json(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            ascii.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                ascii.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    ascii
}
