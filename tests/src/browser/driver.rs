use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// `chromedriver` on a free port; it ends with this value, and the browser with it.
#[derive(Debug)]
pub(super) struct Driver {
    process: Child,
    port: u16,
    /// Closed once nobody can write any more: the browser inherits the standard output.
    ended: mpsc::Receiver<u16>,
}

impl Driver {
    pub(super) fn start() -> Self {
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("chromedriver does not start, install chromium-driver: {error}")
            });
        let output = process.stdout.take().expect("piped");
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(port) = port_of(&line) {
                    // A test that has failed meanwhile does not want to know.
                    let _ = sender.send(port);
                }
            }
        });
        match ended.recv_timeout(LONGEST_START) {
            Ok(port) => Self { process, port, ended },
            Err(_) => {
                // There is nothing else to be done about it.
                let _ = process.kill();
                panic!("chromedriver does not say where it listens");
            }
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Driver {
    /// The browser talks to it over a pipe, and ends when that is closed.
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        // Its profile can't be removed before.
        let _ = self.ended.recv_timeout(LONGEST_END);
    }
}

/// "ChromeDriver was started successfully on port 12345."
fn port_of(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

const LONGEST_START: Duration = Duration::from_secs(60);

const LONGEST_END: Duration = Duration::from_secs(10);
