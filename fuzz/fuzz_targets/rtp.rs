//! RTP: the datagrams of a call, and what they become.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::rtp(bytes));
