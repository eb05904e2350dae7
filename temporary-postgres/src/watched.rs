//! A server process that does not outlive this one.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::Error;
use crate::account::Account;

/// A server, below a shell that ends it and removes its folder as soon as its own input is closed:
/// on drop, and by the operating system when this process is no more.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
}

impl Watched {
    /// Starts `program`, and waits for the line of its log that contains `ready`.
    ///
    /// `folder` is removed in the end, also if this fails.
    pub(crate) fn start(
        account: Account,
        folder: &Path,
        program: &OsStr,
        arguments: &[String],
        ready: &str,
    ) -> Result<Self, Error> {
        let (log, writer) = pipe().map_err(Error::io("make a pipe"))?;
        let mut command = Command::new("/bin/sh");
        account.runs(&mut command, folder);
        command
            .args(["-c", SCRIPT, "temporary-postgres"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(writer)
            // What a terminal sends to all in front of it is not for these.
            .process_group(0);
        let shell = command.spawn().map_err(Error::io("run /bin/sh"))?;
        // It holds the other end of the log.
        drop(command);
        let watched = Self { shell };
        await_line(log, ready)?;
        Ok(watched)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Reads the log up to the line, and lets a thread read the rest: a full pipe would stop the server.
fn await_line(log: PipeReader, ready: &str) -> Result<(), Error> {
    let mut lines = BufReader::new(log).lines().map_while(Result::ok);
    let mut last = VecDeque::new();
    for line in lines.by_ref() {
        if line.contains(ready) {
            thread::spawn(move || lines.for_each(drop));
            return Ok(());
        }
        last.push_back(line);
        if last.len() > KEPT_LINES {
            last.pop_front();
        }
    }
    Err(Error::NotStarted { log: Vec::from(last).join("\n") })
}

/// The folder, and what to run. The input ends with whoever holds its other end. The log goes to
/// the server alone, so that it ends with it.
const SCRIPT: &str = r#"
folder=$1
shift
"$@" </dev/null &
server=$!
exec 2>/dev/null
read -r _
kill -s QUIT "$server"
wait "$server"
cd /
rm -rf -- "$folder"
"#;
/// Enough to say why a server did not start.
const KEPT_LINES: usize = 50;
