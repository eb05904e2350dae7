//! The locks of the memory store, and of those who wait for a flow, in thousands of orders.
//!
//! ```sh
//! RUSTFLAGS="--cfg shuttle" cargo test -p flexsecure-proofs --test shuttle --target-dir target/shuttle
//! ```

#![cfg(shuttle)]
#![expect(clippy::unwrap_used, reason = "it is how a property fails")]

mod store;

use flexsecure_core::interleavings;

/// In how many orders each is run, half of them by one way to choose and half by another.
const ORDERS: usize = 10_000;

/// Random orders find what goes wrong often; those with few changes of turn, and these at random
/// places, what goes wrong rarely.
fn in_every_order(run: fn()) {
    shuttle::check_random(run, ORDERS / 2);
    shuttle::check_pct(run, ORDERS / 2, 3);
}

macro_rules! in_every_order {
    ($($place:ident::$name:ident),* $(,)?) => {$(
        #[test]
        fn $name() {
            in_every_order($place::$name);
        }
    )*};
}

in_every_order![
    interleavings::no_wake_up_is_lost,
    interleavings::no_wake_up_is_lost_where_all_are_told,
    interleavings::a_flow_that_is_waited_for_is_tended_by_one,
    interleavings::a_flow_is_tended_again_for_who_comes_late,
    interleavings::nobody_tends_a_flow_that_nobody_waits_for,
    store::parallel_opens_keep_one_flow,
    store::parallel_opens_fill_every_place_once,
    store::parallel_swaps_have_one_winner,
    store::parallel_consumers_have_one_winner,
    store::parallel_starts_stay_within_the_limit,
    store::parallel_claims_have_one_holder,
    store::a_revocation_of_the_session_wins_against_a_swap,
    store::a_revocation_of_the_user_wins_against_a_swap,
    store::a_revocation_of_everybody_wins_against_a_swap,
    store::a_rebinding_loses_nothing,
    store::a_revocation_wins_against_a_rebinding,
    store::nobody_finds_an_elevation_twice,
];
