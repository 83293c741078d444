//! The example programs, and other projects' programs that work with this crate.

#![cfg(feature = "node")]

mod a_network_or_all_its_faults_are_shown;
mod errors_are_reported_once_and_clearly;
mod example_programs_work_as_documented;
#[cfg(feature = "memory")]
mod mail_programs_interoperate;
#[cfg(feature = "memory")]
mod mail_servers_in_between_lose_nothing;

#[cfg(feature = "memory")]
#[path = "../support/imap.rs"]
#[allow(unreachable_pub, reason = "other tests use it, too")]
mod imap;
#[cfg(feature = "memory")]
#[path = "../support/mail_servers.rs"]
#[allow(unreachable_pub, reason = "other tests may use it, too")]
mod mail_servers;
#[path = "../support/programs.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod programs;
#[cfg(feature = "memory")]
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
