//! Tests against PostgreSQL servers of their own. Without PostgreSQL, each test says that it is skipped.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod a_cancelled_wait_is_not_success;
mod a_cut_connection_loses_nothing;
mod a_dropped_call_leaves_nothing;
mod a_frozen_server_is_passed_over;
mod a_number_gets_another_owner;
mod a_primary_dies;
mod a_receipt_is_sent_once;
mod a_role_with_few_rights_suffices;
mod a_server_restarts;
mod an_object_store_fails;
mod changes_are_noticed;
mod choices_of_owners_move;
mod connections_are_encrypted;
mod copies_share_a_sound;
mod duplicates_change_nothing;
mod examples_work_as_documented;
#[path = "../sounds/faulty_objects.rs"]
#[expect(dead_code, reason = "the tests of sounds use the rest")]
mod faulty_objects;
mod greetings_are_shared;
mod housekeeping;
mod keeps_the_contract;
mod leases_and_jobs;
mod limits_are_exact;
mod lists_are_shared;
mod long_sounds;
mod mailboxes_move_there_and_back;
mod one_member_gets_a_message;
mod one_message_through_two_nodes;
mod pages_cost_the_same;
mod pins_are_counted_before_they_are_checked;
mod refusals_have_their_reason;
mod rules_are_shared;
mod schema_steps;
mod sent_messages_are_shared;
mod support;
