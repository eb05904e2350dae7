//! What tonic's handlers ask for, and the refusal as the status that they answer with.

use std::panic::Location;

use tonic::{Extensions, Status};

use crate::body::render;
use crate::{Ask, Elevated, Refused};

impl Ask {
    /// The means to ask for a proof, from a request's extensions.
    ///
    /// ```
    /// use flexsecure_tower::{Ask, Requirement, core::Operation};
    /// use tonic::{Request, Response, Status};
    ///
    /// async fn reveal(request: Request<String>) -> Result<Response<String>, Status> {
    ///     let ask = Ask::of(request.extensions())?;
    ///     let name = request.into_inner();
    ///     let operation = Operation::new(&format!("Reveal the secret {name}")).field("name", &name);
    ///     ask.require(Requirement::system("vault").single_use().operation(operation)).await?;
    ///     Ok(Response::new("hunter2".to_owned()))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// `INTERNAL`, if the layer of [`StepUp::on_demand`](crate::StepUp::on_demand) is not around
    /// the service; the log says so.
    #[track_caller]
    pub fn of(extensions: &Extensions) -> Result<Self, Status> {
        let ask = extensions.get::<flexsecure_core::Ask>();
        ask.cloned().map(Self).ok_or_else(|| missing("StepUp::on_demand", Location::caller()))
    }
}

impl Elevated {
    /// The elevation that let the request through, from its extensions.
    ///
    /// # Errors
    ///
    /// `INTERNAL`, if the layer of [`StepUp::require`](crate::StepUp::require) is not around the
    /// service; the log says so.
    #[track_caller]
    pub fn of(extensions: &Extensions) -> Result<Self, Status> {
        let elevated = extensions.get::<flexsecure_core::Elevated>();
        elevated.cloned().map(Self).ok_or_else(|| missing("StepUp::require", Location::caller()))
    }
}

/// The status says all that the layer's own refusal does.
impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let answer = render(refused.0.answer());
        // One in another form is for a client that does not speak gRPC, which has no use for more.
        Self::from_header_map(answer.headers())
            .unwrap_or_else(|| Self::unauthenticated(refused.0.problem().title()))
    }
}

/// A request of tonic does not tell its path, so the log names the place that asked.
fn missing(layer: &'static str, handler: &Location<'_>) -> Status {
    tracing::error!(
        target: "flexsecure::layer",
        %handler,
        "this handler needs the layer of `{layer}` around its service"
    );
    Status::internal("")
}
