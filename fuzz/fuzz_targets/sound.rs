//! Audio: WAV, AU, GSM 06.10, G.726 or bare samples, measured and decoded.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::sound(bytes));
