//! The `flexsecure-server` command.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return cli::failed(&format!("no runtime can be started: {error}")),
    };
    let code = runtime.block_on(cli::run());
    // What still runs, such as a look-up of a name, is not waited for: whatever had to end has ended.
    runtime.shutdown_background();
    code
}
