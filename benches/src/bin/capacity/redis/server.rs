//! A Redis server of our own on a free port of this machine, without persistence, and a connection
//! that goes past the store.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

/// It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    port: u16,
    admin: BufReader<TcpStream>,
}

impl Server {
    /// None if there is no `redis-server` to be run.
    pub(super) fn start() -> Option<Self> {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let mut lines = BufReader::new(process.stdout.take()?).lines().map_while(Result::ok);
        let is_ready = lines.any(|line| line.contains("Ready to accept connections"));
        assert!(is_ready, "redis-server did not start on port {port}");
        // It goes on writing, and must not find the pipe full or closed.
        thread::spawn(move || lines.for_each(drop));
        let admin = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap());
        Some(Self { process, port, admin })
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it calls its version.
    pub(super) fn version(&mut self) -> String {
        self.field("server", "redis_version:")
    }

    /// The bytes that its data take.
    pub(super) fn memory(&mut self) -> u64 {
        self.field("memory", "used_memory_dataset:").parse().unwrap()
    }

    /// How many keys it has.
    pub(super) fn keys(&mut self) -> u64 {
        self.command(&["DBSIZE"]).parse().unwrap()
    }

    /// How many scripts it was sent, each a round trip.
    pub(super) fn round_trips(&mut self) -> u64 {
        let calls = self.info("commandstats", "cmdstat_evalsha:calls=");
        calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }

    /// How many commands it carried out, those in scripts included.
    pub(super) fn commands(&mut self) -> u64 {
        self.field("stats", "total_commands_processed:").parse().unwrap()
    }

    /// Drops all flows, as time does.
    pub(super) fn drop_flows(&mut self) {
        let keys = "local cursor = '0' repeat local found = redis.call('SCAN', cursor, 'MATCH', \
                    'flexsecure:flows:*', 'COUNT', 1000) cursor = found[1] for _, key in \
                    ipairs(found[2]) do redis.call('DEL', key) end until cursor == '0' return 0";
        self.command(&["EVAL", keys, "0"]);
    }

    /// Drops all that there is.
    pub(super) fn empty(&mut self) {
        self.command(&["FLUSHALL"]);
    }

    fn field(&mut self, section: &str, name: &str) -> String {
        self.info(section, name).unwrap_or_else(|| panic!("Redis says nothing of {name}"))
    }

    fn info(&mut self, section: &str, name: &str) -> Option<String> {
        let info = self.command(&["INFO", section]);
        info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned)
    }

    /// The answer to a command, if that is one text or number.
    fn command(&mut self, words: &[&str]) -> String {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.admin.get_mut().write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        self.admin.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at_checked(1).unwrap();
        match kind {
            "+" | ":" => rest.to_owned(),
            "$" => {
                let mut text = vec![0; rest.parse::<usize>().unwrap().saturating_add(2)];
                self.admin.read_exact(&mut text).unwrap();
                String::from_utf8(text).unwrap().trim_end().to_owned()
            }
            _ => panic!("{words:?}: {line}"),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
