//! What is done to a server, and what it took.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use flexsecure_benches::figures::as_u64;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::connection::Connection;
use crate::latencies::Latencies;
use crate::load::{Challenge, Limit, Load, PATIENCE, Run};
use crate::meter::{Cost, Meter};

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Starts a challenge; its mail is on the server's bill
    Start,
    /// Asks how a challenge stands that nobody has answered
    Pending,
    /// Checks the right PIN of a challenge
    Pin,
    /// Starts a challenge, gets the mail, and checks its PIN
    Login,
    /// Waits for a challenge, in a request that is held until its link is approved
    Wait,
}

impl Scenario {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Pending => "check, pending",
            Self::Pin => "check, PIN",
            Self::Wait => "long poll, from approval",
            Self::Login => "whole login",
        }
    }
}

/// How much is done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// For how long, at most.
    pub(crate) time: Duration,
    /// How many requests are held.
    pub(crate) waiters: u64,
    /// How long they wait before the first is answered.
    pub(crate) hold: Duration,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) scenario: Scenario,
    pub(crate) run: Run,
    pub(crate) cost: Cost,
    pub(crate) resident: u64,
    /// While nothing happened: for how long, and at what cost.
    pub(crate) held: Option<(Duration, Cost)>,
}

pub(crate) async fn measure(
    scenario: Scenario,
    scale: Scale,
    load: &Rc<Load>,
    meter: &Meter<'_>,
) -> Result<Figures, String> {
    let mut held = None;
    let (run, cost) = match scenario {
        Scenario::Start => {
            let limit = Limit { count: share(load, 4), time: scale.time };
            meter.cost(starts(load, limit)).await?
        }
        Scenario::Pending => {
            let one_each = Limit { count: as_u64(load.clients), time: PATIENCE };
            let started = started(load, one_each).await?;
            let limit = Limit { count: u64::MAX, time: scale.time };
            meter.cost(pending(load, limit, started)).await?
        }
        Scenario::Pin => {
            let limit = Limit { count: share(load, 3), time: scale.time };
            let started = started(load, limit).await?;
            meter.cost(pins(load, limit, started)).await?
        }
        Scenario::Wait => {
            let waiting = Waiting::begin(load, scale.waiters).await?;
            let (idle, cost) = meter.cost(idle(scale.hold)).await?;
            held = Some((idle.elapsed, cost));
            meter.cost(waiting.release(load)).await?
        }
        Scenario::Login => {
            // The first ones find nothing warm.
            let warm = Limit { count: share(load, 20), time: scale.time.div_f32(10.0) };
            logins(load, warm).await?;
            let limit = Limit { count: share(load, 1), time: scale.time };
            meter.whole_cost(logins(load, limit)).await?
        }
    };
    Ok(Figures { scenario, run, cost, resident: meter.resident(), held })
}

/// A part of the challenges that can still be started before a limit is met.
fn share(load: &Load, part: u64) -> u64 {
    load.starts_left().checked_div(part).unwrap_or_default()
}

async fn starts(load: &Rc<Load>, limit: Limit) -> Result<Run, String> {
    let (before, client) = (load.mailbox.mails(), Rc::clone(load));
    let run = load.drive(limit, async move |connection| client.start(connection).await.map(drop));
    let mut run = run.await;
    let sent = mails_since(load, before, as_u64(run.latencies.count())).await;
    run.failures.extend(sent.err());
    Ok(run)
}

/// Each client over and over for one of its own.
async fn pending(load: &Rc<Load>, limit: Limit, started: Vec<Challenge>) -> Result<Run, String> {
    let requests: Vec<_> =
        started.iter().map(|challenge| load.check_request(challenge, None)).collect();
    let turn = Cell::new(0_usize);
    Ok(load
        .drive(limit, async move |connection: &mut Connection| {
            let index = turn.get().checked_rem(requests.len()).unwrap_or_default();
            turn.set(turn.get().wrapping_add(1));
            let request = requests.get(index).map(String::as_str).unwrap_or_default();
            connection.ask(request).await?.expect("pending").map(drop)
        })
        .await)
}

async fn pins(load: &Rc<Load>, limit: Limit, started: Vec<Challenge>) -> Result<Run, String> {
    let mut requests = vec![];
    for mut challenge in started {
        let pin = mail(&mut challenge).await?;
        requests.push(load.pin_request(&challenge, &pin));
    }
    let limit = Limit { count: as_u64(requests.len()), ..limit };
    let requests = RefCell::new(requests);
    Ok(load
        .drive(limit, async move |connection: &mut Connection| {
            let request = requests.borrow_mut().pop().unwrap_or_default();
            connection.ask(&request).await?.expect("authenticated").map(drop)
        })
        .await)
}

async fn logins(load: &Rc<Load>, limit: Limit) -> Result<Run, String> {
    let client = Rc::clone(load);
    Ok(load
        .drive(limit, async move |connection: &mut Connection| {
            let mut challenge = client.start(connection).await?;
            let pin = mail(&mut challenge).await?;
            let request = client.pin_request(&challenge, &pin);
            connection.ask(&request).await?.expect("authenticated").map(drop)
        })
        .await)
}

/// Challenges whose mails have come.
async fn started(load: &Rc<Load>, limit: Limit) -> Result<Vec<Challenge>, String> {
    let client = Rc::clone(load);
    let start = async move |connection: &mut Connection| client.start(connection).await;
    let limit = Limit { count: limit.count.min(load.starts_left()), ..limit };
    collected(load, limit, start).await
}

async fn started_links(load: &Rc<Load>, count: u64) -> Result<Vec<Challenge>, String> {
    let (client, number) = (Rc::clone(load), Cell::new(0_u64));
    let start = async move |connection: &mut Connection| {
        let next = number.get();
        number.set(next.saturating_add(1));
        client.start_link(connection, next).await
    };
    collected(load, Limit { count, time: Duration::MAX }, start).await
}

async fn collected<F>(load: &Rc<Load>, limit: Limit, start: F) -> Result<Vec<Challenge>, String>
where
    F: AsyncFn(&mut Connection) -> Result<Challenge, String> + 'static,
{
    let before = load.mailbox.mails();
    let challenges = Rc::new(RefCell::new(vec![]));
    let starting = Rc::clone(&challenges);
    let run = load
        .drive(limit, async move |connection: &mut Connection| {
            let challenge = start(connection).await?;
            starting.borrow_mut().push(challenge);
            Ok(())
        })
        .await;
    if let Some(failure) = run.failures.first() {
        return Err(failure.clone());
    }
    mails_since(load, before, as_u64(run.latencies.count())).await?;
    Ok(challenges.take())
}

async fn idle(time: Duration) -> Result<Run, String> {
    sleep(time).await;
    Ok(Run { elapsed: time, ..Run::default() })
}

async fn mail(challenge: &mut Challenge) -> Result<String, String> {
    let secret = timeout(PATIENCE, &mut challenge.secret).await;
    let secret = secret.map_err(|_| format!("no mail came for {}", challenge.user))?;
    secret.map_err(|_| format!("the mail for {} holds nothing to confirm by", challenge.user))
}

/// Returns once so many mails have come as were sent, for as long as anybody has patience.
async fn mails_since(load: &Load, before: u64, sent: u64) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let came = load.mailbox.mails().saturating_sub(before);
        if came >= sent {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("of {sent} mails only {came} came"));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Requests that are held.
#[derive(Debug)]
struct Waiting {
    held: JoinSet<(usize, Result<Instant, String>)>,
    /// What approves each of them.
    approvals: Vec<String>,
}

impl Waiting {
    async fn begin(load: &Rc<Load>, count: u64) -> Result<Self, String> {
        let (mut held, mut approvals) = (JoinSet::new(), vec![]);
        for mut challenge in started_links(load, count).await? {
            let token = mail(&mut challenge).await?;
            let digits = challenge.number.as_deref().unwrap_or_default();
            approvals.push(load.approval(&token, digits));
            let request = load.check_request(&challenge, Some(LONGEST_POLL));
            let mut connection = Connection::open(load.address).await?;
            let index = held.len();
            held.spawn_local(async move {
                let reply = connection.ask(&request).await;
                let told = Instant::now();
                (index, reply.and_then(|reply| reply.expect("authenticated")).map(|_| told))
            });
        }
        Ok(Self { held, approvals })
    }

    /// Approves one after the other, and measures from the approval being sent until its request is
    /// answered.
    async fn release(mut self, load: &Rc<Load>) -> Result<Run, String> {
        let mut approving = Connection::open(load.address).await?;
        let (mut sent, mut failures) = (vec![], vec![]);
        let began = Instant::now();
        for approval in &self.approvals {
            sent.push(Instant::now());
            let reply = approving.ask(approval).await?;
            if reply.status != 200 {
                failures.push(format!("an approval was answered {}", reply.status));
            }
        }
        let mut latencies = vec![];
        while let Some(ended) = self.held.join_next().await {
            match ended {
                Ok((index, Ok(told))) => {
                    let sent = sent.get(index).copied().unwrap_or(told);
                    latencies.push(told.saturating_duration_since(sent));
                }
                Ok((_, Err(error))) => failures.push(error),
                Err(error) => failures.push(error.to_string()),
            }
        }
        Ok(Run { elapsed: began.elapsed(), latencies: Latencies::new(latencies), failures })
    }
}

/// Seconds: what the authority holds a request for at most.
const LONGEST_POLL: u64 = 30;
