//! The whole session of an SMTP client.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::dialogue(bytes));
