//! What comes before a policy that needs the body: whether to read it at all, and for how long.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use super::{Gate, Pass, Verdict, WouldRefuse};
use crate::audit::Kind;
use crate::body::BodyKind;
use crate::policy::{Defect, Policy};
use crate::refusal::{Details, Problem};
use crate::{Identity, RequestView};

/// A body that is being read.
#[must_use]
pub struct BodyReading {
    taken: Vec<u8>,
    limit: usize,
    end: Pin<Box<Sleep>>,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unread {
    /// It has more bytes than are read here.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// How many.
        limit: usize,
    },
    /// It took longer than [`BodyReading::LIMIT`].
    #[error("the body took longer than {} s", BodyReading::LIMIT.as_secs())]
    TooLate,
    /// It ended before it was complete.
    #[error("the body ended before it was complete")]
    Broken,
}

impl BodyReading {
    fn new(limit: usize, expected: usize) -> Self {
        // What a client announces is room for no more than it may send.
        let taken = Vec::with_capacity(expected.min(limit));
        Self { taken, limit, end: Box::pin(tokio::time::sleep(Self::LIMIT)) }
    }

    /// Reads a form that a page is to carry.
    pub(crate) fn of_form() -> Self {
        Self::new(Self::MAX_BYTES, 0)
    }

    /// Takes what has come.
    ///
    /// # Errors
    ///
    /// [`Unread::TooLarge`] if that is more than there may be; nothing of it is taken then.
    pub fn take(&mut self, chunk: &[u8]) -> Result<(), Unread> {
        if chunk.len() > self.limit.saturating_sub(self.taken.len()) {
            return Err(Unread::TooLarge { limit: self.limit });
        }
        self.taken.extend_from_slice(chunk);
        Ok(())
    }

    /// Ready once the body has taken too long.
    pub fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Unread> {
        ready!(self.end.as_mut().poll(cx));
        Poll::Ready(Unread::TooLate)
    }

    /// All that has been taken, with no more room than it needs: it may be held for long.
    #[must_use]
    pub fn done(self) -> Bytes {
        self.taken.into_boxed_slice().into()
    }

    /// How long a client may take to send a body: 10 seconds.
    pub const LIMIT: Duration = Duration::from_secs(10);

    /// How large a body may be, unless a layer says otherwise: 64 KiB.
    pub const MAX_BYTES: usize = 64 * 1024;
}

impl fmt::Debug for BodyReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyReading").field("length", &self.taken.len()).finish_non_exhaustive()
    }
}

impl Gate {
    /// Begins to read the body of a request, of at most `limit` bytes, for `policy` to decide about;
    /// or says what becomes of the request without it. Nobody's body is read before they are known.
    ///
    /// # Errors
    ///
    /// The [`Verdict`], if there is no need for the body, or no use in it.
    pub fn read_body(
        &self,
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
        limit: usize,
    ) -> Result<BodyReading, Verdict> {
        if identity.is_none() {
            if policy.admits_anyone(request) {
                return Err(Verdict::Pass(Pass::Open));
            }
            let problem = Problem::IdentificationRequired;
            return Err(self.turn_away(policy, request, None, Details::of(problem)));
        }
        if let Err(defect) = BodyKind::of(request) {
            return Err(self.refuse_defect(policy, request, identity, defect));
        }
        let announced = request.header("content-length").and_then(|length| length.parse().ok());
        let announced: usize = announced.unwrap_or(0);
        if announced > limit {
            return Err(self.refuse_unread(policy, request, identity, Unread::TooLarge { limit }));
        }
        Ok(BodyReading::new(limit, announced))
    }

    /// What becomes of a request whose body could not be read.
    pub fn refuse_unread(
        &self,
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
        unread: Unread,
    ) -> Verdict {
        let defect = match unread {
            Unread::TooLarge { limit } => Defect::too_large(limit),
            Unread::TooLate => Defect::malformed("The body did not come in time."),
            Unread::Broken => Defect::malformed("The body ended before it was complete."),
        };
        self.refuse_defect(policy, request, identity, defect)
    }

    fn refuse_defect(
        &self,
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
        defect: Defect,
    ) -> Verdict {
        self.turn_away(policy, request, identity, Details::defect(defect))
    }

    fn turn_away(
        &self,
        policy: &dyn Policy,
        request: &dyn RequestView,
        identity: Option<&Identity>,
        details: Details,
    ) -> Verdict {
        let problem = details.problem();
        if policy.enforces() {
            self.tell(Kind::Refused(problem), request, identity, policy.fixed());
            Verdict::Refuse(self.refuse(details, request))
        } else {
            self.tell(Kind::WouldRefuse(problem), request, identity, policy.fixed());
            Verdict::Pass(Pass::Annotated(WouldRefuse(problem)))
        }
    }
}
