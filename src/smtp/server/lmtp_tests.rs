//! Dialogues by LMTP.

use proptest::prelude::*;

use super::tests::{EHLO, MAIL, RCPT, TestPeer, codes, narrow, policy};
use super::{Dialogue, Limits, Policy, Protocol};
use crate::smtp::Reply;

const LHLO: &str = "LHLO mx.example\r\n";

/// A mailbox whose copies the store defers.
const FULL: &str = "RCPT TO:<202@vm.example>\r\n";
const UNKNOWN: &str = "RCPT TO:<9@vm.example>\r\n";
const POSTMASTER: &str = "RCPT TO:<postmaster>\r\n";

fn lmtp(limits: Limits) -> TestPeer {
    TestPeer::with(Policy { protocol: Protocol::Lmtp, ..policy(limits) })
}

fn greeted(limits: Limits) -> TestPeer {
    let mut peer = lmtp(limits);
    assert!(peer.say(LHLO).starts_with("250-vm1.example\r\n250-PIPELINING\r\n"));
    peer
}

#[test]
fn each_accepted_recipient_gets_its_reply_in_order() {
    let mut peer = greeted(Limits::default());
    assert_eq!(peer.codes(format!("{MAIL}{FULL}{UNKNOWN}{POSTMASTER}{RCPT}{FULL}DATA\r\n")), "250 250 550 250 250 250 354");
    let replies = "452 4.2.2 202 full\r\n250 2.0.0 postmaster kept 1\r\n250 2.1.5 201 kept 1\r\n452 4.2.2 202 full\r\n";
    assert_eq!(peer.say("x\r\n.\r\n"), replies);
    assert_eq!(peer.stored[0].mailboxes, ["202".parse().unwrap(), "201".parse().unwrap()], "a repeated recipient is one copy");
    assert!(peer.stored[0].postmaster && peer.stored[0].mail.windows(9).any(|text| text == b"with LMTP"));
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 1\r\nxBDAT 1 LAST\r\ny")), "250 250 250 250");
    assert_eq!(
        peer.say(format!("{MAIL}{RCPT}{FULL}BDAT 1\r\nxBDAT 0 LAST\r\n")).lines().skip(4).collect::<Vec<_>>(),
        ["250 2.1.5 201 kept 3", "452 4.2.2 202 full"]
    );
    assert_eq!(peer.codes("QUIT\r\n"), "221");
}

#[test]
fn the_greeting_of_the_other_protocol_is_refused() {
    for greeting in [EHLO, "HELO pbx.example\r\n"] {
        let mut peer = lmtp(Limits::default());
        assert_eq!(peer.say(greeting), "500 5.5.1 this port speaks LMTP, say LHLO\r\n");
        assert_eq!(peer.say(MAIL), "503 5.5.1 say LHLO first\r\n");
        assert_eq!(peer.codes(format!("{LHLO}{MAIL}{greeting}{RCPT}")), "250 250 500 250", "the transaction goes on");
    }
    let mut peer = TestPeer::with(policy(Limits::default()));
    assert_eq!(peer.say(LHLO), "500 5.5.1 this port speaks SMTP, say EHLO\r\n");
    assert_eq!(peer.say(MAIL), "503 5.5.1 say EHLO first\r\n");
    assert_eq!(Policy::new("vm1.example", "example").protocol, Protocol::Smtp);
}

#[test]
fn a_message_without_accepted_recipients_is_503() {
    for end in ["DATA\r\n", "BDAT 3 LAST\r\nabc"] {
        let mut peer = greeted(Limits::default());
        peer.say(format!("{MAIL}{UNKNOWN}"));
        assert_eq!(peer.say(end), "503 5.5.1 no recipient was accepted\r\n", "{end}");
        assert!(peer.stored.is_empty());
    }
}

#[test]
fn a_refused_message_is_refused_for_each_recipient() {
    let recipients = format!("{MAIL}{RCPT}{FULL}");
    for (message, refusals) in [
        (format!("BDAT 130 LAST\r\n{:130}", ""), "552 552"),
        (format!("BDAT 130\r\n{:130}BDAT 0 LAST\r\n", ""), "552 552 552"),
        (format!("BDAT 300 LAST\r\n{:300}", ""), "552 552"),
        ("DATA\r\nx\n.\n\r\n.\r\n".to_owned(), "354 554 554"),
        (format!("DATA\r\n{:100}\r\n.\r\n", ""), "354 554 554"),
    ] {
        let mut peer = greeted(narrow());
        assert_eq!(peer.codes(&recipients), "250 250 250");
        assert_eq!(peer.codes(&message), refusals, "{message}");
        assert!(peer.stored.is_empty());
    }
}

#[test]
fn a_refusal_for_many_recipients_is_one_error() {
    let mut peer = greeted(Limits { message: 120, errors: 3, ..Limits::default() });
    let refused = format!("{MAIL}{}BDAT 130 LAST\r\n{:130}", RCPT.repeat(5), "");
    for _ in 0..2 {
        assert_eq!(peer.codes(&refused), "250 250 250 250 250 250 552 552 552 552 552");
    }
    assert_eq!(peer.codes(&refused), "250 250 250 250 250 250 552 552 552 552 552 421");
}

#[test]
fn a_recipient_named_again_counts_towards_the_limit() {
    let mut peer = greeted(narrow());
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}{RCPT}{RCPT}")), "250 250 250 452");
    assert_eq!(peer.codes("BDAT 1 LAST\r\nx"), "250 250");
    let mut peer = TestPeer::greeted(narrow());
    assert_eq!(
        peer.codes(format!("{MAIL}{RCPT}{RCPT}{RCPT}BDAT 1 LAST\r\nx")),
        "250 250 250 250 250",
        "SMTP has one reply anyway"
    );
}

#[test]
fn pipelined_messages_get_all_their_replies_in_order() {
    let mut peer = greeted(Limits::default());
    peer.store_is_slow = true;
    let message = format!("{MAIL}{FULL}{RCPT}BDAT 1 LAST\r\nx");
    assert_eq!(codes(&peer.say(message.repeat(2))), "250 250 250");
    assert_eq!(codes(&peer.answer_store()), "452 250 250 250 250");
    assert_eq!(codes(&peer.answer_store()), "452 250");
}

/// Returns the replies to a message for 201 and 202, whose store gave `replies`.
fn replies_to(protocol: Protocol, replies: &[Reply]) -> String {
    let mut peer = TestPeer::with(Policy { protocol, ..policy(Limits::default()) });
    peer.store_is_slow = true;
    peer.say(if protocol == Protocol::Lmtp { LHLO } else { EHLO });
    peer.say(format!("{MAIL}{RCPT}{FULL}BDAT 1 LAST\r\nx"));
    let now = std::time::Instant::now();
    match replies {
        [reply] => peer.dialogue.handle_stored(reply, now),
        _ => peer.dialogue.handle_stored_each(replies, now),
    }
    codes(&peer.replies())
}

#[test]
fn too_few_or_too_many_replies_lose_no_recipient() {
    let [ok, full, gone] = [250, 452, 550].map(|code| Reply::new(code, "text"));
    for (replies, by_lmtp, by_smtp) in [
        (vec![], "451 451", "451"),
        (vec![ok.clone()], "250 250", "250"),
        (vec![full.clone()], "452 452", "452"),
        (vec![ok.clone(), gone.clone()], "250 550", "550"),
        (vec![gone.clone(), full.clone()], "550 452", "452"),
        (vec![ok.clone(), ok.clone(), gone], "250 250", "550"),
    ] {
        assert_eq!(replies_to(Protocol::Lmtp, &replies), by_lmtp, "{replies:?}");
        assert_eq!(replies_to(Protocol::Smtp, &replies), by_smtp, "{replies:?}");
    }
}

/// A transaction: its recipients, and whether its message comes by DATA.
fn transaction() -> impl Strategy<Value = (Vec<&'static str>, bool)> {
    let recipient = prop::sample::select(vec![RCPT, FULL, UNKNOWN, POSTMASTER]);
    (prop::collection::vec(recipient, 0..6), any::<bool>())
}

/// Returns the bytes of a transaction, and the codes of the replies by the rule of RFC 2033.
fn expected(recipients: &[&str], by_data: bool) -> (String, Vec<&'static str>) {
    let mut replies = vec!["250"];
    replies.extend(recipients.iter().map(|recipient| if *recipient == UNKNOWN { "550" } else { "250" }));
    let accepted: Vec<_> = recipients.iter().filter(|recipient| **recipient != UNKNOWN).collect();
    let message = match (accepted.is_empty(), by_data) {
        (true, true) => "DATA\r\nRSET\r\n",
        (true, false) => "BDAT 5 LAST\r\n.\r\n.\r",
        (false, true) => "DATA\r\nx\r\n..\r\n.\r\n",
        (false, false) => "BDAT 2\r\n\r\nBDAT 3 LAST\r\n.\r\n",
    };
    match (accepted.is_empty(), by_data) {
        (true, true) => replies.extend(["503", "250"]),
        (true, false) => replies.push("503"),
        (false, true) => replies.push("354"),
        (false, false) => replies.push("250"),
    }
    replies.extend(accepted.iter().map(|recipient| if **recipient == FULL { "452" } else { "250" }));
    (format!("{MAIL}{}{message}", recipients.concat()), replies)
}

proptest! {
    #[test]
    fn any_pieces_get_one_reply_for_each_recipient(
        transactions in prop::collection::vec(transaction(), 1..5),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (texts, replies): (Vec<_>, Vec<_>) = transactions.iter().map(|(to, by_data)| expected(to, *by_data)).unzip();
        let text = texts.concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len())).chain([0, text.len()]).collect();
        cuts.sort_unstable();
        let mut peer = greeted(Limits { errors: 100, ..Limits::default() });
        let said: String = cuts.windows(2).map(|cut| peer.say(&text[cut[0]..cut[1]])).collect();
        prop_assert_eq!(codes(&said), replies.concat().join(" "));
        let kept = transactions.iter().filter(|(to, _)| to.iter().any(|recipient| *recipient != UNKNOWN)).count();
        prop_assert_eq!(peer.stored.len(), kept);
    }
}

#[test]
fn a_session_that_ends_still_answers_each_recipient() {
    let mut peer = greeted(Limits::default());
    peer.store_is_slow = true;
    peer.say(format!("{MAIL}{FULL}{RCPT}BDAT 1 LAST\r\nx").repeat(Dialogue::MAX_PENDING_STORES));
    peer.dialogue.handle_cut();
    let replies: Vec<_> = (0..Dialogue::MAX_PENDING_STORES).map(|_| codes(&peer.answer_store())).collect();
    assert_eq!(replies, ["452 250 250 250 250", "452 250 250 250 250", "452 250 250 250 250", "452 250 421"]);
}
