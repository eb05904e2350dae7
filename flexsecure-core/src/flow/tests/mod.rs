//! `table.md` says what every input does to every state, and `table.rs` proves it. What reads better
//! as a story is told in `starting`, `waiting`, `pins` and `ending`. `model` knows all of it once
//! more, in the most naive way, and `sequences.rs` compares the two.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test is a failing test, which is what it should be"
)]

mod builders;
mod ending;
mod id;
mod model;
mod pins;
mod sequences;
mod starting;
mod table;
mod waiting;
