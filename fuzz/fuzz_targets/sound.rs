//! A sound: WAV, AU or bare samples.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::conformance::hostile::sound(bytes));
