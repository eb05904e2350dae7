//! What clients and users do, again if need be: a fault passes, and they come back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use flexsecure_core::{Gate, Identity};
use serde_json::Value;
use tokio::time::sleep;

use crate::case::WRONG_PIN;
use crate::world::{Outcome, Route, Said, World};

/// A scenario that cannot go on, because something was lost.
#[derive(Debug)]
pub(crate) struct Stuck(pub(crate) String);

impl Stuck {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

impl World {
    /// Repeats a request until it is refused and its user has a message: the flow.
    pub(crate) async fn asked(&self, who: &Identity, route: &Route) -> Result<String, Stuck> {
        for _ in 0..ROUNDS {
            let said = match self.request(who, route, Duration::ZERO, None).await {
                Outcome::Passed(flow) if self.is_known_of_v1(&flow) => return Ok(flow),
                Outcome::Passed(flow) => {
                    return Err(Stuck::new(format!("R1: {flow} let a request through")));
                }
                Outcome::Left => continue,
                Outcome::Refused(said) => said,
            };
            let Some(flow) = said.flow_id().filter(|_| !said.flow_is("expired")) else {
                pause(&said).await;
                continue;
            };
            if said.flow_is("idle") {
                pause(&said).await;
            } else if self.ledger.messages_of(&flow) > 0 {
                return Ok(flow);
            } else {
                // Nothing came, and there is a button to send it again.
                if self.leaving.has_left() {
                    self.broken(format!("the message of {flow} left together with a client"));
                }
                sleep(COOL_DOWN).await;
                self.resend(who, &flow).await;
            }
        }
        Err(Stuck::new("nobody was sent a message"))
    }

    /// Presses the button that sends another message, until it is pressed or of no use.
    pub(crate) async fn resend(&self, who: &Identity, flow: &str) {
        for _ in 0..ROUNDS {
            self.ledger.note_resend(flow);
            match self.endpoint(who, "POST", &format!("/flows/{flow}/start"), "").await {
                Some(said) if said.status == 503 => pause(&said).await,
                Some(_) => return,
                None => {}
            }
        }
    }

    /// The user opens the link and approves.
    pub(crate) fn approve(&self, who: &Identity) {
        self.authority.approve_user(who.auth_id());
    }

    /// Repeats a request that has been approved until it is let through, by `flow` and without
    /// another message.
    pub(crate) async fn admitted(
        &self,
        who: &Identity,
        route: &Route,
        flow: &str,
    ) -> Result<(), Stuck> {
        self.admitted_held(who, route, flow, Duration::ZERO).await
    }

    /// The same, with requests that are held.
    pub(crate) async fn admitted_held(
        &self,
        who: &Identity,
        route: &Route,
        flow: &str,
        hold: Duration,
    ) -> Result<(), Stuck> {
        let messages = self.ledger.messages();
        for _ in 0..ROUNDS {
            match self.request(who, route, hold, None).await {
                Outcome::Passed(by) if by == flow => {
                    if self.ledger.messages() > messages {
                        self.broken(format!("R5: another message though {flow} was approved"));
                    }
                    return Ok(());
                }
                Outcome::Passed(by) => {
                    return Err(Stuck::new(format!("{by} let a request through, not {flow}")));
                }
                Outcome::Left => {}
                // It was used up for a request whose client was not told.
                Outcome::Refused(_) if self.is_used_up(flow) => return Ok(()),
                Outcome::Refused(said) => pause(&said).await,
            }
        }
        Err(Stuck::new(format!("the approval of {flow} is lost")))
    }

    /// Whether `flow` was used up though nobody got through by it: of a use whose outcome is unknown
    /// nobody knows that it was not a pass.
    pub(crate) fn is_used_up(&self, flow: &str) -> bool {
        self.ledger.consumed_of(flow) > 0
    }

    /// Repeats a request until it is refused for want of a proof that is not `flow`'s.
    pub(crate) async fn refused(
        &self,
        who: &Identity,
        route: &Route,
        flow: &str,
    ) -> Result<(), Stuck> {
        for _ in 0..ROUNDS {
            match self.request(who, route, Duration::ZERO, None).await {
                Outcome::Passed(by) if by != flow && self.is_known_of_v1(&by) => return Ok(()),
                Outcome::Passed(by) => {
                    return Err(Stuck::new(format!("R1: {by} let a request through")));
                }
                Outcome::Left => {}
                Outcome::Refused(said) if said.status == 401 => return Ok(()),
                Outcome::Refused(said) => pause(&said).await,
            }
        }
        Err(Stuck::new("never refused for want of a proof"))
    }

    /// Repeats a request that is held until it is refused because the time of `flow` has run out, or
    /// because that was told to an answer which did not arrive.
    pub(crate) async fn timed_out_held(
        &self,
        who: &Identity,
        route: &Route,
        flow: &str,
    ) -> Result<(), Stuck> {
        for _ in 0..ROUNDS {
            match self.request(who, route, Duration::from_secs(60), None).await {
                Outcome::Passed(by) => {
                    return Err(Stuck::new(format!("R1: {by} let a request through")));
                }
                Outcome::Left => {}
                Outcome::Refused(said) if said.flow()["over"] == "timeout" => return Ok(()),
                Outcome::Refused(said) if said.flow_id().is_some_and(|id| id != flow) => {
                    return Ok(());
                }
                Outcome::Refused(said) => pause(&said).await,
            }
        }
        Err(Stuck::new(format!("{flow} never ran out of time")))
    }

    /// Looks at a flow until `is_awaited` holds of it.
    pub(crate) async fn seen(
        &self,
        who: &Identity,
        flow: &str,
        is_awaited: impl Fn(&Value) -> bool,
    ) -> Result<(), Stuck> {
        for _ in 0..ROUNDS {
            match self.endpoint(who, "GET", &format!("/flows/{flow}"), "").await {
                Some(said) if said.status == 200 && is_awaited(said.flow()) => return Ok(()),
                Some(said) => pause(&said).await,
                None => {}
            }
        }
        Err(Stuck::new(format!("{flow} never came to what was awaited")))
    }

    /// Types a PIN that is not the right one, twice at most: more would be one attempt too many.
    pub(crate) async fn type_wrong_pin(&self, who: &Identity, flow: &str) -> Result<(), Stuck> {
        for _ in 0..2 {
            match self.type_pin(who, flow, WRONG_PIN).await {
                Some(said) if said.status == 503 => sleep(PIN_PAUSE).await,
                Some(said) if said.status == 403 => return Ok(()),
                Some(said) => {
                    return Err(Stuck::new(format!("a wrong PIN was answered {}", said.json)));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Types the right PIN until it is taken.
    pub(crate) async fn type_right_pin(
        &self,
        who: &Identity,
        flow: &str,
        pin: &str,
    ) -> Result<(), Stuck> {
        for _ in 0..5 {
            match self.type_pin(who, flow, pin).await {
                Some(said) if said.flow_is("authenticated") => return Ok(()),
                Some(said) if said.status == 503 => sleep(PIN_PAUSE).await,
                Some(said) => {
                    return Err(Stuck::new(format!("the right PIN was answered {}", said.json)));
                }
                None => {}
            }
        }
        Err(Stuck::new("the right PIN was never taken"))
    }

    pub(crate) async fn type_pin(&self, who: &Identity, flow: &str, pin: &str) -> Option<Said> {
        let typed = format!("{{\"pin\":\"{pin}\"}}");
        self.endpoint(who, "POST", &format!("/flows/{flow}/pin"), &typed).await
    }

    /// Gives a flow up.
    pub(crate) async fn cancel(&self, who: &Identity, flow: &str) -> Result<(), Stuck> {
        for _ in 0..ROUNDS {
            match self.endpoint(who, "DELETE", &format!("/flows/{flow}"), "").await {
                Some(said) if said.flow()["over"] == "cancelled" => return Ok(()),
                Some(said) => pause(&said).await,
                None => {}
            }
        }
        Err(Stuck::new(format!("{flow} could not be cancelled")))
    }

    /// The app revokes or rebinds something, again until it is told that this is done.
    pub(crate) async fn until_done<E>(
        &self,
        mut change: impl AsyncFnMut(&Gate) -> Result<(), E>,
    ) -> Result<(), Stuck> {
        self.was_revoked.store(true, Ordering::SeqCst);
        for _ in 0..ROUNDS {
            if change(self.node()).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_secs(1)).await;
        }
        Err(Stuck::new("a revocation never succeeded"))
    }
}

/// Waits for as long as the answer says, or a moment.
async fn pause(said: &Said) {
    sleep(said.retry_after.unwrap_or(Duration::from_secs(1))).await;
}

/// More than it takes for any fault to pass.
const ROUNDS: usize = 60;

/// From when on a message can be sent again.
const COOL_DOWN: Duration = Duration::from_secs(31);

/// As long as it takes a user to look at what they typed.
const PIN_PAUSE: Duration = Duration::from_secs(10);
