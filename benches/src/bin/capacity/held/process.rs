//! The process of the app, seen from outside.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// This program as the server of an app; it ends with its input, and so with this process.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    orders: ChildStdin,
    told: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    pub(super) fn start(adapter: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", adapter])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let address = line(&mut told).parse().unwrap();
        Self { child, orders, told, address }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until the authority is asked about `many` flows at a time, and so as many requests are
    /// held: each is of a user of its own.
    pub(super) fn wait_for(&mut self, many: usize) {
        writeln!(self.orders, "{many}").unwrap();
        assert_eq!(line(&mut self.told), "held");
    }

    /// Has everybody approve.
    pub(super) fn approve(&mut self) {
        writeln!(self.orders, "approve").unwrap();
    }

    /// The bytes of memory that it has now, where the system tells them.
    pub(super) fn memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kibibytes.saturating_mul(1024))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn line(told: &mut impl BufRead) -> String {
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.ends_with('\n'), "the server has ended");
    line.trim_end().to_owned()
}
