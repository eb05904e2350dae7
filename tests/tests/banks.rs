//! Both banks, each with an authority of its own.

flexsecure_conformance::on_both_banks! {
    session:
        a_login_gives_a_cookie_that_a_logout_takes_back
        a_login_by_form_leads_back_to_the_front_page
        an_unknown_user_cannot_log_in
        nothing_is_told_or_sent_to_who_is_not_logged_in
        a_forged_cookie_identifies_nobody
        a_logout_revokes_what_the_session_held
        a_flow_does_not_outlive_the_logout
        another_user_of_the_same_browser_is_asked_again
        another_session_of_the_same_user_is_asked_again;
    lifecycle:
        a_proof_goes_along_with_its_session
        a_flow_goes_along_with_its_session
        a_link_approved_after_a_rotation_lets_the_new_session_in
        a_message_sent_before_a_rotation_is_good_after
        who_keeps_the_id_of_before_shares_no_approval
        a_held_request_of_the_old_session_is_refused_by_a_rotation
        a_change_of_password_ends_what_was_proved_and_begun
        a_change_of_password_ends_the_waiting
        a_session_has_so_many_flows_and_sends_nothing_for_more;
    refusal:
        a_refusal_says_all_that_a_client_needs
        an_upgrade_is_refused_like_any_other_request
        a_refusal_by_link_shows_the_number_to_compare
        a_user_without_the_system_gets_the_same_refusal_with_a_flow_that_is_over
        the_message_names_the_operation;
    transfer:
        a_transfer_below_100_takes_no_proof
        a_transfer_from_100_to_10000_takes_a_proof
        a_transfer_above_10000_is_denied
        a_transfer_of_no_sensible_amount_is_refused
        a_transfer_by_form_is_the_same_transfer
        a_transfer_runs_once_for_each_proof
        nobody_sees_the_transfers_of_another;
    binding:
        another_amount_or_payee_is_not_covered
        no_proof_does_for_anything_asked_before_it
        no_proof_does_for_anything_asked_after_it
        the_pin_of_a_weak_flow_does_not_end_a_strong_one
        an_approval_runs_nothing_by_itself
        what_was_refused_in_one_jar_is_never_run_from_another
        a_session_that_was_fixed_before_the_login_gains_nothing
        an_approved_transfer_is_no_good_in_another_session;
    pin:
        five_wrong_pins_end_the_flow
        wrong_pins_in_parallel_are_counted_one_by_one
        the_right_pin_in_parallel_is_one_proof
        who_has_used_up_all_attempts_gets_another_flow
        asking_for_the_state_spends_no_attempt
        a_client_that_waits_hears_of_a_pin
        an_authenticated_flow_takes_no_change;
    pin_input:
        a_malformed_pin_spends_no_attempt
        a_malformed_body_spends_no_attempt
        spaces_in_a_pin_are_fine
        a_pin_may_be_a_number
        a_pin_may_come_by_form
        a_content_type_may_have_parameters;
    pin_header:
        the_right_pin_on_the_repeated_request_lets_it_through
        a_wrong_pin_on_the_repeated_request_is_rejected
        a_malformed_pin_on_the_repeated_request_spends_no_attempt
        a_pin_without_a_live_flow_is_ignored
        a_pin_that_another_site_sends_is_ignored;
    link:
        opening_the_link_approves_nothing
        the_wrong_match_number_ends_the_flow
        an_unreadable_match_number_changes_nothing
        a_user_who_declines_ends_the_flow
        a_client_that_waits_hears_of_the_approval
        the_repeated_request_alone_gets_through
        a_held_request_goes_through_when_the_user_approves
        a_held_request_is_refused_when_the_user_declines
        an_unusable_preference_is_ignored
        a_link_is_good_for_one_answer;
    foreign:
        a_flow_does_not_exist_for_another_session
        an_authenticated_flow_does_not_exist_for_another_session
        a_malformed_flow_is_an_unknown_one
        each_session_has_a_flow_of_its_own
        each_session_has_a_link_of_its_own;
    endpoint:
        a_cancelled_flow_stays_cancelled
        a_resend_within_the_cool_down_sends_nothing
        an_oversized_body_is_refused
        a_body_of_another_type_is_refused
        a_wrong_method_names_the_right_ones
        an_unknown_path_below_the_prefix_is_not_found
        head_is_answered_like_get
        the_style_of_the_page_is_served
        the_health_check_is_open;
    admin:
        the_whole_scope_takes_a_pin
        a_user_of_links_has_a_pin_here
        a_proof_by_link_elsewhere_does_not_do_here
        a_user_without_the_system_stays_outside;
    crowd:
        twenty_tabs_get_one_message
        an_approved_transfer_runs_once_of_sixty_four
        a_hundred_sessions_send_five_messages_at_most
        an_open_flow_survives_the_starts_of_other_sessions
        a_client_that_leaves_loses_nothing;
    cross_site:
        a_request_from_another_site_sends_no_message
        a_change_from_another_site_is_refused
        an_idle_flow_is_not_started_from_another_site
        a_request_from_the_site_itself_is_served
        a_prefetch_sends_no_message
        a_pin_for_an_idle_flow_is_rejected
        a_pin_for_a_flow_by_link_is_rejected;
    browser:
        a_navigation_leads_to_the_page_and_back
        a_client_that_prefers_html_is_led_to_the_page
        a_wrong_pin_in_the_form_shows_the_page_again
        the_page_of_a_link_shows_the_number_to_compare
        the_page_of_an_idle_flow_has_a_button
        a_form_that_takes_a_proof_is_answered_with_the_page
        a_page_shows_texts_as_texts
        a_payee_with_line_breaks_adds_no_header
        the_way_back_is_the_way_there;
    bypass:
        no_spelling_of_a_path_leads_around_the_gate
        an_absolute_target_is_gated_too
        no_method_leads_around_the_gate
        no_header_is_taken_for_an_elevation
        a_request_behind_a_refused_one_is_refused_too
        a_request_inside_a_refused_one_is_never_run;
    probe:
        a_probe_tells_what_a_request_would_take_and_sends_nothing
        a_probe_knows_what_the_session_holds;
}

/// Nodes of one bank, one on each framework.
mod mixed {
    use flexsecure_conformance::scenario::session;
    use flexsecure_conformance::subject::Launch;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_that_share_a_secret_serve_each_others_sessions() {
        session::nodes_that_share_a_secret_serve_each_others_sessions(&axum(), &actix()).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_with_secrets_of_their_own_do_not() {
        session::nodes_with_secrets_of_their_own_do_not(&axum(), &actix()).await;
    }

    fn axum() -> Launch {
        Launch::new(env!("CARGO_BIN_EXE_subject-axum"))
    }

    fn actix() -> Launch {
        Launch::new(env!("CARGO_BIN_EXE_subject-actix"))
    }
}
