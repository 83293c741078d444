//! The name of a file in a Maildir.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::maildir_name(bytes));
