//! Doors that do nothing but count who goes through, behind each adapter: `ADAPTER` is `axum`, `actix`
//! or `tonic`.
//!
//! With `PLACEMENT=outer` one gate is around everything; otherwise each door has its own. Who asks is
//! in the header `authorization: Bearer USER.SESSION`.

mod doors;
mod on_actix;
mod on_axum;
mod on_tonic;

use std::io::Write;
use std::process::ExitCode;

use flexsecure_conformance::counts::Counts;
use flexsecure_core::Identity;
use flexsecure_examples::startup::{Node, StartError, exit_code};

fn main() -> ExitCode {
    let adapter = std::env::var("ADAPTER").unwrap_or_default();
    let is_outer = std::env::var("PLACEMENT").is_ok_and(|placement| placement == "outer");
    let ended = if adapter == "actix" {
        actix_web::rt::System::new().block_on(on_actix::run(is_outer))
    } else {
        let runtime = tokio::runtime::Runtime::new().map_err(StartError::Io);
        runtime.and_then(|runtime| {
            if adapter == "tonic" {
                runtime.block_on(on_tonic::run(is_outer))
            } else {
                runtime.block_on(on_axum::run(is_outer))
            }
        })
    };
    exit_code("counter", ended)
}

/// A node, where it listens, and what it counts.
async fn start() -> Result<(Node, std::net::TcpListener, Counts), StartError> {
    let (node, listener) = Node::start().await?;
    let counts = Counts::default();
    let address = counts.serve().await.map_err(StartError::Io)?;
    writeln!(std::io::stdout(), "counts on http://{address}").map_err(StartError::Io)?;
    Ok((node, listener, counts))
}

/// A session can be anybody's, so that nothing but the user differs where a scenario wants that.
fn identity(authorization: &str) -> Option<Identity> {
    let (user, session) = authorization.strip_prefix("Bearer ")?.split_once('.')?;
    Some(Identity::new(user, session))
}
