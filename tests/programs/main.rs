//! The example programs, and programs of others that speak with this crate.

#![cfg(feature = "node")]

mod a_network_is_shown_or_all_its_faults_are;
#[cfg(feature = "memory")]
mod other_programs_understand_us;
mod the_programs_do_what_they_say;
mod what_is_wrong_is_said_once_and_clearly;

#[path = "../support/programs.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod programs;
#[cfg(feature = "memory")]
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
