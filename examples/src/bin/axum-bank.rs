//! The demo bank on axum: `cargo run --bin axum-bank`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flexsecure_examples::axum_bank::main()
}
