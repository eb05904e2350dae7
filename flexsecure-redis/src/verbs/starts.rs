use flexsecure_core::Timestamp;
use flexsecure_core::store::{Admission, REFUSALS, STARTS, STARTS_WINDOW, StartTicket};

use super::flows::LARGEST_EXACT;
use super::{Verbs, token};
use crate::fault::Fault;
use crate::kept;
use crate::names;
use crate::scripts::{self, Call};

impl Verbs {
    pub(crate) async fn admit_start(
        &self,
        ticket: &StartTicket,
        now: Timestamp,
    ) -> Result<Admission, Fault> {
        let binding = &ticket.binding;
        let until = ticket.exclusive_until.map(|it| it.as_millis().min(LARGEST_EXACT).to_string());
        let call = Call::new(&scripts::ADMIT, [self.names.flows(&names::user(&binding.auth_id))])
            .with(now.as_millis())
            .with(token()?)
            .with(names::system(binding.scope.system()))
            .with(binding.name())
            .with(until.unwrap_or_default())
            .with(STARTS_WINDOW.as_millis())
            .with(STARTS);
        let mut answer = kept::texts(self.call(&call, self.limit()).await?)?.into_iter();
        let (word, until) = (answer.next().unwrap_or_default(), answer.next());
        let until = || {
            let until = until.as_deref().and_then(|until| kept::millis(until).ok());
            until.ok_or(Fault::Unexpected)
        };
        match word.as_str() {
            "admitted" => Ok(Admission::Admitted),
            "many" => Ok(Admission::TooMany { until: until()? }),
            "progress" => Ok(Admission::InProgress { until: until()? }),
            _ => Err(Fault::Unexpected),
        }
    }

    pub(crate) async fn release_start(&self, ticket: &StartTicket) -> Result<(), Fault> {
        let binding = &ticket.binding;
        let call = Call::new(&scripts::RELEASE, [self.names.flows(&names::user(&binding.auth_id))])
            .with(names::system(binding.scope.system()))
            .with(binding.name());
        self.carry_out(&call, self.limit()).await
    }

    pub(crate) async fn refusals(&self, auth_id: &str, since: Timestamp) -> Result<u32, Fault> {
        let call = Call::new(&scripts::FIELD, [self.names.flows(&names::user(auth_id))]);
        let known = kept::text(self.call(&call.with("refusals"), self.limit()).await?)?;
        let known = known.unwrap_or_default();
        let counted = known.split_ascii_whitespace().filter_map(|at| kept::millis(at).ok());
        let counted = counted.filter(|at| *at >= since).take(REFUSALS).count();
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    }
}
