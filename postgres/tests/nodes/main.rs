//! Central nodes that share one database: they are killed, cut off and frozen, and their database dies. Without PostgreSQL, each test says that it is
//! skipped.
//!
//! Run: `VOICEMAIL_KILLS=50 VOICEMAIL_CUT_SECS=60 VOICEMAIL_STEPS=450 cargo test -p voicemail-postgres --test nodes -- --nocapture`. Without the
//! variables, five processes are killed, the network is cut for six seconds, and 90 random steps are taken. `VOICEMAIL_SEED` repeats the choices of
//! another run, though not what the machine made of them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod a_long_outage_ends_at_once;
mod a_node_is_cut_off;
mod a_node_starts_before_its_database;
mod a_slow_step_is_done_by_one_node;
mod central_nodes_are_killed;
mod random_steps_leave_every_lamp_right;
mod support;
mod the_primary_dies_under_nodes;
