//! Central nodes that share one database: they are killed, cut off and frozen, and their database dies. Without PostgreSQL, each test says that it is
//! skipped.
//!
//! Run: `VOICEMAIL_KILLS=50 cargo test -p voicemail-postgres --test nodes -- --nocapture`. Without the variable, five processes are killed.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod a_node_is_cut_off;
mod central_nodes_are_killed;
mod support;
