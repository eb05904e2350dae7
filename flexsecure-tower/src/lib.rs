#![doc = include_str!("../README.md")]

mod body;
#[cfg(feature = "test-util")]
mod coverage;
#[cfg(feature = "axum")]
pub mod docs;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod extract;
mod flows;
mod future;
mod head;
mod layer;
#[cfg(feature = "axum")]
mod on_axum;
#[cfg(feature = "tonic")]
mod on_tonic;
mod reading;
mod service;
mod step_up;

pub use self::body::ResponseBody;
#[cfg(feature = "test-util")]
pub use self::coverage::coverage;
#[cfg(any(feature = "axum", feature = "tonic"))]
pub use self::extract::{Ask, Elevated, Refused};
pub use self::flows::{FlowFuture, FlowService};
pub use self::future::ResponseFuture;
pub use self::head::Head;
pub use self::layer::StepUpLayer;
pub use self::reading::{ReadingFuture, ReadingLayer, ReadingService, ReplayBody};
pub use self::service::StepUpService;
pub use self::step_up::StepUp;
pub use flexsecure_core as core;
#[cfg(feature = "http-authority")]
pub use flexsecure_core::HttpAuthority;
pub use flexsecure_core::{Gate, Identity, Requirement, RouteTable};
