//! The bank on actix-web, as a subject of the scenarios.

fn main() -> std::process::ExitCode {
    flexsecure_examples::actix_bank::main()
}
