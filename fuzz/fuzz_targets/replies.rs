//! What a server answers to a forwarder.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::replies(bytes));
