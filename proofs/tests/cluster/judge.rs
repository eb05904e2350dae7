//! What has to hold when a simulation is over.

use std::time::Duration;

use crate::Cluster;
use crate::faults::END_MILLIS;
use crate::observed::{Heard, Observed, Seen};
use crate::plan::Knows;

impl Observed {
    pub(crate) fn judge(&mut self, cluster: &Cluster) {
        let mut broken = Vec::new();
        for flow in &self.flows {
            let name = self.name(&flow.id);
            if flow.messages > 1 + flow.asked_for {
                let (sent, asked) = (flow.messages, flow.asked_for);
                broken.push(format!("R5: {sent} messages for {name}, {asked} asked for"));
            }
            if let Some(lost) = self.is_lost(flow, cluster) {
                broken.push(format!("the approval of {name} {lost}"));
            }
            if flow.binding.scope.single_use() {
                let is_good = flow.consumed == usize::from(flow.authenticated_at.is_some());
                if !is_good || flow.runs > flow.consumed {
                    broken.push(format!(
                        "{name}, good for one request, was spent {} times and let {} in",
                        flow.consumed, flow.runs
                    ));
                }
            } else if flow.authenticated_at.is_some() && flow.runs == 0 {
                broken.push(format!("{name} has authenticated and let nobody in"));
            }
        }
        let stuck = self.ends.iter().filter(|end| end.how == "gave up");
        for end in stuck {
            let wish = end.wish;
            if !self.may_be_lost(cluster) {
                broken.push(format!("R3: wish {wish} gets nowhere"));
            }
        }
        for heard in &self.heard {
            if let Some(lost) = self.is_forgotten(heard, cluster) {
                broken.push(lost);
            }
        }
        self.broken.extend(broken);
    }

    /// An approval within the flow's life that did not let its user in, or took too long to.
    fn is_lost(&self, flow: &Seen, cluster: &Cluster) -> Option<String> {
        let approved_at = flow.approved_at?;
        let healed_at = Duration::from_millis(END_MILLIS);
        let limit = approved_at.max(healed_at) + convergence(cluster);
        match flow.authenticated_at {
            None if self.may_be_lost(cluster) => None,
            // No start was answered, so nobody knows what to ask about: the user may ask for another
            // message.
            None if cluster.plan.knows.names_logins() && flow.txn.is_none() => None,
            None => Some(format!("is lost: it is {}", flow.state)),
            Some(at) if at > limit => {
                Some(format!("at {} took until {}", approved_at.as_millis(), at.as_millis()))
            }
            Some(_) => None,
        }
    }

    /// An authority that tells of an approval once can tell it to somebody who dies.
    fn may_be_lost(&self, cluster: &Cluster) -> bool {
        cluster.plan.knows == Knows::V1 { once: true }
    }

    /// An answer that arrived at a node which lived on, and which could reach its store for long enough
    /// while it tried again, has to be there.
    fn is_forgotten(&self, heard: &Heard, cluster: &Cluster) -> Option<String> {
        let Heard { node, login, at } = heard;
        let end = *at + FEEDING;
        let has_died =
            self.deaths.iter().any(|(dead, when)| dead == node && at <= when && *when <= end);
        let troubles = cluster.plan.faults.iter().filter(|fault| {
            fault.is_between(node, "store") && fault.from <= end && *at <= fault.to
        });
        let mut troubles: Vec<_> = troubles.map(|fault| (fault.from, fault.to)).collect();
        troubles.sort();
        let mut calm_from = *at;
        let mut is_calm = false;
        for (from, to) in troubles {
            is_calm |= from.saturating_sub(calm_from) >= CALM;
            calm_from = calm_from.max(to);
        }
        is_calm |= end.saturating_sub(calm_from) >= CALM;
        if has_died || !is_calm {
            return None;
        }
        let mut of_login = self.flows.iter().filter(|flow| flow.login() == *login).peekable();
        let is_there = |flow: &Seen| {
            flow.authenticated_at.is_some_and(|there| there <= end + SETTLED)
                || flow.state == "expired"
        };
        let is_known = of_login.peek().is_some();
        (is_known && !of_login.any(is_there)).then(|| {
            format!("{node} heard at {} that {login} is approved, and forgot", at.as_millis())
        })
    }
}

/// How long it may take from an approval to its elevation once all is well and somebody asks: what a
/// check of a node that died may still be awaited, the interval, and how long a user pauses.
fn convergence(cluster: &Cluster) -> Duration {
    let check = Duration::from_secs(4) + cluster.plan.longest_hold();
    let interval = Duration::from_secs(2);
    check + interval + PAUSES
}

/// How long users pause between what they do, and a node between what it tries.
const PAUSES: Duration = Duration::from_secs(12);

/// For how long a node tries to store an answer.
const FEEDING: Duration = Duration::from_secs(14);

/// How long one of these tries is awaited at the most, with the pause before it.
const CALM: Duration = Duration::from_millis(6_500);

const SETTLED: Duration = Duration::from_secs(2);
