use crate::flow::Over;

/// What is wrong, in the vocabulary a client is told.
///
/// Each is a problem type of RFC 9457, `urn:flexsecure:problem:` and [its name](Problem::name).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// The session holds no proof that does for this request.
    StepUpRequired(Reason),
    /// Nobody is logged in.
    IdentificationRequired,
    /// No proof would do.
    Denied,
    /// A browser was led here by another site.
    CrossSite,
    /// The PIN is not the right one.
    PinRejected,
    /// What was sent is not a PIN; no attempt was spent.
    PinMalformed,
    /// The body cannot be read as what it says it is.
    BodyMalformed,
    /// The body is larger than any that is expected here.
    BodyTooLarge,
    /// The body is of a type that is not understood here.
    ContentTypeUnsupported,
    /// The resource does not know the method.
    MethodNotAllowed,
    /// No such flow, or another session's, told alike.
    FlowNotFound,
    /// The flow has ended.
    FlowOver,
    /// Another session or operation has the user's login.
    FlowInProgress,
    /// A message was sent moments ago.
    TooSoon,
    /// The user had too many messages lately.
    TooManyStarts,
    /// The authority cannot be reached.
    AuthorityUnavailable,
    /// Flows and elevations cannot be read or written.
    StoreUnavailable,
    /// The policy cannot say what this takes.
    PolicyUnavailable,
}

/// Why what a session holds does not do.
///
/// | word | does another proof help? |
/// | --- | --- |
/// | `missing`, `stale`, `method`, `operation`, `network`, `spent` | yes: one that is given now |
/// | `timeout`, `attempts`, `declined`, `cancelled` | the one that this request was held for did not come; another may |
/// | `refused`, `no-method`, `loop` | no: repeating the request changes nothing |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// It holds nothing for this.
    Missing,
    /// It is too old.
    Stale,
    /// It was given by another method than the route accepts.
    Method,
    /// It was given for another operation.
    Operation,
    /// It was given from another network.
    Network,
    /// It was good for one request, which has been let through.
    Spent,
    /// The flow that this request was held for ran out of time.
    Timeout,
    /// The flow that this request was held for ended with one wrong PIN too many.
    Attempts,
    /// The authority does not authenticate this user.
    Refused,
    /// The user said that it was not them who asked.
    Declined,
    /// The flow that this request was held for was given up.
    Cancelled,
    /// The user has no method that does here.
    NoMethod,
    /// A fresh proof was given and does not do either: asking again would never end (RFC 9470).
    Loop,
}

impl Problem {
    /// Why what the session holds does not do, if that is the problem.
    #[must_use]
    pub const fn reason(self) -> Option<Reason> {
        if let Self::StepUpRequired(reason) = self { Some(reason) } else { None }
    }

    /// The last part of the problem type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The HTTP status code.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.row().0
    }

    /// What it is, in a few words that are the same each time.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// What to do about it.
    #[must_use]
    pub const fn detail(self) -> &'static str {
        match self.reason() {
            Some(reason) => reason.detail(),
            None => self.row().3,
        }
    }

    /// Status, name, title and detail.
    #[rustfmt::skip]
    const fn row(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::StepUpRequired(_) => (401, "step-up-required", "Step-up authentication required", ""),
            Self::IdentificationRequired => (401, "identification-required", "Identification required", "Log in first."),
            Self::Denied => (403, "denied", "Denied", "This is not allowed, whatever the proof."),
            Self::CrossSite => (403, "cross-site", "Cross-site request refused", "Repeat this from the site itself."),
            Self::PinRejected => (403, "pin-rejected", "PIN rejected", "That is not the PIN that was sent."),
            Self::PinMalformed => (400, "pin-malformed", "Malformed PIN", "A PIN is 8 digits; no attempt was spent."),
            Self::BodyMalformed => (400, "body-malformed", "Malformed body", "Send {\"pin\":\"12345678\"} as JSON, or pin=12345678 as a form."),
            Self::BodyTooLarge => (413, "body-too-large", "Body too large", "At most 96 KiB are read here."),
            Self::ContentTypeUnsupported => (415, "content-type-unsupported", "Content type not supported", "Send application/json or application/x-www-form-urlencoded."),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed", "The Allow header names the methods known here."),
            Self::FlowNotFound => (404, "flow-not-found", "Flow not found", "Repeat the request that needs the proof to open another."),
            Self::FlowOver => (409, "flow-over", "Flow over", "Repeat the request that needs the proof to open another."),
            Self::FlowInProgress => (409, "flow-in-progress", "Another flow is in progress", "Finish it, or wait until it is over, and repeat the request."),
            Self::TooSoon => (429, "too-soon", "Too soon", "A message was sent moments ago; wait before asking for another."),
            Self::TooManyStarts => (429, "too-many-starts", "Too many starts", "Too many messages were asked for; wait before asking for another."),
            Self::AuthorityUnavailable => (503, "authority-unavailable", "Authority unavailable", "The authentication service cannot be reached; try again later."),
            Self::StoreUnavailable => (503, "store-unavailable", "Store unavailable", "The proof cannot be looked up; try again later."),
            Self::PolicyUnavailable => (503, "policy-unavailable", "Policy unavailable", "What this takes cannot be decided now; try again later."),
        }
    }

    /// Every problem, and every reason of the one that has reasons.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let reasons = Reason::ALL.into_iter().map(Self::StepUpRequired);
        reasons.chain([
            Self::IdentificationRequired,
            Self::Denied,
            Self::CrossSite,
            Self::PinRejected,
            Self::PinMalformed,
            Self::BodyMalformed,
            Self::BodyTooLarge,
            Self::ContentTypeUnsupported,
            Self::MethodNotAllowed,
            Self::FlowNotFound,
            Self::FlowOver,
            Self::FlowInProgress,
            Self::TooSoon,
            Self::TooManyStarts,
            Self::AuthorityUnavailable,
            Self::StoreUnavailable,
            Self::PolicyUnavailable,
        ])
    }

    /// The gRPC status code that says the same.
    pub(super) const fn grpc_status(self) -> u8 {
        match self {
            Self::StepUpRequired(_) | Self::IdentificationRequired | Self::PinRejected => 16,
            Self::Denied | Self::CrossSite => 7,
            Self::PinMalformed
            | Self::BodyMalformed
            | Self::BodyTooLarge
            | Self::ContentTypeUnsupported => 3,
            Self::MethodNotAllowed => 12,
            Self::FlowNotFound => 5,
            Self::FlowOver | Self::FlowInProgress => 9,
            Self::TooSoon | Self::TooManyStarts => 8,
            Self::AuthorityUnavailable | Self::StoreUnavailable | Self::PolicyUnavailable => 14,
        }
    }
}

impl Reason {
    const ALL: [Self; 13] = [
        Self::Missing,
        Self::Stale,
        Self::Method,
        Self::Operation,
        Self::Network,
        Self::Spent,
        Self::Timeout,
        Self::Attempts,
        Self::Refused,
        Self::Declined,
        Self::Cancelled,
        Self::NoMethod,
        Self::Loop,
    ];

    /// The word a client is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Method => "method",
            Self::Operation => "operation",
            Self::Network => "network",
            Self::Spent => "spent",
            Self::Timeout => "timeout",
            Self::Attempts => "attempts",
            Self::Refused => "refused",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::NoMethod => "no-method",
            Self::Loop => "loop",
        }
    }

    /// Whether repeating the request changes nothing, whatever proof is given first.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Refused | Self::NoMethod | Self::Loop)
    }

    const fn detail(self) -> &'static str {
        match self {
            Self::Missing => "Prove who you are, then repeat the request.",
            Self::Stale => {
                "The last proof is too old; prove again who you are, then repeat the request."
            }
            Self::Method => {
                "The last proof was by a method that does not do here; prove again who you are, then repeat the request."
            }
            Self::Operation => {
                "The last proof was for another operation; approve this one, then repeat the request."
            }
            Self::Network => {
                "The last proof was given from another network; prove again who you are, then repeat the request."
            }
            Self::Spent => {
                "The last proof was good for one request; start another, then repeat the request."
            }
            Self::Timeout => "Nobody answered in time; repeat the request to be asked again.",
            Self::Attempts => "Too many wrong PINs; repeat the request to get another one.",
            Self::Refused => {
                "You cannot be authenticated for this; do not repeat the request, ask whoever runs this system."
            }
            Self::Declined => "You said that it was not you; repeat the request only if it was.",
            Self::Cancelled => "This was cancelled; repeat the request to be asked again.",
            Self::NoMethod => {
                "You have no way to prove who you are that does here; do not repeat the request, ask whoever runs this system to set one up."
            }
            Self::Loop => {
                "Even the proof just given does not do here; do not repeat the request, tell whoever runs this system."
            }
        }
    }
}

/// How the flow ended that a request was held for.
impl From<Over> for Reason {
    fn from(over: Over) -> Self {
        match over {
            Over::Timeout => Self::Timeout,
            Over::Attempts => Self::Attempts,
            Over::Refused => Self::Refused,
            Over::Declined => Self::Declined,
            Over::Cancelled => Self::Cancelled,
        }
    }
}
