use std::fmt;
use std::sync::Arc;

use flexsecure_core::policy::{Annotate, Decision, Facts, OnDemand, Policy};
use flexsecure_core::{Gate, HeadRouting, Identity, RouteTable, TableError};
use http::Request;

use crate::head::Head;
use crate::{FlowService, ReadingLayer, StepUpLayer};

/// Step-up authentication for an app: hands out the layers that protect its routes.
///
/// Cheap to clone; build it once.
#[derive(Clone)]
pub struct StepUp {
    gate: Gate,
    identify: Arc<Identify>,
}

type Identify = dyn for<'a> Fn(Head<'a>) -> Option<Identity> + Send + Sync;

impl StepUp {
    /// Step-up by `gate`, for requests in whose extensions an outer layer has put an [`Identity`].
    #[must_use]
    pub fn new(gate: Gate) -> Self {
        Self { gate, identify: Arc::new(|head| head.extensions.get::<Identity>().cloned()) }
    }

    /// Learns who asks by `identify` instead.
    ///
    /// It runs on each protected request; an [`Identity`] that an outer layer built is cheaper than
    /// one built here.
    #[must_use]
    pub fn identify(
        mut self,
        identify: impl for<'a> Fn(Head<'a>) -> Option<Identity> + Send + Sync + 'static,
    ) -> Self {
        self.identify = Arc::new(identify);
        self
    }

    /// The layer for routes that take what `policy` says: a
    /// [`Requirement`](flexsecure_core::Requirement), usually.
    ///
    /// It reads no body: a policy that needs one denies every request here, and belongs into
    /// [`StepUp::require_reading`].
    #[must_use]
    pub fn require(&self, policy: impl Policy) -> StepUpLayer {
        StepUpLayer::new(self.clone(), policy)
    }

    /// The layer for routes where `policy` needs the body: it is read first, and handed on as it came.
    ///
    /// - Nobody's body is read before they are known: without an identity the answer is 401 at once.
    /// - It is JSON or a form (else 415), has at most [64 KiB](ReadingLayer::limit) (else 413) and
    ///   comes within 10 seconds (else 400).
    /// - The handler sees every byte, trailers included, and `Content-Length` as it was.
    #[must_use]
    pub fn require_reading(&self, policy: impl Policy) -> ReadingLayer {
        ReadingLayer::new(self.clone(), policy)
    }

    /// The layer for routes about which `decide` decides per request.
    #[must_use]
    pub fn decide(
        &self,
        decide: impl Fn(&Facts<'_>) -> Decision<'static> + Send + Sync + 'static,
    ) -> StepUpLayer {
        self.require(decide)
    }

    /// The layer for routes whose handlers find out what it takes: they get an
    /// [`Ask`](flexsecure_core::Ask).
    #[must_use]
    pub fn on_demand(&self) -> StepUpLayer {
        self.require(OnDemand)
    }

    /// The layer for routes where `policy` is watched and not enforced: every request passes, and
    /// one that would not have has a [`WouldRefuse`](flexsecure_core::WouldRefuse) in its extensions.
    #[must_use]
    pub fn annotate(&self, policy: impl Policy) -> StepUpLayer {
        self.require(Annotate::new(policy))
    }

    /// The layer that goes around a whole app and lets nothing through that `table` does not list.
    ///
    /// Add it after all routes and fallbacks, and inside what says who asks:
    /// [placement](crate::docs::placement) shows where. [`StepUp::routes`] need no entry.
    ///
    /// Without the feature `axum` no route is known, and so only [RPCs](RouteTable::rpc) pass.
    ///
    /// # Errors
    ///
    /// [`TableError`] if the table contradicts itself.
    pub fn table(&self, table: RouteTable) -> Result<StepUpLayer, TableError> {
        let table = table.open_any(&self.flow_route());
        Ok(self.require(table.into_policy(HeadRouting::AsGet)?))
    }

    /// The flow endpoints, to be served under [the gate's prefix](Gate::prefix).
    ///
    /// The paths it sees may or may not start with the prefix, so it can be nested or routed to.
    #[must_use]
    pub fn flows(&self) -> FlowService {
        FlowService::new(self.clone())
    }

    /// The flow endpoints as axum routes, to be merged into the app.
    #[cfg(feature = "axum")]
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> axum::Router<S> {
        // A nested service would have no matched route, by which a table could know it.
        axum::Router::new()
            .route_service(&self.flow_route(), self.flows())
            .route_service(self.gate.prefix(), self.flows())
            .route_service(&format!("{}/", self.gate.prefix()), self.flows())
    }

    /// No other route is called so by chance.
    fn flow_route(&self) -> String {
        format!("{}/{{*flexsecure_endpoint}}", self.gate.prefix())
    }

    /// The gate itself.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Who makes `request`.
    #[must_use]
    pub fn identity<B>(&self, request: &Request<B>) -> Option<Identity> {
        (self.identify)(Head::of(request))
    }
}

impl fmt::Debug for StepUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepUp").field("gate", &self.gate).finish_non_exhaustive()
    }
}
