use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Decision, Facts, Later, OwnedFacts, Policy, Proofs, Undecided, Verb};
use crate::Requirement;

/// A floor, and rules that raise or relax it, request by request.
///
/// 1. The floor is where every request begins.
/// 2. Of the rules that *relax*, the first that does not abstain replaces the floor. These are the
///    only ones that can weaken anything, and are named for it.
/// 3. All rules that *raise* add to that: what comes out takes everything that each of them asks for,
///    whatever was relaxed before.
/// 4. A rule that fails, or takes too long, leaves everything as it is. If that is nothing at all, the
///    request is refused (503) rather than let through.
///
/// ```
/// use std::time::Duration;
/// use flexsecure_core::Requirement;
/// use flexsecure_core::policy::{Facts, Rules};
///
/// let bank = || Requirement::system("bank");
/// let policy = Rules::floor(bank().within(Duration::from_secs(300)))
///     .relax_when("reads", |facts| facts.method() == "GET", bank().within(Duration::from_secs(3600)))
///     .raise_when("deletes", |facts| facts.method() == "DELETE", bank().pin())
///     .deny_when("exports", |facts| facts.has_query("export"));
/// ```
#[must_use]
pub struct Rules {
    floor: Option<Proofs>,
    relaxing: Vec<Rule>,
    raising: Vec<Rule>,
    limit: Duration,
}

#[derive(Clone)]
struct Rule {
    name: &'static str,
    verb: Verb,
    policy: Arc<dyn Policy>,
}

impl Rules {
    /// Rules above `proofs`, most often a [`Requirement`].
    pub fn floor(proofs: impl Into<Proofs>) -> Self {
        Self::above(Some(proofs.into()))
    }

    /// Rules above nothing: where none of them asks for more, who is logged in passes.
    pub const fn open() -> Self {
        Self::above(None)
    }

    const fn above(floor: Option<Proofs>) -> Self {
        Self { floor, relaxing: Vec::new(), raising: Vec::new(), limit: Later::LIMIT }
    }

    /// Asks for what `policy` says in addition; it can never weaken anything.
    pub fn raise(mut self, name: &'static str, policy: impl Policy) -> Self {
        self.raising.push(Rule::new(name, Verb::Raise, policy));
        self
    }

    /// Asks for `requirement` in addition when `condition` holds.
    pub fn raise_when(
        self,
        name: &'static str,
        condition: impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static,
        requirement: Requirement,
    ) -> Self {
        self.raise(name, move |facts: &Facts<'_>| match condition(facts) {
            true => Decision::require(requirement.clone()),
            false => Decision::Abstain,
        })
    }

    /// Denies a request when `condition` holds, whatever it brings.
    pub fn deny_when(
        self,
        name: &'static str,
        condition: impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.raise(name, move |facts: &Facts<'_>| match condition(facts) {
            true => Decision::Deny,
            false => Decision::Abstain,
        })
    }

    /// Puts what `policy` says in the place of the floor, be it weaker, unless it abstains.
    pub fn relax(mut self, name: &'static str, policy: impl Policy) -> Self {
        self.relaxing.push(Rule::new(name, Verb::Relax, policy));
        self
    }

    /// Puts `requirement` in the place of the floor, be it weaker, when `condition` holds.
    pub fn relax_when(
        self,
        name: &'static str,
        condition: impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static,
        requirement: Requirement,
    ) -> Self {
        self.relax(name, move |facts: &Facts<'_>| match condition(facts) {
            true => Decision::require(requirement.clone()),
            false => Decision::Abstain,
        })
    }

    /// Takes nothing beyond an identity when `condition` holds, unless another rule raises that.
    pub fn relax_to_nothing_when(
        self,
        name: &'static str,
        condition: impl Fn(&Facts<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.relax(name, move |facts: &Facts<'_>| match condition(facts) {
            true => Decision::Allow,
            false => Decision::Abstain,
        })
    }

    /// How long all rules together may take that have to ask somebody; [`Later::LIMIT`] unless set.
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    fn all(&self) -> impl Iterator<Item = &Rule> {
        self.relaxing.iter().chain(&self.raising)
    }
}

impl Rule {
    fn new(name: &'static str, verb: Verb, policy: impl Policy) -> Self {
        Self { name, verb, policy: Arc::new(policy) }
    }
}

impl Policy for Rules {
    fn decide<'p>(&'p self, facts: &Facts<'_>) -> Decision<'p> {
        let floor = self.floor.as_ref().map_or(Decision::Allow, Proofs::decision);
        facts.note(FLOOR, Verb::Floor, &floor);
        let mut course = Course { stands: floor, is_relaxed: false, has_failed: false };
        for (passed, rule) in self.all().enumerate() {
            if course.is_past(rule) {
                continue;
            }
            match rule.policy.decide(facts).made() {
                Ok(said) => course.take(facts, rule, Ok(said)),
                Err(later) => {
                    let rest = self.all().skip(passed).cloned().collect();
                    let course = course.into_owned();
                    let going = course.go_on(facts.to_owned(), later, rest, self.limit);
                    // Each rule is held to the limit in there, so that what the others say is kept.
                    return Decision::Later(Later::new(going).within(Duration::MAX));
                }
            }
        }
        // No rule has failed that could be asked at once.
        course.stands
    }

    fn fixed(&self) -> Option<&Requirement> {
        let requirement = self.floor.as_ref()?.as_one()?;
        self.all().next().is_none().then_some(requirement)
    }

    fn reads_body(&self) -> bool {
        self.all().any(|rule| rule.policy.reads_body())
    }
}

/// How far the rules have come about one request.
struct Course<'p> {
    stands: Decision<'p>,
    is_relaxed: bool,
    has_failed: bool,
}

impl<'p> Course<'p> {
    /// Only the first rule that relaxes does.
    fn is_past(&self, rule: &Rule) -> bool {
        self.is_relaxed && rule.verb == Verb::Relax
    }

    fn take(&mut self, facts: &Facts<'_>, rule: &Rule, said: Result<Decision<'p>, Undecided>) {
        let said = match said {
            Ok(said) => said,
            Err(undecided) => {
                facts.note_failure(rule.name, rule.verb, &undecided);
                self.has_failed |= rule.verb == Verb::Raise;
                return;
            }
        };
        facts.note(rule.name, rule.verb, &said);
        if matches!(said, Decision::Abstain) {
            return;
        }
        if rule.verb == Verb::Relax {
            self.is_relaxed = true;
            self.stands = said;
        } else {
            let stands = std::mem::replace(&mut self.stands, Decision::Deny);
            self.stands = stands.and(said);
        }
    }

    fn into_owned(self) -> Course<'static> {
        Course {
            stands: self.stands.into_owned(),
            is_relaxed: self.is_relaxed,
            has_failed: self.has_failed,
        }
    }
}

impl Course<'static> {
    /// Waits for `later`, which the first of `rules` said, and asks the others.
    async fn go_on(
        mut self,
        facts: OwnedFacts,
        later: Later,
        rules: Vec<Rule>,
        limit: Duration,
    ) -> Result<Decision<'static>, Undecided> {
        let deadline = Instant::now().checked_add(limit);
        let mut waiting = Some(later);
        for rule in &rules {
            if self.is_past(rule) {
                continue;
            }
            let said = match waiting.take() {
                Some(later) => Err(later),
                None => rule.policy.decide(&facts.facts()).into_owned().made(),
            };
            let said = match said {
                Ok(said) => Ok(said),
                Err(later) => match deadline {
                    Some(deadline) => tokio::time::timeout_at(deadline, later.decided())
                        .await
                        .unwrap_or_else(|_| Err(Undecided::too_late(limit))),
                    None => later.decided().await,
                },
            };
            self.take(&facts.facts(), rule, said);
        }
        if self.has_failed && !self.stands.takes_proof() && !self.stands.is_final() {
            return Err(Undecided::because("a rule that raises failed, and nothing else asks"));
        }
        Ok(self.stands)
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |rules: &[Rule]| rules.iter().map(|rule| rule.name).collect::<Vec<_>>();
        f.debug_struct("Rules")
            .field("floor", &self.floor)
            .field("relaxing", &names(&self.relaxing))
            .field("raising", &names(&self.raising))
            .field("limit", &self.limit)
            .finish()
    }
}

/// What the beginning is called where a decision is explained.
const FLOOR: &str = "floor";
