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
}

/// Why what a session holds does not do.
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
    /// It was good for one request, which has been let through.
    Spent,
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
            Self::BodyTooLarge => (413, "body-too-large", "Body too large", "At most 16 KiB are read here."),
            Self::ContentTypeUnsupported => (415, "content-type-unsupported", "Content type not supported", "Send application/json or application/x-www-form-urlencoded."),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed", "The Allow header names the methods known here."),
            Self::FlowNotFound => (404, "flow-not-found", "Flow not found", "Repeat the request that needs the proof to open another."),
            Self::FlowOver => (409, "flow-over", "Flow over", "Repeat the request that needs the proof to open another."),
            Self::FlowInProgress => (409, "flow-in-progress", "Another flow is in progress", "Finish it, or wait until it is over, and repeat the request."),
            Self::TooSoon => (429, "too-soon", "Too soon", "A message was sent moments ago; wait before asking for another."),
            Self::TooManyStarts => (429, "too-many-starts", "Too many starts", "Too many messages were asked for; wait before asking for another."),
            Self::AuthorityUnavailable => (503, "authority-unavailable", "Authority unavailable", "The authentication service cannot be reached; try again later."),
            Self::StoreUnavailable => (503, "store-unavailable", "Store unavailable", "The proof cannot be looked up; try again later."),
        }
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
            Self::AuthorityUnavailable | Self::StoreUnavailable => 14,
        }
    }
}

impl Reason {
    /// The word a client is told.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Method => "method",
            Self::Operation => "operation",
            Self::Spent => "spent",
        }
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
            Self::Spent => {
                "The last proof was good for one request; start another, then repeat the request."
            }
        }
    }
}
