//! Every parser of foreign bytes reads the seeds of the fuzzers, and some thousand changes of them, without harm.
//!
//! The readers and what is asked of them are in `voicemail::fuzz`; the fuzzers for them, in `fuzz/`.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use voicemail::fuzz;

#[test]
fn an_smtp_session_of_a_stranger_is_answered_line_by_line() {
    read_changed(&["dialogue"], 400, fuzz::dialogue);
}

#[test]
fn replies_of_a_stranger_come_out_short_and_clean() {
    read_changed(&["replies"], 1000, fuzz::replies);
}

#[test]
fn a_mail_that_can_be_read_can_be_written_and_read_again() {
    read_changed(&["../mails"], 1000, fuzz::mail);
}

#[test]
fn a_delivery_report_gives_short_lines() {
    read_changed(&["report"], 2000, fuzz::report);
}

#[test]
#[cfg(feature = "http-client")]
fn a_text_in_json_reads_back_as_it_was_written() {
    read_changed(&["json"], 2000, fuzz::json);
}

#[test]
fn samples_lie_inside_their_file() {
    read_changed(&["sound", "../sounds"], 1000, fuzz::sound);
}

#[test]
fn a_file_in_the_spool_may_hold_anything() {
    read_changed(&["spool_file"], 1000, fuzz::spool_file);
}

#[test]
fn a_file_in_a_maildir_may_have_any_name() {
    read_changed(&["maildir_name"], 1000, fuzz::maildir_name);
}

#[test]
#[cfg(feature = "sip")]
fn a_sip_message_that_can_be_read_can_be_written_and_read_again() {
    read_changed(&["sip"], 1000, fuzz::sip);
}

#[test]
fn datagrams_of_a_call_may_hold_anything() {
    read_changed(&["rtp"], 1000, fuzz::rtp);
}

#[test]
fn calls_end_and_statements_follow_their_confirmation() {
    read_changed(&["calls"], 4000, fuzz::calls);
}

/// Reads every file of `folders`, and `changes` times one of them that was changed.
fn read_changed(folders: &[&str], changes: u32, read: fn(&[u8])) {
    let seeds: Vec<Vec<u8>> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(seeds.len() >= 4, "there is something to begin with");
    for seed in &seeds {
        read(seed);
    }
    let words: Vec<Vec<u8>> = WORDS.iter().map(|word| word.to_vec()).collect();
    let change = (any::<Index>(), any::<Index>(), 0..6_u8, prop_oneof![proptest::sample::select(words), vec(any::<u8>(), 1..9)]);
    let strategy = (any::<Index>(), any::<Index>(), vec(change, 1..8));
    let config = Config { cases: changes, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&strategy, |(seed, other, changes)| {
            let mut bytes: Vec<u8> = seed.get(&seeds).clone();
            bytes.truncate(LONGEST);
            for (from, to, what, word) in changes {
                change_once(&mut bytes, (from, to), what, &word, other.get(&seeds).as_slice());
            }
            read(&bytes);
            Ok(())
        })
        .unwrap();
}

/// As fuzzers do: exchange, put in, take out, repeat, cut off, and go on as another.
fn change_once(bytes: &mut Vec<u8>, (from, to): (Index, Index), what: u8, word: &[u8], other: &[u8]) {
    let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
    let (from, to) = (from.min(to), from.max(to));
    match what {
        0 => bytes.iter_mut().skip(from).zip(word).for_each(|(byte, new)| *byte = *new),
        1 => drop(bytes.splice(from..from, word.iter().copied())),
        2 => drop(bytes.drain(from..to.min(from + 64))),
        3 => {
            let again = bytes[from..to.min(from + 512)].to_vec();
            drop(bytes.splice(from..from, again));
        }
        4 => bytes.truncate(to),
        _ => drop(bytes.splice(from.., other.iter().skip(from).take(LONGEST).copied())),
    }
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seeds").join(folder);
    let Ok(entries) = fs::read_dir(&path) else { panic!("{} is missing", path.display()) };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Longer ones cost time and find nothing that shorter ones do not.
const LONGEST: usize = 4096;

/// Texts that have a meaning for one of the parsers.
const WORDS: [&[u8]; 26] = [
    b"\r\n",
    b"\n",
    b"\r",
    b".\r\n",
    b"\r\n.\r\n",
    b"BDAT 7 LAST\r\n",
    b"RSET\r\n",
    b"=",
    b"*\r\n",
    b"250-",
    b"--",
    b": ",
    b"\"",
    b"\\",
    b"\0",
    b"\xff\xff\xff\xff",
    b"data",
    b"RF64",
    b"ds64",
    b"=?utf-8?B?",
    b"%00",
    b"../",
    b"SIP/2.0",
    b";",
    b"<sip:a@b>",
    b"nonce=",
];
