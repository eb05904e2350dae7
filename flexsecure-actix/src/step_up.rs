use std::fmt;
use std::sync::Arc;

use actix_web::{HttpMessage, HttpRequest, Scope};
use flexsecure_core::policy::{Annotate, Decision, Facts, OnDemand, Policy};
use flexsecure_core::{Gate, HeadRouting, Identity, RouteTable, TableError};

use crate::head::Head;
use crate::{ReadingMiddleware, StepUpMiddleware, flows};

/// Step-up authentication for an app: hands out the middleware that protects its routes.
///
/// Cheap to clone; build it once, outside the closure that `HttpServer::new` takes, so that all
/// workers share one gate.
#[derive(Clone)]
pub struct StepUp {
    gate: Gate,
    identify: Arc<Identify>,
}

type Identify = dyn for<'a> Fn(Head<'a>) -> Option<Identity> + Send + Sync;

impl StepUp {
    /// Step-up by `gate`, for requests in whose extensions an outer middleware has put an
    /// [`Identity`].
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self { gate, identify: Arc::new(|head| head.extensions.get::<Identity>().cloned()) }
    }

    /// Learns who asks by `identify` instead.
    ///
    /// It runs on each protected request; an [`Identity`] that an outer middleware built is cheaper
    /// than one built here.
    #[must_use]
    pub fn identify(
        mut self,
        identify: impl for<'a> Fn(Head<'a>) -> Option<Identity> + Send + Sync + 'static,
    ) -> Self {
        self.identify = Arc::new(identify);
        self
    }

    /// The middleware for routes that take what `policy` says: a
    /// [`Requirement`](flexsecure_core::Requirement), usually.
    #[must_use]
    pub fn require(&self, policy: impl Policy) -> StepUpMiddleware {
        StepUpMiddleware::new(self.clone(), policy)
    }

    /// The middleware for routes where `policy` needs the body: it is read first, and handed on as it
    /// came.
    ///
    /// - Nobody's body is read before they are known: without an identity the answer is 401 at once.
    /// - It is JSON or a form (else 415), has at most [64 KiB](ReadingMiddleware::limit) (else 413) and
    ///   comes within 10 seconds (else 400).
    /// - The handler sees every byte, and `Content-Length` as it was; actix has no trailers.
    /// - Parts of the path are known around a resource only: around an app or a scope, routing has yet
    ///   to happen.
    #[must_use]
    pub fn require_reading(&self, policy: impl Policy) -> ReadingMiddleware {
        ReadingMiddleware::new(self.clone(), policy)
    }

    /// The middleware for routes about which `decide` decides per request.
    #[must_use]
    pub fn decide(
        &self,
        decide: impl Fn(&Facts<'_>) -> Decision<'static> + Send + Sync + 'static,
    ) -> StepUpMiddleware {
        self.require(decide)
    }

    /// The middleware for routes whose handlers find out what it takes: they get an
    /// [`Ask`](crate::Ask).
    #[must_use]
    pub fn on_demand(&self) -> StepUpMiddleware {
        self.require(OnDemand)
    }

    /// The middleware for routes where `policy` is watched and not enforced: every request passes, and
    /// one that would not have has a [`WouldRefuse`](flexsecure_core::WouldRefuse) in its extensions.
    #[must_use]
    pub fn annotate(&self, policy: impl Policy) -> StepUpMiddleware {
        self.require(Annotate::new(policy))
    }

    /// The middleware that is wrapped around a whole app and lets nothing through that `table` does
    /// not list.
    ///
    /// It goes inside what says who asks, which in actix is the later `.wrap`:
    /// [placement](crate::docs::placement) shows where. [`StepUp::scope`] needs no entry.
    ///
    /// # Errors
    ///
    /// [`TableError`] if the table contradicts itself.
    pub fn table(&self, table: RouteTable) -> Result<StepUpMiddleware, TableError> {
        let table = table.open_any(&flows::route(&self.gate));
        Ok(self.require(table.into_policy(HeadRouting::Apart)?))
    }

    /// The flow endpoints, under [the gate's prefix](Gate::prefix).
    ///
    /// Register it with the app itself, before any scope whose path its prefix begins with: actix
    /// asks no second scope where the first one has nothing to serve.
    #[must_use]
    pub fn scope(&self) -> Scope {
        flows::scope(self.clone())
    }

    /// The gate itself.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who makes `request`.
    #[must_use]
    pub fn identity(&self, request: &HttpRequest) -> Option<Identity> {
        let extensions = request.extensions();
        (self.identify)(Head::of(request.head(), &extensions))
    }
}

impl fmt::Debug for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUp").field("gate", &self.gate).finish_non_exhaustive()
    }
}
