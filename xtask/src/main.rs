//! The commands of this repository: `cargo xtask test` checks everything that has to hold, and
//! `cargo xtask bench` only what is measured.

mod bench;
mod run;
mod tools;

use std::process::ExitCode;

use run::{Failed, say, step};

fn main() -> ExitCode {
    let command = std::env::args().nth(1);
    let outcome = match command.as_deref() {
        Some("test") => test(),
        Some("bench") => bench::all(),
        _ => {
            say("usage: cargo xtask test | bench");
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            say(&format!("\nfailed: {what}"));
            ExitCode::FAILURE
        }
    }
}

/// From fast to slow, so that a slip costs little time.
fn test() -> Result<(), Failed> {
    step("format", "cargo", &["fmt", "--all", "--check"])?;
    step("lints", "cargo", &[&["clippy"], EVERYTHING, &["--", "-D", "warnings"]].concat())?;
    for features in FEATURE_SETS {
        step(
            "features",
            "cargo",
            &[&["clippy", "--quiet"], *features, &["--", "-D", "warnings"]].concat(),
        )?;
    }
    // The tests start these themselves, on ports and with data of their own.
    tools::debian("redis-server", "redis-server")?;
    tools::postgresql()?;
    tools::debian("faketime", "faketime")?;
    // The tests of mail install a mail server in an environment of their own, below `target`.
    tools::python()?;
    browser()?;
    script()?;
    if tools::has_nextest() {
        step(
            "tests",
            "cargo",
            &["nextest", "run", "--workspace", "--all-features", "--no-fail-fast"],
        )?;
    } else {
        say("cargo-nextest is not installed: `cargo test` runs the tests instead");
        step("tests", "cargo", &[&["test"], EVERYTHING].concat())?;
    }
    schedules()?;
    step("doc tests", "cargo", &["test", "--workspace", "--all-features", "--doc"])?;
    documentation()?;
    dependencies()?;
    bench::all()
}

/// What a test needs to see a page as a person does.
fn browser() -> Result<(), Failed> {
    tools::debian("chromium", "chromium")?;
    tools::debian("chromedriver", "chromium-driver")?;
    tools::node_packages("flexsecure-js")
}

/// The script of the step-up page, in node: its types, and what it promises of `fetch`. Its recipes
/// are tested in a browser, with all the rest.
fn script() -> Result<(), Failed> {
    let build = ["run", "--silent", "build:recipes", "--prefix", "flexsecure-js"];
    step("recipes", "npm", &build)?;
    if tools::has_node(20) {
        return step("script", "npm", &["test", "--silent", "--prefix", "flexsecure-js"]);
    }
    say("node is older than version 20: the tests of flexsecure-js in node are skipped");
    Ok(())
}

/// A build of its own, in which a scheduler decides at every lock who goes on.
fn schedules() -> Result<(), Failed> {
    let target = format!("{}/shuttle", tools::target());
    run::step_with(
        "schedules of threads",
        "cargo",
        &["test", "--package", "flexsecure-proofs", "--test", "shuttle", "--target-dir", &target],
        &[("RUSTFLAGS", "--cfg shuttle")],
    )
}

fn documentation() -> Result<(), Failed> {
    run::step_with(
        "documentation",
        "cargo",
        &["doc", "--workspace", "--all-features", "--no-deps"],
        &[("RUSTDOCFLAGS", "-D warnings")],
    )
}

/// The advisory database is not asked: it needs a network that a build must not depend on.
fn dependencies() -> Result<(), Failed> {
    let cargo_deny = tools::cargo_tool("cargo-deny", "0.20.2")?;
    let checks = ["--log-level", "error", "check", "bans", "licenses", "sources"];
    step("dependencies", &cargo_deny, &checks)
}

const EVERYTHING: &[&str] = &["--workspace", "--all-features", "--all-targets"];

/// Each feature alone, and none: what builds with all of them need not build with one.
const FEATURE_SETS: &[&[&str]] = &[
    &["-p", "flexsecure-core", "--no-default-features"],
    &["-p", "flexsecure-core", "--no-default-features", "--features", "http"],
    &["-p", "flexsecure-core", "--no-default-features", "--features", "client"],
    &["-p", "flexsecure-core", "--no-default-features", "--features", "hours"],
    &["-p", "flexsecure-core", "--no-default-features", "--features", "cedar"],
    &["-p", "flexsecure-core", "--no-default-features", "--features", "test-util"],
    &["-p", "flexsecure-tower", "--no-default-features"],
    &["-p", "flexsecure-tower", "--no-default-features", "--features", "axum"],
    &["-p", "flexsecure-tower", "--no-default-features", "--features", "http-authority"],
    &["-p", "flexsecure-tower", "--no-default-features", "--features", "test-util"],
    &["-p", "flexsecure-tower", "--no-default-features", "--features", "tonic"],
    &["-p", "flexsecure-actix", "--no-default-features"],
    &["-p", "flexsecure-actix", "--no-default-features", "--features", "test-util"],
];
