//! Programs that the checks need beside cargo.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::run::{Failed, output, step};

pub(crate) fn has_nextest() -> bool {
    runs("cargo", &["nextest", "--version"])
}

/// Whether node is there, in `version` or a later one.
pub(crate) fn has_node(version: u32) -> bool {
    let printed = output("node", &["--version"], &[]);
    let major = printed.as_deref().and_then(|printed| printed.trim().strip_prefix('v'));
    let major = major.and_then(|rest| rest.split('.').next()?.parse().ok());
    major.is_some_and(|major: u32| major >= version)
}

/// Installs a Debian package for its program, if root may; tells what to install if not.
pub(crate) fn debian(program: &str, package: &str) -> Result<(), Failed> {
    if runs(program, &["--version"]) { Ok(()) } else { install(program, package) }
}

/// Python with what makes environments for packages, which Debian has apart.
pub(crate) fn python() -> Result<(), Failed> {
    debian("python3", "python3")?;
    if runs("python3", &["-c", "import ensurepip"]) {
        return Ok(());
    }
    install("venv of python3", "python3-venv")
}

/// Installs PostgreSQL's server, whose programs Debian keeps out of `PATH`. The package also makes a
/// server for the machine at its usual port, which is let be: the tests start their own elsewhere.
pub(crate) fn postgresql() -> Result<(), Failed> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs = versions.flatten().map(|version| version.path().join("bin/initdb"));
    if programs.any(|program| program.exists()) || runs("initdb", &["--version"]) {
        return Ok(());
    }
    install("initdb", "postgresql")
}

fn install(what: &str, package: &str) -> Result<(), Failed> {
    let is_root = output("id", &["-u"], &[]).is_some_and(|id| id.trim() == "0");
    if !is_root || !runs("apt-get", &["--version"]) {
        return Err(Failed(format!("{what} is missing: install the package {package}")));
    }
    step("package lists", "apt-get", &["update", "--quiet"])?;
    step(package, "apt-get", &["install", "--yes", "--quiet", "--no-install-recommends", package])
}

/// Installs what the lock file in `folder` names, unless that has been done since it was changed.
pub(crate) fn node_packages(folder: &str) -> Result<(), Failed> {
    let changed = |path: &str| Path::new(folder).join(path).metadata()?.modified();
    let is_installed = changed("package-lock.json")
        .and_then(|locked| Ok(changed("node_modules/.package-lock.json")? >= locked))
        .unwrap_or(false);
    if is_installed {
        return Ok(());
    }
    debian("node", "nodejs")?;
    debian("npm", "npm")?;
    step("packages of node", "npm", &["ci", "--prefix", folder, "--no-audit", "--no-fund"])
}

/// Builds a program of a crate below `target/tools`, once, and gives its path.
pub(crate) fn cargo_tool(name: &str, version: &str) -> Result<String, Failed> {
    let root = format!("{}/tools/{name}-{version}", target());
    let program = format!("{root}/bin/{name}");
    if !Path::new(&program).exists() {
        let arguments =
            ["install", name, "--version", version, "--locked", "--root", &root, "--quiet"];
        step(name, "cargo", &arguments)?;
    }
    let absolute = std::path::absolute(&program);
    absolute
        .map(|path| path.to_string_lossy().into_owned())
        .map_err(|error| Failed(format!("{name}: {error}")))
}

/// Where what is built goes.
pub(crate) fn target() -> String {
    std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned())
}

fn runs(program: &str, arguments: &[&str]) -> bool {
    let status =
        Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
