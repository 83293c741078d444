//! A message from the caller's first word to its bytes in a mailbox.

#[cfg(all(feature = "memory", feature = "node"))]
mod a_dropped_call_is_settled_by_the_same_call_again;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_mail_is_written_in_its_owners_language;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_message_says_what_its_call_was;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_recording_becomes_a_message;
#[cfg(all(feature = "memory", feature = "node"))]
mod a_recording_is_heard_cut_or_has_no_speech;
#[cfg(feature = "node")]
mod hostile_bytes_do_no_harm;
#[cfg(all(feature = "memory", feature = "node"))]
mod long_recordings_are_read_while_they_go;
#[cfg(feature = "wire")]
mod other_systems_read_a_message;
#[cfg(feature = "wire")]
mod recordings_come_back_byte_for_byte;
mod stamps_are_what_another_source_says;

#[cfg(all(feature = "memory", feature = "node"))]
#[path = "../support/network_links.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod network_links;
#[cfg(all(feature = "memory", feature = "node"))]
#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
