//! The name of a file in a Maildir.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::conformance::hostile::maildir_name(bytes));
