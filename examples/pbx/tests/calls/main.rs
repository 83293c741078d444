//! Calls to the PBX as its own telephones, SIPp and baresip make them. Each test starts the program with a folder and ports of its own.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod a_caller_is_transferred;
mod a_caller_leaves_a_message;
mod a_telephone_shows_the_lamp;
mod an_owner_listens_and_answers;
mod lost_packets_are_silence;
mod offers_and_answers;
mod running;
mod sipp;
mod sound;
mod telephone;
