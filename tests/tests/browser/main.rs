//! A person in Debian's Chromium, in front of each bank, with scripts and without.
//!
//! Needs the packages `chromium` and `chromium-driver`, and `npm ci` in `flexsecure-js` for axe-core.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "it is how a test fails")]

mod approval;
mod harness;
mod login;
