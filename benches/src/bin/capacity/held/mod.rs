//! Requests that are held: an app in a process of its own, and a client for each of them in this one.

mod at_gate;
mod clients;
mod process;
mod server;

use std::time::{Duration, Instant};

use clap::ValueEnum;
use flexsecure_benches::limits;
use tokio::runtime::{self, Runtime};

pub(crate) use self::server::serve;

use self::clients::Clients;
use self::process::Server;
use crate::Scale;
use crate::report::{Report, as_u64, each, grouped, mebibytes, time};

/// What the app is built on.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Adapter {
    Axum,
    Actix,
}

/// Sees to it that this process may have as many sockets as it takes, if it can.
pub(crate) fn make_room(scale: Scale) {
    limits::raise(files(scale.held));
}

pub(crate) fn measure(scale: Scale, report: &mut Report) {
    let held = limits::open_files().map_or(scale.held, |limit| scale.held.min(limit.room()));
    report.part(&format!("{} requests held at a time", grouped(as_u64(held))));
    if let Some(limit) = limits::open_files() {
        report.row("open files that a process may have here", limit);
    }
    if let Some(ports) = limits::ports() {
        report.row("ports for the clients of one address", ports);
    }
    if held < scale.held {
        report.note("fewer than promised: no process may have more open files here (`ulimit -Hn`)");
    }
    let bytes = runtime().block_on(at_gate::bytes(held));
    report.row("bytes of one at the gate, without a framework", grouped(bytes));
    for adapter in Adapter::value_variants() {
        hold(*adapter, held, report);
    }
}

fn hold(adapter: Adapter, held: usize, report: &mut Report) {
    let name = match adapter {
        Adapter::Axum => "axum",
        Adapter::Actix => "actix",
    };
    let mut server = Server::start(name);
    let runtime = runtime();
    // The first requests make the server take what it takes for any.
    runtime.block_on(Clients::connect(server.address(), 0, WARM).first_refused());
    let before = server.memory();
    let began = Instant::now();
    let clients = runtime.block_on(Clients::connect(server.address(), WARM, held).sent());
    server.wait_for(held);
    let (sent, during) = (began.elapsed(), server.memory());
    let began = Instant::now();
    server.approve();
    let answers = runtime.block_on(clients.answers());
    let (took, after) = (began.elapsed(), server.memory());

    report.row(&format!("{name}: all are held after"), time(sent));
    if let Some(((before, during), after)) = before.zip(during).zip(after) {
        let taken = during.saturating_sub(before);
        report.row(&format!("{name}: resident memory of the process before"), mebibytes(before));
        report.row(&format!("{name}: while all are held"), mebibytes(during));
        report.row(&format!("{name}: bytes of one"), grouped(each(taken, as_u64(held))));
        report.row(&format!("{name}: resident memory when all are answered"), mebibytes(after));
        report.fits(&format!("{name}, {} held requests", grouped(as_u64(held))), taken, HELD);
    } else {
        report.note("resident memory: this system does not tell it in /proc");
    }
    report.row(&format!("{name}: from the approval of all to the last answer"), time(took));
    report.row(&format!("{name}: answered as they should be"), grouped(as_u64(answers.right)));
    report.none_of(&format!("{name}: lost"), as_u64(held.saturating_sub(answers.right)));
    if let Some(wrong) = answers.wrong {
        report.note(&format!("the first that was not: {wrong}"));
    }
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A socket for each, and what a process has open beside.
const fn files(held: usize) -> usize {
    held.saturating_add(limits::BESIDE)
}

/// How many requests come before those that are measured.
const WARM: usize = 50;

/// How long a client waits for its answer beyond the time it may be held.
const PATIENCE: Duration = Duration::from_secs(90);

/// What is promised for the memory that as many requests take as a gate holds, over what the process
/// has anyway.
const HELD: u64 = 256 * 1024 * 1024;
