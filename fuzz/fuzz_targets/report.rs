//! A report about the delivery of a mail.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| voicemail::fuzz::report(bytes));
