//! Dialogues that continue while the store is working.

use std::time::Duration;

use proptest::prelude::*;

use super::tests::{EHLO, MAIL, RCPT, TestPeer, codes, narrow, piece, policy};
use super::{Action, Delivery, Dialogue, Limits};

const MESSAGE: &str = "MAIL FROM:<node@berlin.example>\r\nRCPT TO:<201@vm.example>\r\nBDAT 1 LAST\r\nx";

fn with_slow_store() -> TestPeer {
    let mut peer = TestPeer::greeted(Limits::default());
    peer.store_is_slow = true;
    peer
}

#[test]
fn pipelined_messages_are_stored_together_in_order() {
    let mut peer = with_slow_store();
    assert_eq!(peer.codes(MESSAGE.repeat(6)), "250 250", "the replies after a message wait for its reply");
    assert_eq!(peer.stored.len(), Dialogue::MAX_PENDING_STORES);
    assert!(peer.dialogue.is_held(), "one message must be stored first");
    assert_eq!(peer.answer_store(), "250 2.0.0 kept 1\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n");
    assert_eq!(peer.stored.len(), 5);
    for _ in 0..3 {
        assert_eq!(codes(&peer.answer_store()), "250 250 250");
    }
    assert_eq!(peer.answer_store(), "250 2.0.0 kept 5\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n");
    assert_eq!(peer.answer_store(), "250 2.0.0 kept 6\r\n");
    assert!(!peer.dialogue.is_held());
}

#[test]
fn a_command_that_changes_the_session_waits_for_all_stores() {
    for (command, code) in [("QUIT", "221"), ("STARTTLS", "220"), ("EHLO b", "250"), ("HELO b", "250"), ("VRFY x", "252")] {
        let mut peer = with_slow_store();
        peer.say(MESSAGE);
        peer.say(MESSAGE);
        assert_eq!(peer.codes(format!("{command}\r\n")), "", "{command}");
        assert_eq!(codes(&peer.answer_store()), "250 250 250", "{command}");
        assert_eq!(codes(&peer.answer_store()), format!("250 {code}"), "{command}");
        assert_eq!((peer.is_closed(), peer.tls_started), (command == "QUIT", command == "STARTTLS"));
    }
}

#[test]
fn a_session_that_ends_still_answers_for_its_messages() {
    let mut peer = with_slow_store();
    peer.say(MESSAGE);
    assert_eq!(peer.say("BDAT what\r\n"), "");
    assert!(peer.is_closed());
    assert_eq!(peer.dialogue.poll_action(), None, "the connection is not closed before the store has answered");
    peer.answer();
    assert_eq!(peer.dialogue.poll_action(), Some(Action::Close));
    assert_eq!(codes(&peer.replies()).split_once(' ').unwrap().0, "250");

    let mut peer = with_slow_store();
    peer.say(format!("{MAIL}{RCPT}"));
    peer.dialogue.handle_stop();
    assert_eq!(peer.say("BDAT 1 LAST\r\nx"), "");
    assert_eq!(peer.stored.len(), 1);
    assert_eq!(codes(&peer.answer_store()), "250 421");
}

#[test]
fn only_a_slow_sender_times_out_while_the_store_works() {
    let mut peer = with_slow_store();
    peer.say(MESSAGE);
    assert_eq!(peer.dialogue.idle_since(), None);
    assert_eq!(peer.pass(Duration::from_secs(1000)), "");
    peer.say(format!("{MAIL}{RCPT}BDAT 10 LAST\r\nx"));
    peer.pass(Duration::from_secs(300));
    assert!(peer.is_closed(), "it has stopped sending");
    assert_eq!(codes(&peer.answer_store()), "250 250 250 421");

    let mut peer = with_slow_store();
    peer.say(MESSAGE);
    peer.pass(Duration::from_secs(1000));
    peer.answer_store();
    assert_eq!(peer.pass(Duration::from_secs(299)), "", "its time begins with the answer");
    assert_eq!(codes(&peer.pass(Duration::from_secs(1))), "421");
}

/// Returns all replies and messages of a dialogue whose store answers for this many messages after each piece.
fn all_replies_of_a_slow_store(pieces: &[&[u8]], answers: &[usize]) -> (String, Vec<Delivery>, bool) {
    let mut peer = TestPeer::with(policy(Limits { commands: 1000, ..narrow() }));
    peer.store_is_slow = true;
    let mut replies = String::new();
    for (piece, answers) in pieces.iter().zip(answers.iter().chain(std::iter::repeat(&0))) {
        replies += &peer.say(piece);
        let until = peer.answered.saturating_add(*answers);
        while peer.answered < peer.stored.len().min(until) {
            replies += &peer.answer_store();
        }
    }
    while peer.answered < peer.stored.len() {
        replies += &peer.answer_store();
    }
    (replies, std::mem::take(&mut peer.stored), peer.is_closed())
}

proptest! {
    #[test]
    fn a_slow_store_changes_no_reply_and_no_order(
        pieces in prop::collection::vec(prop_oneof![2 => piece(), 1 => Just(MESSAGE.as_bytes().to_vec())], 0..40),
        answers in prop::collection::vec(0..3_usize, 40),
    ) {
        let pieces: Vec<_> = std::iter::once(EHLO.as_bytes()).chain(pieces.iter().map(Vec::as_slice)).collect();
        let at_once = vec![usize::MAX; pieces.len()];
        prop_assert_eq!(all_replies_of_a_slow_store(&pieces, &answers), all_replies_of_a_slow_store(&pieces, &at_once));
    }
}
