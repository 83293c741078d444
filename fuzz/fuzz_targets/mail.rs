//! A mail, with and without its audio.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::mail(bytes));
