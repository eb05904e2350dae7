mod call;
mod logins;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::call::Call;

use self::logins::{Logins, Standing};
use super::{Authority, Capabilities, CheckReply, CheckRequest, StartReply, StartRequest};

/// An authority in memory, for tests of apps and of this crate.
///
/// By itself it behaves like a small real one: a start is accepted and counts as a message, a check
/// is pending until [`approve`](Self::approve) is called or the right PIN comes. Any reply can be
/// scripted instead, and any answer held back until the test releases it, so that no test needs to
/// sleep. Clones share everything: keep one, give the other away.
///
/// A start and a PIN take effect when they arrive, even while their answers are held back; a check
/// without a PIN is answered as things stand when it is released.
///
/// ```
/// use flexsecure_core::test_util::ScriptedAuthority;
///
/// let authority = ScriptedAuthority::passwordless();
/// // ... give a clone to the gate, ask for something sensitive ...
/// authority.approve();
/// assert_eq!(authority.messages(), 0);
/// ```
#[derive(Clone)]
pub struct ScriptedAuthority {
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    /// Woken by whatever a held call or a waiting test may look at.
    changed: Notify,
}

struct Script {
    capabilities: Capabilities,
    logins: Logins,
    calls: Vec<Call>,
    messages: usize,
    in_flight: usize,
    most_in_flight: usize,
    is_holding: bool,
    released: usize,
    next_starts: VecDeque<StartReply>,
    next_checks: VecDeque<CheckReply>,
    next_pin_checks: VecDeque<CheckReply>,
    starts: Option<StartScript>,
    checks: Option<CheckScript>,
}

type StartScript = Box<dyn FnMut(&Call) -> Option<StartReply> + Send>;
type CheckScript = Box<dyn FnMut(&Call) -> Option<CheckReply> + Send>;

impl ScriptedAuthority {
    /// An authority that sends its users links, and knows all of the superset.
    #[must_use]
    pub fn passwordless() -> Self {
        Self::with(Logins::by_link(), Capabilities::FULL)
    }

    /// An authority that sends its users the PIN `pin`, and knows all of the superset.
    #[must_use]
    pub fn pin(pin: &str) -> Self {
        Self::with(Logins::by_pin(pin), Capabilities::FULL)
    }

    /// An authority that knows the v1 API and nothing more: users get the PIN `pin`, else a link.
    ///
    /// It names no login and tells no method. A check without a PIN costs an attempt where the user
    /// has one, as the v1 API does not say that it doesn't.
    #[must_use]
    pub fn v1(pin: Option<&str>) -> Self {
        Self::with(pin.map_or_else(Logins::by_link, Logins::by_pin), Capabilities::V1)
    }

    fn with(logins: Logins, capabilities: Capabilities) -> Self {
        let script = Script {
            capabilities,
            logins,
            calls: Vec::new(),
            messages: 0,
            in_flight: 0,
            most_in_flight: 0,
            is_holding: false,
            released: 0,
            next_starts: VecDeque::new(),
            next_checks: VecDeque::new(),
            next_pin_checks: VecDeque::new(),
            starts: None,
            checks: None,
        };
        Self { shared: Arc::new(Shared { script: Mutex::new(script), changed: Notify::new() }) }
    }

    /// From now on it knows `capabilities`, as after an upgrade.
    pub fn set_capabilities(&self, capabilities: Capabilities) {
        self.script().capabilities = capabilities;
    }

    /// The users open their links and approve. A login by PIN is none the wiser.
    pub fn approve(&self) {
        self.stand(None, Standing::Approved);
    }

    /// The user `auth_id` alone opens their links and approves.
    pub fn approve_user(&self, auth_id: &str) {
        self.stand(Some(auth_id), Standing::Approved);
    }

    /// The users say that it was not them.
    pub fn decline(&self) {
        self.stand(None, Standing::Declined);
    }

    /// The time of all logins is over.
    pub fn expire(&self) {
        self.stand(None, Standing::Expired);
    }

    /// Answers the next unscripted start with `reply`.
    pub fn push_start(&self, reply: StartReply) {
        self.script().next_starts.push_back(reply);
    }

    /// Answers the next unscripted check without a PIN with `reply`.
    pub fn push_check(&self, reply: CheckReply) {
        self.script().next_checks.push_back(reply);
    }

    /// Answers the next unscripted check of a PIN with `reply`.
    pub fn push_pin_check(&self, reply: CheckReply) {
        self.script().next_pin_checks.push_back(reply);
    }

    /// Answers every start that finds no pushed reply with what `script` says, if it says anything.
    pub fn answer_starts(&self, script: impl FnMut(&Call) -> Option<StartReply> + Send + 'static) {
        self.script().starts = Some(Box::new(script));
    }

    /// Answers every check that finds no pushed reply with what `script` says, if it says anything.
    pub fn answer_checks(&self, script: impl FnMut(&Call) -> Option<CheckReply> + Send + 'static) {
        self.script().checks = Some(Box::new(script));
    }

    /// Holds back every answer from now on.
    pub fn hold(&self) {
        self.script().is_holding = true;
    }

    /// Gives one answer that is held back, or the next one.
    pub fn release_one(&self) {
        let mut script = self.script();
        script.released = script.released.saturating_add(1);
        drop(script);
        self.shared.changed.notify_waiters();
    }

    /// Gives all answers that are held back, and holds back no more.
    pub fn release(&self) {
        let mut script = self.script();
        script.is_holding = false;
        script.released = 0;
        drop(script);
        self.shared.changed.notify_waiters();
    }

    /// The calls made so far, in the order in which they arrived.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.script().calls.clone()
    }

    /// How many starts arrived.
    #[must_use]
    pub fn starts(&self) -> usize {
        self.script().calls.iter().filter(|call| call.is_start()).count()
    }

    /// How many checks arrived, with a PIN or without.
    #[must_use]
    pub fn checks(&self) -> usize {
        self.script().calls.iter().filter(|call| !call.is_start()).count()
    }

    /// How many messages users got: one for each start that was accepted or whose outcome is
    /// unknown, but none for a start repeated with its idempotency key.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.script().messages
    }

    /// How many calls were under way at once, at the most.
    #[must_use]
    pub fn most_in_flight(&self) -> usize {
        self.script().most_in_flight
    }

    /// Waits until the calls that arrived are what `is_awaited` awaits.
    pub async fn wait_for(&self, is_awaited: impl Fn(&[Call]) -> bool) {
        self.until(None, |script| is_awaited(&script.calls).then_some(())).await;
    }

    fn stand(&self, auth_id: Option<&str>, standing: Standing) {
        self.script().logins.stand(auth_id, standing);
        self.shared.changed.notify_waiters();
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `look` finds once it finds anything, or nothing at the `deadline`.
    async fn until<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut Script) -> Option<T>,
    ) -> Option<T> {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            // Before the look, so that what changes right after it is not missed.
            changed.as_mut().enable();
            if let Some(found) = look(&mut self.script()) {
                return Some(found);
            }
            match deadline {
                None => changed.await,
                Some(deadline) => tokio::time::timeout_at(deadline, changed).await.ok()?,
            }
        }
    }

    fn arrive(&self, call: Call) -> InFlight<'_> {
        let mut script = self.script();
        script.calls.push(call);
        script.in_flight = script.in_flight.saturating_add(1);
        script.most_in_flight = script.most_in_flight.max(script.in_flight);
        drop(script);
        self.shared.changed.notify_waiters();
        InFlight(self)
    }

    async fn released(&self) {
        self.until(None, |script| {
            if !script.is_holding {
                return Some(());
            }
            script.released = script.released.checked_sub(1)?;
            Some(())
        })
        .await;
    }
}

#[async_trait]
impl Authority for ScriptedAuthority {
    async fn capabilities(&self) -> Capabilities {
        self.script().capabilities
    }

    async fn start(&self, request: StartRequest<'_>) -> StartReply {
        let call = Call::start(&request);
        let _in_flight = self.arrive(call.clone());
        let reply = self.script().start(&call, &request);
        self.released().await;
        reply
    }

    async fn check(&self, request: CheckRequest<'_>) -> CheckReply {
        let call = Call::check(&request);
        let _in_flight = self.arrive(call.clone());
        if request.pin.is_some() {
            let reply = self.script().check(&call, &request);
            self.released().await;
            return reply;
        }
        self.released().await;
        let scripted = self.script().scripted_check(&call);
        if let Some(reply) = scripted {
            return reply;
        }
        let wait = request.hold.min(self.script().capabilities.wait);
        let answered = self.until(Instant::now().checked_add(wait), |script| {
            let reply = script.logins.check(&request, script.capabilities);
            (reply != CheckReply::Pending).then_some(reply)
        });
        answered.await.unwrap_or(CheckReply::Pending)
    }
}

impl Script {
    fn start(&mut self, call: &Call, request: &StartRequest<'_>) -> StartReply {
        let known = self.logins.repeated(request).filter(|_| self.capabilities.idempotency);
        let scripted = self.next_starts.pop_front();
        let scripted = scripted.or_else(|| self.starts.as_mut().and_then(|script| script(call)));
        let reply = scripted.unwrap_or_else(|| {
            let told = known.clone().unwrap_or_else(|| self.logins.offer(self.capabilities));
            StartReply::Accepted(told)
        });
        let accepted = match &reply {
            StartReply::Accepted(accepted) => accepted.clone(),
            // The worst case is the one to count: the message went out, its answer did not.
            StartReply::Unknown => self.logins.offer(self.capabilities),
            StartReply::Refused | StartReply::Misconfigured | StartReply::NotStarted { .. } => {
                return reply;
            }
        };
        if known.is_none() {
            self.messages = self.messages.saturating_add(1);
            self.logins.open(request, accepted);
        }
        reply
    }

    fn check(&mut self, call: &Call, request: &CheckRequest<'_>) -> CheckReply {
        let scripted = self.scripted_check(call);
        scripted.unwrap_or_else(|| self.logins.check(request, self.capabilities))
    }

    fn scripted_check(&mut self, call: &Call) -> Option<CheckReply> {
        let next = if call.has_pin() { &mut self.next_pin_checks } else { &mut self.next_checks };
        let next = next.pop_front();
        next.or_else(|| self.checks.as_mut().and_then(|script| script(call)))
    }
}

/// A call under way; it ends when its future is dropped, too.
struct InFlight<'a>(&'a ScriptedAuthority);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut script = self.0.script();
        script.in_flight = script.in_flight.saturating_sub(1);
    }
}

impl fmt::Debug for ScriptedAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.script();
        f.debug_struct("ScriptedAuthority")
            .field("capabilities", &script.capabilities)
            .field("calls", &script.calls.len())
            .field("messages", &script.messages)
            .finish_non_exhaustive()
    }
}
