//! Guides.

// Its examples ask `coverage`.
#[cfg_attr(any(not(doctest), feature = "test-util"), doc = include_str!("placement.md"))]
pub mod placement {}
