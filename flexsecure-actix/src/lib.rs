#![doc = include_str!("../README.md")]

mod answer;
#[cfg(feature = "test-util")]
mod coverage;
pub mod docs;
mod extract;
mod flows;
mod future;
mod head;
mod middleware;
mod reading;
mod service;
mod step_up;

#[cfg(feature = "test-util")]
pub use self::coverage::coverage;
pub use self::extract::{Ask, Elevated, MissingMiddleware, Refused};
pub use self::future::ResponseFuture;
pub use self::head::Head;
pub use self::middleware::StepUpMiddleware;
pub use self::reading::{ReadingFuture, ReadingMiddleware, ReadingService};
pub use self::service::StepUpService;
pub use self::step_up::StepUp;
pub use flexsecure_core as core;
#[cfg(feature = "http-authority")]
pub use flexsecure_core::HttpAuthority;
pub use flexsecure_core::{Gate, Identity, Requirement, RouteTable};
