use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use crate::account::Account;
use crate::programs::Programs;
use crate::watched::Watched;
use crate::{Error, Options, folders, template};

/// What a query answers: a row a line, each value as text, and nothing for NULL.
pub type Rows = Vec<Vec<String>>;

/// A PostgreSQL server of its own, which ends and leaves nothing behind when this is dropped.
pub struct TemporaryPostgres {
    programs: Programs,
    port: u16,
    password: String,
    folder: PathBuf,
    /// The last to go: it removes the folder.
    process: Watched,
}

impl TemporaryPostgres {
    /// Starts a server that trades durability for speed, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not installed, or does not start.
    pub fn start() -> Result<Self, Error> {
        Options::default().start()
    }

    /// A server that is to be otherwise.
    #[must_use]
    pub fn options() -> Options {
        Options::default()
    }

    pub(crate) fn with(options: &Options) -> Result<Self, Error> {
        let programs = Programs::find()?;
        let account = Account::choose()?;
        let mut attempts = 0_u32;
        loop {
            attempts = attempts.saturating_add(1);
            match Self::once(options, &programs, account) {
                // Somebody else was faster at the free port.
                Err(Error::NotStarted { log })
                    if attempts < PORTS_TRIED && log.contains("Address already in use") => {}
                outcome => return outcome,
            }
        }
    }

    fn once(options: &Options, programs: &Programs, account: Account) -> Result<Self, Error> {
        let folder = folders::private(&folders::root(options.is_durable()), account)?;
        let password = template::lay_out(programs, account, folder.path())?;
        let port = free_port().map_err(Error::io("find a free port"))?;
        let data = folder.path().join("data");
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        for setting in options.settings(port) {
            arguments.extend(["-c".to_owned(), setting]);
        }
        // From here on it is the shell that removes it.
        let folder = folder.keep();
        let program = programs.path("postgres");
        let process = Watched::start(account, &folder, program.as_os_str(), &arguments, READY)?;
        Ok(Self { programs: programs.clone(), port, password, folder, process })
    }

    /// Where a database is, for a superuser; it need not exist. Holds the password.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Makes an empty database, and gives its URL.
    ///
    /// # Errors
    ///
    /// If it is there already, or has a name that would need quoting.
    pub fn create_database(&self, name: &str) -> Result<String, Error> {
        self.create_database_from(name, "template1")
    }

    /// Makes a database that holds what `template` holds, and gives its URL. Nobody may be connected
    /// to the template meanwhile.
    ///
    /// # Errors
    ///
    /// If it is there already, the template is not, or either has a name that would need quoting.
    pub fn create_database_from(&self, name: &str, template: &str) -> Result<String, Error> {
        for name in [name, template] {
            if !is_plain(name) {
                return Err(Error::Name { name: name.to_owned() });
            }
        }
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
        Ok(self.url(name))
    }

    /// Lets a superuser run a command, on a connection of its own, and gives the rows it answers.
    /// A value must contain no line break and no tab.
    ///
    /// # Errors
    ///
    /// What the server says against it.
    pub fn query(&self, database: &str, sql: &str) -> Result<Rows, Error> {
        let output = self
            .programs
            .command("psql")
            .args(["--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align"])
            .args(["--field-separator", "\t", "--set", "ON_ERROR_STOP=1", "--command", sql])
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--username", USER, "--dbname", database])
            .env("PGPASSWORD", &self.password)
            .output()
            .map_err(Error::io("run psql"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Program { program: "psql", said });
        }
        let answer = String::from_utf8_lossy(&output.stdout);
        let rows = answer.lines().filter(|line| !line.is_empty());
        Ok(rows.map(|line| line.split('\t').map(str::to_owned).collect()).collect())
    }

    /// Ends the server at once, as a crash of it would. What was committed without durability may be
    /// lost.
    ///
    /// # Errors
    ///
    /// If the shell beside it is gone.
    pub fn stop(&mut self) -> Result<(), Error> {
        self.process.stop()
    }

    /// Starts the server again where it was, with what it held, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// If it takes none within half a minute.
    pub fn start_again(&mut self) -> Result<(), Error> {
        self.process.start_again()?;
        let deadline = Instant::now().checked_add(PATIENCE);
        loop {
            match self.query("postgres", "SELECT 1") {
                Ok(_) => return Ok(()),
                Err(error) if deadline.is_none_or(|deadline| Instant::now() >= deadline) => {
                    return Err(error);
                }
                Err(_) => thread::sleep(BETWEEN_LOOKS),
            }
        }
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where all its files are; gone when this is dropped.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the server says of itself, as `postgres (PostgreSQL) 15.13`.
    #[must_use]
    pub fn version(&self) -> &str {
        self.programs.version()
    }

    /// The process that all others of this server are children of.
    ///
    /// # Errors
    ///
    /// If the server has ended.
    pub fn process_id(&self) -> Result<u32, Error> {
        let read = fs::read_to_string(self.folder.join("data").join("postmaster.pid"));
        let read = read.map_err(Error::io("read postmaster.pid"))?;
        let first = read.lines().next().and_then(|line| line.trim().parse().ok());
        first.ok_or(Error::NotStarted { log: read })
    }
}

/// Without the password.
impl std::fmt::Debug for TemporaryPostgres {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("TemporaryPostgres")
            .field("port", &self.port)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// A port that nobody listened at a moment ago.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether a name means itself in SQL and in a URL.
fn is_plain(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_lowercase();
    let is_part = |letter: char| is_letter(letter) || letter.is_ascii_digit() || letter == '_';
    name.starts_with(is_letter) && name.len() <= 63 && name.chars().all(is_part)
}

const USER: &str = "postgres";
const READY: &str = "database system is ready to accept connections";
const PORTS_TRIED: u32 = 10;
const PATIENCE: Duration = Duration::from_secs(30);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
