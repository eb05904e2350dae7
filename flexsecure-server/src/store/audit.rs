use sqlx::SqliteConnection;

use crate::{StoreError, UnixMillis};

/// What the audit trail can say. None of it holds a secret.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    StartRefused,
    Started,
    ResendAsked,
    Sent,
    SendFailed,
    Undeliverable,
    Authenticated,
    WrongPin,
    Locked,
    WrongMatch,
    Declined,
    Expired,
    Withdrawn,
    SystemAdded,
    PoliciesSet,
    UserAdded,
    UserDisabled,
    UserEnabled,
    Assigned,
    ApiKeyCreated,
    ApiKeyRevoked,
}

impl Event {
    fn as_str(self) -> &'static str {
        match self {
            Self::StartRefused => "start refused",
            Self::Started => "start",
            Self::ResendAsked => "resend",
            Self::Sent => "sent",
            Self::SendFailed => "send failed",
            Self::Undeliverable => "undeliverable",
            Self::Authenticated => "authenticated",
            Self::WrongPin => "wrong pin",
            Self::Locked => "locked",
            Self::WrongMatch => "wrong match",
            Self::Declined => "declined",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
            Self::SystemAdded => "system added",
            Self::PoliciesSet => "policies set",
            Self::UserAdded => "user added",
            Self::UserDisabled => "user disabled",
            Self::UserEnabled => "user enabled",
            Self::Assigned => "assigned",
            Self::ApiKeyCreated => "api key created",
            Self::ApiKeyRevoked => "api key revoked",
        }
    }
}

/// Whom an entry is about, where it is not about a challenge.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) system: Option<&'a str>,
    pub(super) auth_id: Option<&'a str>,
    pub(super) api_key: Option<&'a str>,
}

pub(super) async fn record(
    connection: &mut SqliteConnection,
    now: UnixMillis,
    event: Event,
    subject: Subject<'_>,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO audit (at, event, system, auth_id, api_key) VALUES (?, ?, ?, ?, ?)")
        .bind(now.as_millis())
        .bind(event.as_str())
        .bind(subject.system)
        .bind(subject.auth_id)
        .bind(subject.api_key)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn record_challenge(
    connection: &mut SqliteConnection,
    now: UnixMillis,
    event: Event,
    challenge: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO audit (at, event, system, auth_id, challenge_id, ip)
         SELECT ?, ?, s.name, u.auth_id, c.id, c.ip
         FROM challenges c JOIN systems s ON s.id = c.system_id JOIN users u ON u.id = c.user_id
         WHERE c.id = ?",
    )
    .bind(now.as_millis())
    .bind(event.as_str())
    .bind(challenge)
    .execute(connection)
    .await?;
    Ok(())
}
