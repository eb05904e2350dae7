use axum::Json;

use super::{
    access::Reading,
    path::Named,
    problem::{Missing, Problem, Refused},
};
use crate::ChallengeTimeline;

/// How far a challenge has come, for a day after it ran out.
#[utoipa::path(get, path = "/challenges/{txn}", tag = "challenges",
    security(("apikey" = ["admin:read"])),
    params(("txn" = String, Path)),
    responses((status = 200, body = ChallengeTimeline), Refused, Missing))]
pub(super) async fn get_challenge(
    Reading(directory): Reading,
    Named(txn): Named,
) -> Result<Json<ChallengeTimeline>, Problem> {
    Ok(Json(directory.challenge(&txn).await?))
}
