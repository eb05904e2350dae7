use super::AccountId;

/// What the audit trail can say. None of it holds a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    StartRefused,
    StartLimited,
    Started,
    ResendAsked,
    Sent,
    Delivered,
    NotDelivered,
    SendFailed,
    SendUnknown,
    Undeliverable,
    Authenticated,
    WrongPin,
    Locked,
    BackedOff,
    MethodDisabled,
    Forgiven,
    WrongMatch,
    Declined,
    Expired,
    Withdrawn,
    AccountAdded,
    SmsLimitsSet,
    SystemAdded,
    PoliciesSet,
    SystemDeleted,
    UserAdded,
    UserChanged,
    UserDeleted,
    UserDisabled,
    UserEnabled,
    Assigned,
    Unassigned,
    ApiKeyCreated,
    ApiKeyRotated,
    ApiKeyRevoked,
}

impl Event {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::StartRefused => "start refused",
            Self::StartLimited => "start limited",
            Self::Started => "start",
            Self::ResendAsked => "resend",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::NotDelivered => "not delivered",
            Self::SendFailed => "send failed",
            Self::SendUnknown => "send unknown",
            Self::Undeliverable => "undeliverable",
            Self::Authenticated => "authenticated",
            Self::WrongPin => "wrong pin",
            Self::Locked => "locked",
            Self::BackedOff => "backed off",
            Self::MethodDisabled => "method disabled",
            Self::Forgiven => "forgiven",
            Self::WrongMatch => "wrong match",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::AccountAdded => "account added",
            Self::SmsLimitsSet => "sms limits set",
            Self::SystemAdded => "system added",
            Self::PoliciesSet => "policies set",
            Self::SystemDeleted => "system deleted",
            Self::UserAdded => "user added",
            Self::UserChanged => "user changed",
            Self::UserDeleted => "user deleted",
            Self::UserDisabled => "user disabled",
            Self::UserEnabled => "user enabled",
            Self::Assigned => "assigned",
            Self::Unassigned => "unassigned",
            Self::ApiKeyCreated => "api key created",
            Self::ApiKeyRotated => "api key rotated",
            Self::ApiKeyRevoked => "api key revoked",
        }
    }
}

/// An entry that is not about a challenge: whom it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) account: AccountId,
    pub(crate) event: Event,
    pub(crate) system: Option<&'a str>,
    pub(crate) auth_id: Option<&'a str>,
    pub(crate) api_key: Option<&'a str>,
    /// A word of ours, such as which limit it was.
    pub(crate) detail: Option<&'a str>,
}

impl Entry<'_> {
    pub(crate) const fn new(account: AccountId, event: Event) -> Self {
        Self { account, event, system: None, auth_id: None, api_key: None, detail: None }
    }
}
