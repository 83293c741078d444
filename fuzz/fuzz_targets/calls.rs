//! Whole calls of a caller and of an owner.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::calls(bytes));
