//! Lamps show what is in the store.

#![cfg(all(feature = "memory", feature = "node"))]

mod after_a_restart_every_lamp_is_right_within_a_stated_time;
mod lamps_find_their_pbx;
#[cfg(feature = "sip")]
mod phones_show_the_lamp;
#[cfg(feature = "sip")]
mod sip_peers_are_answered_by_the_book;
mod ten_thousand_random_steps_leave_every_lamp_right;
mod the_lamp_tells_the_truth;
mod what_others_do_to_a_mailbox_changes_its_lamp;
mod who_asks_and_the_lamp_are_told_the_same;

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
