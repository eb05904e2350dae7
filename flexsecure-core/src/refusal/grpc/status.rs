use super::protobuf::Message;
use crate::refusal::Problem;

/// What a client of any language finds with the error classes of its own gRPC library.
#[derive(Debug)]
pub(in crate::refusal) struct ErrorInfo<'a> {
    /// In lower case, with hyphens.
    pub(in crate::refusal) reason: &'a str,
    pub(in crate::refusal) metadata: Vec<(&'static str, String)>,
    /// After how many seconds another try is worth it.
    pub(in crate::refusal) retry_after: Option<u64>,
}

impl ErrorInfo<'_> {
    /// A `google.rpc.Status` of `problem` with all of this in its details.
    pub(super) fn to_status(&self, problem: Problem) -> Vec<u8> {
        let mut status = Message::default()
            .number(1, u64::from(problem.grpc_status()))
            .text(2, problem.title())
            .message(3, &any("google.rpc.ErrorInfo", self.to_error_info()));
        if let Some(seconds) = self.retry_after {
            let duration = Message::default().number(1, seconds);
            let retry_info = Message::default().message(1, &duration);
            status = status.message(3, &any("google.rpc.RetryInfo", retry_info));
        }
        status.into_bytes()
    }

    fn to_error_info(&self) -> Message {
        let reason = self.reason.to_ascii_uppercase().replace('-', "_");
        let info = Message::default().text(1, &reason).text(2, DOMAIN);
        self.metadata.iter().fold(info, |info, (key, value)| {
            info.message(3, &Message::default().text(1, key).text(2, value))
        })
    }
}

/// A `google.protobuf.Any`.
fn any(kind: &str, message: Message) -> Message {
    let url = format!("type.googleapis.com/{kind}");
    Message::default().text(1, &url).bytes(2, &message.into_bytes())
}

/// Who the reasons are of: there are others by the same names.
const DOMAIN: &str = "flexsecure";
