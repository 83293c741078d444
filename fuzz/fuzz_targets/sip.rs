//! What a telephone or a PBX says by SIP: a datagram, a stream, a lamp's body, and proofs of digest.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::sip(bytes));
