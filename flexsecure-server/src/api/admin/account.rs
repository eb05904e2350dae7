use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    access::{Reading, Writing},
    body::Body,
    problem::{BadBody, Problem, Refused},
    to_the_end,
};
use crate::{Account, DirectoryError, directory::validate_country};

/// What an account may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountBody {
    /// To which dialling prefixes SMS may go: `+` and 1 to 7 digits each.
    #[schema(max_items = 300, example = json!(["+41", "+49"]))]
    sms_countries: Vec<String>,
    /// How many SMS it may send a day (UTC).
    #[schema(maximum = 2_147_483_647)]
    sms_daily_budget: u32,
}

/// The account of the API key.
#[utoipa::path(get, path = "/account", tag = "account", security(("apikey" = ["admin:read"])),
    responses((status = 200, body = Account), Refused))]
pub(super) async fn get_account(Reading(directory): Reading) -> Result<Json<Account>, Problem> {
    Ok(Json(directory.settings().await?))
}

/// Sets what the account may do.
#[utoipa::path(put, path = "/account", tag = "account", security(("apikey" = ["admin:write"])),
    request_body = AccountBody, responses((status = 200, body = Account), Refused, BadBody))]
pub(super) async fn put_account(
    Writing(directory): Writing,
    Body(body): Body<AccountBody>,
) -> Result<Json<Account>, Problem> {
    let bad = body.sms_countries.iter().position(|prefix| !validate_country(prefix));
    let bad = bad.map(|position| format!("/sms_countries/{position}"));
    to_the_end(async move {
        let countries: Vec<_> = body.sms_countries.iter().map(String::as_str).collect();
        let set = directory.set_sms_limits(Some(&countries), Some(body.sms_daily_budget)).await;
        let Err(error) = set else { return Ok(Json(directory.settings().await?)) };
        let pointer = if matches!(error, DirectoryError::TooManyCountries) {
            "/sms_countries".to_owned()
        } else if matches!(error, DirectoryError::BudgetOutOfRange) {
            "/sms_daily_budget".to_owned()
        } else if let Some(bad) = bad {
            bad
        } else {
            return Err(error.into());
        };
        Err(Problem::invalid_at(pointer, error.to_string()))
    })
    .await
}
