//! The demo bank on actix-web: `cargo run --bin actix-bank`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flexsecure_examples::actix_bank::main()
}
