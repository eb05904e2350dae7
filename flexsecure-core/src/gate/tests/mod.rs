#[cfg(feature = "test-util")]
mod audit;
#[cfg(feature = "test-util")]
mod builder;
#[cfg(all(feature = "cedar", feature = "test-util"))]
mod cedar;
mod client;
#[cfg(feature = "test-util")]
mod decisions;
#[cfg(feature = "test-util")]
mod endpoints;
#[cfg(feature = "test-util")]
mod ends;
#[cfg(feature = "test-util")]
mod lifecycle;
#[cfg(feature = "test-util")]
mod limits;
#[cfg(feature = "test-util")]
mod networks;
mod nodes;
#[cfg(feature = "test-util")]
mod outages;
#[cfg(feature = "test-util")]
mod people;
#[cfg(feature = "test-util")]
mod policies;
#[cfg(feature = "test-util")]
mod proofs;
#[cfg(feature = "test-util")]
mod remote;
#[cfg(feature = "test-util")]
mod starts;
#[cfg(feature = "test-util")]
mod trail;
#[cfg(feature = "test-util")]
mod unsaid;
#[cfg(feature = "test-util")]
mod world;
