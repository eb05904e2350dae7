//! The bank on axum, as a subject of the scenarios.

fn main() -> std::process::ExitCode {
    flexsecure_examples::axum_bank::main()
}
