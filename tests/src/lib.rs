#![doc = include_str!("../README.md")]
//!
//! | module | role |
//! | --- | --- |
//! | [`subject`] | starts a program, finds its addresses, ends it |
//! | [`browser`] | Chromium, as a person sees it, and a bank in front of it |
//! | [`client`] | HTTP/1.1 to the byte, and a cookie jar |
//! | [`cluster`] | several nodes with one store and one authority, on wires that can be stopped |
//! | [`counts`] | how often the doors of a `counter` were gone through |
//! | [`flow`] | a flow as a client reads it |
//! | [`inbox`] | what the embedded authority has sent, and the page behind a link |
//! | [`legacy`] | an authority that knows the v1 API and nothing more |
//! | [`masking`] | puts placeholders where two subjects must differ |
//! | [`rpc`] | the gRPC method that `subject-tonic` serves |
//! | [`spelling`] | other ways to write a path |
//! | [`scenario`] | what has to hold |

#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::exhaustive_enums,
    reason = "a scenario that fails should fail loudly, at the line that says why"
)]
#![expect(clippy::print_stdout, reason = "with --nocapture a scenario says how much it has tried")]

pub mod browser;
pub mod client;
pub mod cluster;
mod connection;
pub mod counts;
pub mod flow;
mod frames;
pub mod inbox;
mod keep_alive;
pub mod legacy;
pub mod masking;
pub mod relay;
pub mod rpc;
mod run;
pub mod scenario;
pub mod spelling;
mod streamed;
pub mod subject;
