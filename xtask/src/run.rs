use std::io::Write;
use std::process::Command;

/// What did not succeed.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

/// Runs a program as a named step, with its output where ours goes.
pub(crate) fn step(name: &str, program: &str, arguments: &[&str]) -> Result<(), Failed> {
    step_with(name, program, arguments, &[])
}

/// The same with more in its environment.
pub(crate) fn step_with(
    name: &str,
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(), Failed> {
    say(&format!("\n== {name}: {program} {}", arguments.join(" ")));
    let status = Command::new(program).args(arguments).envs(environment.iter().copied()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(Failed(name.to_owned())),
        Err(error) => Err(Failed(format!("{name}: {program} cannot be run: {error}"))),
    }
}

/// What a program prints, if it succeeds.
pub(crate) fn output(
    program: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Option<String> {
    let output =
        Command::new(program).args(arguments).envs(environment.iter().copied()).output().ok()?;
    if !output.status.success() {
        say(&String::from_utf8_lossy(&output.stderr));
        return None;
    }
    String::from_utf8(output.stdout).ok()
}

/// One line for whoever runs this; a reader that has gone away is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
