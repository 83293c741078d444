//! What a peer says to an intake, from the first byte of a session to the last.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::dialogue(bytes));
