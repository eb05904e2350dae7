#![doc = include_str!("../README.md")]

mod answer;
mod extract;
mod flows;
mod future;
mod head;
mod middleware;
mod service;
mod step_up;

pub use self::extract::{Ask, Elevated, MissingMiddleware, Refused};
pub use self::future::ResponseFuture;
pub use self::head::Head;
pub use self::middleware::StepUpMiddleware;
pub use self::service::StepUpService;
pub use self::step_up::StepUp;
pub use flexsecure_core as core;
#[cfg(feature = "http-authority")]
pub use flexsecure_core::HttpAuthority;
pub use flexsecure_core::{Gate, Identity, Requirement};
