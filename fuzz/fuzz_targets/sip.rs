//! SIP: a datagram, a stream, a message summary, and digest credentials.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::sip(bytes));
