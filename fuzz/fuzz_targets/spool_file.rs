//! A file of the spool, and a name there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::conformance::hostile::spool_file(bytes));
