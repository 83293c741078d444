//! The replies of an SMTP server.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::replies(bytes));
