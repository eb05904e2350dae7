//! A gRPC response without messages: status and metadata are all in the header block.
//!
//! | metadata | what it holds |
//! | --- | --- |
//! | `flexsecure-flow` | the flow |
//! | `flexsecure-problem` | what an HTTP client would get as a body, with everything beyond ASCII escaped |
//! | `grpc-status-details-bin` | the same as `google.rpc.ErrorInfo`, and a `google.rpc.RetryInfo` where it is worth another try |

mod protobuf;
mod status;
#[cfg(test)]
mod tests;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::{Answer, Problem};
use crate::flow::FlowId;

pub(super) use self::status::ErrorInfo;

/// The response that says `problem`, with `info` on it.
pub(super) fn trailers_only(
    problem: Problem,
    problem_json: &str,
    flow: Option<FlowId>,
    info: &ErrorInfo<'_>,
) -> Answer {
    let mut answer = Answer::new(200, "application/grpc", "")
        .with_header("grpc-status", problem.grpc_status().to_string())
        .with_header("grpc-message", problem.title().to_owned());
    if let Some(flow) = flow {
        answer = answer.with_header("flexsecure-flow", flow.to_string());
    }
    // gRPC has binary metadata in base64, and wants no padding.
    let details = STANDARD_NO_PAD.encode(info.to_status(problem));
    let long =
        [("flexsecure-problem", ascii_json(problem_json)), ("grpc-status-details-bin", details)];
    for (name, value) in long {
        // A client that gets more than it takes sees a broken stream, and not what is wrong.
        if size(&answer).saturating_add(value.len()) < MOST_METADATA {
            answer = answer.with_header(name, value);
        }
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

/// As HTTP/2 counts headers (RFC 9113, section 6.5.2), without those that are still to come.
fn size(answer: &Answer) -> usize {
    let headers = answer.headers().iter();
    headers.map(|(name, value)| [name.len(), value.len(), 32].iter().sum::<usize>()).sum()
}

/// What gRPC implementations take by default is 8 KiB; a header that names the wait, those of layers
/// outside, and the names of the long ones need room in it as well.
const MOST_METADATA: usize = 7 * 1024;
