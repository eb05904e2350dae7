use std::fmt::Write;

use super::Problem;
use crate::Requirement;
use crate::flow::FlowId;

/// The `WWW-Authenticate` header that every 401 carries (RFC 9110, section 11.6.1), with the
/// parameters of RFC 9470, section 3, where a proof is asked for.
pub(super) fn www_authenticate(
    problem: Problem,
    requirement: Option<&Requirement>,
    flow: Option<FlowId>,
) -> Option<String> {
    let error = if matches!(problem, Problem::StepUpRequired(_)) {
        "insufficient_user_authentication"
    } else if problem == Problem::IdentificationRequired {
        "identification_required"
    } else {
        return None;
    };
    let mut challenge =
        format!("FlexSecure error=\"{error}\", error_description=\"{}\"", problem.detail());
    if let Some(requirement) = requirement {
        // Writing to a string cannot fail.
        let _ = write!(challenge, ", max_age=\"{}\"", requirement.max_age().as_secs());
    }
    if let Some(flow) = flow {
        let _ = write!(challenge, ", flow=\"{flow}\"");
    }
    Some(challenge)
}
