//! A server process that does not outlive this one.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;

use crate::Error;
use crate::account::Account;

/// A server, below a shell that ends it and removes its folder as soon as its own input is closed:
/// on drop, and by the operating system when this process is no more.
#[derive(Debug)]
pub(crate) struct Watched {
    shell: Child,
    /// By which the shell says that it has done what it was told.
    done: BufReader<ChildStdout>,
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
            .stdout(Stdio::piped())
            .stderr(writer)
            // What a terminal sends to all in front of it is not for these.
            .process_group(0);
        let mut shell = command.spawn().map_err(Error::io("run /bin/sh"))?;
        // It holds the other end of the log.
        drop(command);
        let Some(done) = shell.stdout.take() else { return Err(Error::Shell) };
        let watched = Self { shell, done: BufReader::new(done) };
        await_line(log, ready)?;
        Ok(watched)
    }

    /// Ends the server as a crash would, and returns when it is gone.
    pub(crate) fn stop(&mut self) -> Result<(), Error> {
        self.tell("stop")
    }

    /// Runs the program again. What it logs is not read any more.
    pub(crate) fn start_again(&mut self) -> Result<(), Error> {
        self.tell("start")
    }

    fn tell(&mut self, order: &str) -> Result<(), Error> {
        let Some(orders) = &mut self.shell.stdin else { return Err(Error::Shell) };
        writeln!(orders, "{order}").map_err(Error::io("tell the shell"))?;
        let mut line = String::new();
        self.done.read_line(&mut line).map_err(Error::io("hear from the shell"))?;
        if line.trim_end() == order { Ok(()) } else { Err(Error::Shell) }
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

/// The folder, and what to run. The input has an order a line, each of which is answered when it is
/// carried out, and ends with whoever holds its other end. The log goes to the server alone, so that
/// it ends with it.
const SCRIPT: &str = r#"
folder=$1
shift
"$@" </dev/null >/dev/null &
server=$!
exec 2>/dev/null
while read -r order
do
    case $order in
    stop)
        kill -s QUIT "$server"
        wait "$server"
        server=
        ;;
    start)
        "$@" </dev/null >/dev/null &
        server=$!
        ;;
    esac
    echo "$order"
done
if [ -n "$server" ]
then
    kill -s QUIT "$server"
    wait "$server"
fi
cd /
rm -rf -- "$folder"
"#;
/// Enough to say why a server did not start.
const KEPT_LINES: usize = 50;
