//! A client of the demo banks: `cargo run --bin bank-cli -- --user alice balance`.

use std::process::ExitCode;

fn main() -> ExitCode {
    flexsecure_examples::bank_cli::main()
}
