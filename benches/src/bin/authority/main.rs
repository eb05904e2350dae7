//! How much the authority takes: the real server, its clients and a mail sink on one machine.
//!
//! ```sh
//! cargo run --release -p flexsecure-benches --bin authority              # everything, a few minutes
//! cargo run --release -p flexsecure-benches --bin authority login --store sqlite
//! ```
//!
//! It stays on the loopback interface, leaves nothing behind, and asserts nothing about times. The
//! figures are explained in `benches/README.md`.

mod connection;
mod disk;
mod latencies;
mod load;
mod meter;
mod population;
mod process;
mod scenario;
mod server;
mod sink;
mod store;
mod table;
mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use flexsecure_benches::figures::{grouped, say};
use flexsecure_benches::limits;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use crate::load::Load;
use crate::meter::Meter;
use crate::population::Population;
use crate::scenario::{Scale, Scenario};
use crate::server::{Program, Server};
use crate::sink::Mailbox;
use crate::store::{Kind, Store};
use crate::table::Each;

/// Prints how much the authority takes.
#[derive(Debug, Parser)]
#[command(name = "authority")]
struct Arguments {
    /// What to do to it; everything unless named
    #[arg(value_enum)]
    scenarios: Vec<Scenario>,
    /// Where it keeps its data; each in turn unless named
    #[arg(long, value_enum)]
    store: Vec<Kind>,
    /// How many users there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    users: u64,
    /// How many challenges there are that ran out within the last day
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    old_challenges: u64,
    /// How many clients ask at a time, each on a connection of its own
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..=1000))]
    clients: u64,
    /// How many requests are held at a time
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    waiters: u64,
    /// The longest that anything is measured for
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests with nothing in them that v1 does not know
    #[arg(long)]
    v1: bool,
    /// A few of everything: shows that it runs, and measures nothing
    #[arg(long)]
    small: bool,
    /// The binary of the server; built by cargo unless named
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// A further argument of its `serve`; can be given several times
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    serve: Vec<String>,
    /// Writes the figures to a file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Such a file of a former run, to compare with: with more users, nothing is to be much slower
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

fn main() -> ExitCode {
    let mut arguments = Arguments::parse();
    if arguments.small {
        arguments.users = 40;
        arguments.waiters = 5;
        arguments.clients = 4;
        arguments.seconds = 1;
    }
    let sockets = arguments.waiters.saturating_add(arguments.clients);
    limits::raise(usize::try_from(sockets).unwrap_or_default().saturating_add(limits::BESIDE));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => LocalSet::new().block_on(&runtime, until_stopped(&arguments)),
        Err(error) => Err(error.to_string()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// What is dropped here takes its processes along.
async fn until_stopped(arguments: &Arguments) -> Result<(), String> {
    let stop = |kind| signal(kind).map_err(|error| error.to_string());
    let (mut interrupt, mut terminate) =
        (stop(SignalKind::interrupt())?, stop(SignalKind::terminate())?);
    tokio::select! {
        outcome = all(arguments) => outcome,
        _ = interrupt.recv() => Err("stopped".to_owned()),
        _ = terminate.recv() => Err("stopped".to_owned()),
    }
}

async fn all(arguments: &Arguments) -> Result<(), String> {
    if arguments.small {
        say("a small run: it shows that everything runs, and its figures mean nothing");
    }
    let former = arguments.against.as_deref().map(former).transpose()?.unwrap_or_default();
    let program = Program::find(arguments.server.clone(), arguments.serve.clone())?;
    let mut figures = Map::new();
    let kinds = Kind::value_variants().iter().copied();
    for kind in kinds.filter(|kind| arguments.store.is_empty() || arguments.store.contains(kind)) {
        say(&format!("\n{}", kind.name()));
        let measured = one(arguments, &program, kind, &former).await?;
        figures.insert(kind.name().to_owned(), measured);
    }
    let Some(path) = &arguments.json else { return Ok(()) };
    let copy = json!({
        "users": arguments.users,
        "old_challenges": arguments.old_challenges,
        "clients": arguments.clients,
        "v1": arguments.v1,
        "small": arguments.small,
        "stores": figures,
    });
    std::fs::write(path, format!("{copy:#}\n"))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// All of one store, or why there is nothing of it.
async fn one(
    arguments: &Arguments,
    program: &Program,
    kind: Kind,
    former: &Value,
) -> Result<Value, String> {
    let skipped = |why: &str| {
        say(&format!("  skipped: {why}"));
        Ok(json!({ "skipped": why }))
    };
    let store = match Store::open(kind) {
        Ok(store) => store,
        Err(error) => return skipped(&error),
    };
    // Any command opens the database.
    let database = store.database();
    if let Err(error) = program.run(&database, &["system", "list"]) {
        let error = error.replace(&database, "URL");
        return skipped(&format!("the server refuses its URL: {error}"));
    }
    say(&format!("  {}", store.description().await?));
    let population = Population { users: arguments.users, links: arguments.waiters };
    let key = population::make(program, &store, population)?;
    let server = Running { program, store: &store };
    let mailbox = Mailbox::open().await.map_err(|error| error.to_string())?;
    if arguments.old_challenges > 0 {
        server.age(kind, &mailbox, &key, arguments.old_challenges).await?;
    }
    say(&format!(
        "  {} users, {} old challenges, {} clients; no user is asked so often that a limit is met",
        grouped(arguments.users),
        grouped(arguments.old_challenges),
        arguments.clients,
    ));
    // What else the machine does changes from minute to minute.
    let before = disk(arguments, &store)?;
    let mut figures = server.measure(arguments, kind, &mailbox, &key, former).await?;
    let after = disk(arguments, &store)?;
    say(&format!(
        "  the disk alone: {before:.0} appends of 4 KiB a second with fdatasync before that, \
         {after:.0} after it"
    ));
    figures.insert("synced_appends_per_second".to_owned(), json!([before, after]));
    Ok(Value::Object(figures))
}

/// A store that a server is started on.
struct Running<'a> {
    program: &'a Program,
    store: &'a Store,
}

type OpenMailbox = (Mailbox, std::net::SocketAddr);

impl Running<'_> {
    fn start(&self, mailbox: &OpenMailbox) -> Result<Server, String> {
        Server::start(self.program, &self.store.database(), mailbox.1, self.store.folder())
    }

    /// Has one challenge started, which is then copied.
    async fn age(
        &self,
        kind: Kind,
        mailbox: &OpenMailbox,
        key: &str,
        count: u64,
    ) -> Result<(), String> {
        let server = self.start(mailbox)?;
        let load = Load::new(server.address, key.to_owned(), mailbox.0.clone(), 1, 1, false);
        let mut connection = connection::Connection::open(server.address).await?;
        load.start_apart(&mut connection).await?;
        drop(server);
        let aged = population::age(kind, self.store, count).await;
        aged.map_err(|error| format!("old challenges cannot be made: {error}"))
    }

    async fn measure(
        &self,
        arguments: &Arguments,
        kind: Kind,
        mailbox: &OpenMailbox,
        key: &str,
        former: &Value,
    ) -> Result<Map<String, Value>, String> {
        let server = self.start(mailbox)?;
        let clients = usize::try_from(arguments.clients).unwrap_or(1);
        let (key, users) = (key.to_owned(), arguments.users);
        let load = Load::new(server.address, key, mailbox.0.clone(), users, clients, arguments.v1);
        let meter = Meter { server: server.id(), store: self.store };
        let scale = Scale {
            time: Duration::from_secs(arguments.seconds),
            waiters: arguments.waiters,
            hold: Duration::from_secs(arguments.seconds.min(LONGEST_HOLD)),
        };
        let (mut figures, mut targets) = (Map::new(), vec![]);
        table::head();
        let wanted = |scenario: &&Scenario| {
            arguments.scenarios.is_empty() || arguments.scenarios.contains(scenario)
        };
        for &scenario in Scenario::value_variants().iter().filter(wanted) {
            let measured = scenario::measure(scenario, scale, &load, &meter).await?;
            table::line(&measured);
            let each = Each::of(&measured);
            figures.insert(scenario.name().to_owned(), each.json());
            targets.extend(targets::of(kind, scenario, &each));
            targets.extend(targets::against(former, kind, scenario, &each));
        }
        for target in &targets {
            target.print(!arguments.small);
        }
        let targets: Vec<_> = targets.iter().map(targets::Target::json).collect();
        Ok(Map::from_iter([
            ("figures".to_owned(), Value::Object(figures)),
            ("targets".to_owned(), Value::Array(targets)),
        ]))
    }
}

fn former(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
    let read = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    read.map_err(|error| format!("{}: {error}", path.display()))
}

fn disk(arguments: &Arguments, store: &Store) -> Result<f64, String> {
    let time = Duration::from_millis(if arguments.small { 20 } else { 1000 });
    disk::synced_appends(store.folder(), time)
        .map_err(|error| format!("{}: {error}", store.folder().display()))
}

/// Seconds, well below what the authority holds a request for.
const LONGEST_HOLD: u64 = 3;
