//! Lamps show what is in the store.

#![cfg(all(feature = "memory", feature = "node"))]

mod after_a_restart_every_lamp_is_right_within_a_stated_time;
mod changes_by_other_programs_change_the_lamp;
mod each_lamp_shows_what_the_store_holds;
mod lamps_find_their_pbx;
mod members_of_a_group_share_its_messages;
#[cfg(feature = "sip")]
mod phones_show_the_lamp;
#[cfg(feature = "sip")]
mod sip_peers_are_treated_as_the_rfcs_say;
mod source_and_sink_report_the_same_states;
mod ten_thousand_random_steps_leave_every_lamp_right;
mod two_nodes_on_one_store_leave_every_lamp_right;

#[path = "../support/recorded_lamps.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod recorded_lamps;
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
#[cfg(feature = "sip")]
#[path = "../support/telephones.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod telephones;
