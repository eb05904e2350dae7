//! The n-th failure: every scenario again and again, each time with another call to the store or the
//! authority that goes wrong, or another moment at which a client leaves.
//!
//! A failure prints the names of its cases; with `SWEEP="part of a name"`, and `-- --nocapture`, each
//! case that has it in its name tells which calls went wrong.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test: it may fail, and says how much it has tried"
)]

mod authority;
mod case;
mod clients;
mod faults;
mod leaving;
mod ledger;
mod run;
mod scenarios;
mod store;
mod world;

/// A test for each scenario, by how its users answer and how many requests it has at once.
macro_rules! sweep {
    ($($by:ident $crowd:ident in $module:ident { $($name:ident)* })*) => {$($(
        #[test]
        fn $name() {
            static SCENARIO: scenarios::Scenario = scenarios::Scenario {
                name: stringify!($name),
                by: case::By::$by,
                crowd: scenarios::Crowd::$crowd,
                play: |world| Box::pin(scenarios::$module::$name(world)),
            };
            run::sweep(&SCENARIO);
        }
    )*)*};
}

sweep! {
    Link Few in flows {
        a_link_lets_its_request_through
        a_page_that_asks_learns_of_the_approval
        a_message_is_sent_again_after_the_cool_down
        a_user_declines_and_is_asked_anew
        a_user_gives_up_and_starts_anew
        a_flow_that_runs_out_of_time_is_over
        a_flow_runs_out_of_time_while_a_request_is_held
    }
    Pin Few in flows {
        a_right_pin_does_after_a_wrong_one
        a_pin_rides_on_the_repeated_request
        a_right_pin_does_beside_a_wrong_one
    }
    Link Few in requests {
        a_held_request_goes_through
        an_operation_is_done_once
        a_handler_asks_for_more
        of_many_repeats_one_is_let_through
        a_policy_that_asks_the_store_decides
    }
    Link Many in requests {
        twenty_tabs_are_let_through_by_one_message
    }
    Pin Few in requests {
        a_pin_releases_the_request_that_is_held
    }
    Link Few in sessions {
        a_session_is_revoked_before_the_approval
        a_user_is_revoked_after_the_approval
        a_session_is_rebound_before_the_approval
        a_user_logs_out_while_a_request_is_held
    }
}
