//! Where a layer protects and where it only seems to: each shape, what its handler did, and what
//! `coverage` says of it.
#![cfg(all(feature = "axum", feature = "test-util"))]

#[cfg(test)]
mod fallback;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod method;
#[cfg(test)]
mod outer;
#[cfg(test)]
mod prefix;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod rpc;
#[cfg(test)]
mod table;
