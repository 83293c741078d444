//! A file of the spool, and a file name there.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::spool_file(bytes));
