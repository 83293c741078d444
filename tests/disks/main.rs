//! Data on stable storage survives power cuts and full disks.

#![cfg(feature = "node")]

mod a_full_disk_is_said_at_once_and_nothing_is_lost;
mod a_full_mailbox_is_known_before_a_caller_speaks;
mod a_power_cut_after_any_step_loses_nothing;
mod a_spare_file_gives_no_word_of_another_caller;
mod old_arrivals_are_forgotten_while_a_node_runs;
mod the_end_of_a_recording_holds_through_every_fault;

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
