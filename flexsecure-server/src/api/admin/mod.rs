//! `/v1/admin`: the directory of the account that the caller's key is of.
//!
//! | file | role |
//! | --- | --- |
//! | `access` | whose key it is, and whether it may |
//! | `path`, `query`, `body` | what a request says |
//! | `problem` | what is said when it does not work |
//! | `account`, `systems`, `users`, `assignments`, `keys`, `import`, `challenges` | the calls |
//! | `document` | all of them in OpenAPI |
//!
//! Handlers parse and print; what happens is in [`directory`](crate::directory).

mod access;
mod account;
mod assignments;
mod body;
mod challenges;
mod document;
mod import;
mod keys;
mod page;
mod path;
mod problem;
mod query;
mod systems;
mod users;

use std::sync::Arc;

use axum::{Extension, Router, extract::DefaultBodyLimit, routing::get};
use tokio::sync::Semaphore;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::problem::Problem;
use super::AppState;

pub(super) fn router() -> Router<AppState> {
    let (router, _) = calls().split_for_parts();
    router
        // A user may have the name of a call.
        .route(
            "/users/import",
            get(users::get_user).put(users::put_user).delete(users::delete_user),
        )
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .fallback(async || Problem::not_found("there is no such resource"))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(Extension(Arc::new(Semaphore::new(IMPORTS))))
}

fn calls() -> OpenApiRouter<AppState> {
    let imports = OpenApiRouter::new()
        .routes(routes!(import::import_users))
        .layer(DefaultBodyLimit::max(import::BODY_LIMIT));
    OpenApiRouter::new()
        .routes(routes!(account::get_account, account::put_account))
        .routes(routes!(systems::list_systems))
        .routes(routes!(systems::get_system, systems::put_system, systems::delete_system))
        .routes(routes!(users::list_users))
        .routes(routes!(users::get_user, users::put_user, users::delete_user))
        .routes(routes!(users::disable_user, users::enable_user))
        .routes(routes!(users::forgive_user))
        .routes(routes!(assignments::put_assignments))
        .routes(routes!(assignments::put_assignment, assignments::delete_assignment))
        .routes(routes!(keys::list_keys, keys::create_key))
        .routes(routes!(keys::get_key, keys::revoke_key))
        .routes(routes!(keys::rotate_key))
        .routes(routes!(challenges::get_challenge))
        .routes(routes!(document::get_document))
        .merge(imports)
}

/// Runs what must not stop half-way to its end, also when the client leaves and its handler is dropped.
async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(Problem::unavailable(&error)))
}

const BODY_LIMIT: usize = 64 * 1024;

/// At the same time: each holds its body.
const IMPORTS: usize = 2;

#[cfg(test)]
mod tests {
    use std::{env, fs, path::Path};

    /// The document that is checked in is that of the code. `FLEXSECURE_RENEW=1` writes it.
    #[test]
    fn the_document_is_the_one_in_docs() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let document = super::document::document().to_pretty_json().unwrap() + "\n";
        if env::var_os("FLEXSECURE_RENEW").is_some() {
            fs::write(&path, &document).unwrap();
        }
        assert!(
            fs::read_to_string(&path).is_ok_and(|checked_in| checked_in == document),
            "docs/openapi.json is stale: renew it with `FLEXSECURE_RENEW=1 cargo test -p \
             flexsecure-server --lib the_document_is`"
        );
    }
}
