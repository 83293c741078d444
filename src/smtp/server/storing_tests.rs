//! Dialogues that go on while the store is at work.

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
fn messages_that_come_together_are_stored_together_and_answered_in_order() {
    let mut peer = with_slow_store();
    assert_eq!(peer.codes(MESSAGE.repeat(6)), "250 250", "what comes after a message waits for its answer");
    assert_eq!(peer.stored.len(), Dialogue::MAX_PENDING_STORES);
    assert!(peer.dialogue.is_held(), "a place in the store has to come free");
    assert_eq!(peer.hear_store(), "250 2.0.0 kept 1\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n");
    assert_eq!(peer.stored.len(), 5);
    for _ in 0..3 {
        assert_eq!(codes(&peer.hear_store()), "250 250 250");
    }
    assert_eq!(peer.hear_store(), "250 2.0.0 kept 5\r\n250 2.1.0 sender ok\r\n250 2.1.5 recipient ok\r\n");
    assert_eq!(peer.hear_store(), "250 2.0.0 kept 6\r\n");
    assert!(!peer.dialogue.is_held());
}

#[test]
fn what_ends_or_changes_a_session_waits_for_all_answers() {
    for (command, code) in [("QUIT", "221"), ("STARTTLS", "220"), ("EHLO b", "250"), ("HELO b", "250"), ("VRFY x", "252")] {
        let mut peer = with_slow_store();
        peer.say(MESSAGE);
        peer.say(MESSAGE);
        assert_eq!(peer.codes(format!("{command}\r\n")), "", "{command}");
        assert_eq!(codes(&peer.hear_store()), "250 250 250", "{command}");
        assert_eq!(codes(&peer.hear_store()), format!("250 {code}"), "{command}");
        assert_eq!((peer.is_closed(), peer.tls_started), (command == "QUIT", command == "STARTTLS"));
    }
}

#[test]
fn a_session_that_has_to_end_still_says_what_became_of_its_messages() {
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
    assert_eq!(codes(&peer.hear_store()), "250 421");
}

#[test]
fn nobody_is_hurried_while_the_store_is_at_work_but_who_sends_slowly() {
    let mut peer = with_slow_store();
    peer.say(MESSAGE);
    assert_eq!(peer.dialogue.idle_since(), None);
    assert_eq!(peer.pass(Duration::from_secs(1000)), "");
    peer.say(format!("{MAIL}{RCPT}BDAT 10 LAST\r\nx"));
    peer.pass(Duration::from_secs(300));
    assert!(peer.is_closed(), "it has stopped sending");
    assert_eq!(codes(&peer.hear_store()), "250 250 250 421");

    let mut peer = with_slow_store();
    peer.say(MESSAGE);
    peer.pass(Duration::from_secs(1000));
    peer.hear_store();
    assert_eq!(peer.pass(Duration::from_secs(299)), "", "its time begins with the answer");
    assert_eq!(codes(&peer.pass(Duration::from_secs(1))), "421");
}

/// All replies and messages of a dialogue, with a store that answers for so many messages after each piece.
fn all_replies_of_a_slow_store(pieces: &[&[u8]], answers: &[usize]) -> (String, Vec<Delivery>, bool) {
    let mut peer = TestPeer::with(policy(Limits { commands: 1000, ..narrow() }));
    peer.store_is_slow = true;
    let mut replies = String::new();
    for (piece, answers) in pieces.iter().zip(answers.iter().chain(std::iter::repeat(&0))) {
        replies += &peer.say(piece);
        let until = peer.answered.saturating_add(*answers);
        while peer.answered < peer.stored.len().min(until) {
            replies += &peer.hear_store();
        }
    }
    while peer.answered < peer.stored.len() {
        replies += &peer.hear_store();
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
