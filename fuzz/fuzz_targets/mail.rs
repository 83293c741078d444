//! A mail, with and without its sound.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::mail(bytes));
