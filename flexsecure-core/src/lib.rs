#![doc = include_str!("../README.md")]

pub mod audit;
pub mod authority;
pub mod body;
#[cfg(test)]
mod captured;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "test-util")]
pub mod coverage;
mod elevation;
pub mod flow;
mod gate;
mod identity;
mod method;
pub mod operation;
pub mod page;
mod pin;
pub mod policy;
pub mod refusal;
mod requirement;
#[cfg(any(feature = "http", feature = "client"))]
mod retry_after;
pub mod store;
mod sync;
mod table;
#[cfg(feature = "test-util")]
pub mod test_util;
mod time;
mod view;

pub use self::audit::Audit;
pub use self::authority::Authority;
#[cfg(feature = "http")]
pub use self::authority::HttpAuthority;
pub use self::elevation::{Elevated, Elevation, Elevations};
pub use self::flow::Flow;
#[cfg(shuttle)]
pub use self::gate::interleavings;
pub use self::gate::{
    Applied, Ask, BodyReading, BuildError, Check, Explanation, FlowBody, FlowRequest, Gate,
    GateBuilder, Pass, Pending, Proof, Unread, Verdict, WouldRefuse,
};
pub use self::identity::{Identity, SessionKey};
pub use self::method::{Method, Methods, UnknownMethod};
pub use self::operation::Operation;
pub use self::pin::{MalformedPin, Pin};
pub use self::policy::Policy;
pub use self::refusal::Refusal;
pub use self::requirement::{Requirement, Scope};
pub use self::store::{MemoryStore, Store};
pub use self::table::{HeadRouting, RouteTable, TableError};
pub use self::time::{Clock, SystemClock, Timestamp};
pub use self::view::{PlainRequest, RequestView};
