//! Whole dialogues, without sockets and without waiting.

use std::time::Duration;

use bytes::BufMut as _;
use proptest::prelude::*;

use super::*;
use chrono::DateTime;

pub(super) const EHLO: &str = "EHLO pbx.example\r\n";
pub(super) const MAIL: &str = "MAIL FROM:<node@berlin.example>\r\n";
pub(super) const RCPT: &str = "RCPT TO:<201@vm.example>\r\n";

/// A peer and its dialogue. The directory has 201, 202 and +4930, and fails for 666; the store accepts every message.
pub(super) struct TestPeer {
    pub(super) dialogue: Dialogue,
    input: BytesMut,
    output: String,
    pub(super) stored: Vec<Delivery>,
    pub(super) lookups: usize,
    /// The number of memory steps that are free.
    memory_steps: usize,
    now: Instant,
    pub(super) tls_started: bool,
    /// The spilled bytes of the current message, if there is a place for them.
    spilled: Option<Vec<u8>>,
    /// Whether the peer may try to log in.
    pub(super) may_log_in: bool,
    /// Whether the store answers only in `answer`.
    pub(super) store_is_slow: bool,
    /// The number of messages that the store has answered for.
    pub(super) answered: usize,
    protocol: Protocol,
}

impl TestPeer {
    pub(super) fn with(policy: Policy) -> Self {
        let now = Instant::now();
        let protocol = policy.protocol;
        let dialogue = Dialogue::new(Arc::new(policy), Peer { address: Some([192, 0, 2, 7].into()), ..Peer::default() }, now);
        let (input, output, stored) = (BytesMut::new(), String::new(), Vec::new());
        let mut peer = Self {
            dialogue,
            input,
            output,
            stored,
            lookups: 0,
            memory_steps: usize::MAX,
            now,
            tls_started: false,
            spilled: Some(Vec::new()),
            may_log_in: true,
            store_is_slow: false,
            answered: 0,
            protocol,
        };
        peer.dialogue.handle_time(now);
        assert_eq!(peer.replies(), format!("220 vm1.example {}\r\n", protocol.name()));
        peer
    }

    fn new() -> Self {
        Self::with(policy(Limits::default()))
    }

    pub(super) fn greeted(limits: Limits) -> Self {
        let mut peer = Self::with(policy(limits));
        assert!(peer.say(EHLO).starts_with("250-vm1.example\r\n"));
        peer
    }

    /// Sends `text` at once; returns all replies to it.
    pub(super) fn say(&mut self, text: impl AsRef<[u8]>) -> String {
        self.input.extend_from_slice(text.as_ref());
        self.go_on();
        self.replies()
    }

    fn go_on(&mut self) {
        loop {
            self.dialogue.handle_input(&mut self.input, self.now);
            match self.dialogue.poll_action() {
                Some(Action::LookUp(recipient, _)) => {
                    self.lookups += 1;
                    let lookup = match &recipient {
                        Recipient::Postmaster | Recipient::ReturnPath(_) => Lookup::Found,
                        Recipient::NodeSender => Lookup::NotTaken(replies::NO_REPORTS),
                        Recipient::Mailbox(mailbox) => match mailbox.as_str() {
                            "201" | "202" | "+4930" => Lookup::Found,
                            "666" => Lookup::Failed,
                            _ => Lookup::NotFound,
                        },
                    };
                    self.dialogue.handle_lookup(lookup, self.now);
                }
                Some(Action::Reserve) if self.memory_steps == 0 => {
                    self.dialogue.handle_memory_grant(MemoryGrant::Denied, self.now);
                }
                Some(Action::Reserve) => {
                    self.memory_steps -= 1;
                    let at = "2025-03-30T00:59:40Z".parse().unwrap();
                    self.dialogue.handle_memory_grant(MemoryGrant::Granted { at }, self.now);
                }
                Some(Action::Spill(bytes)) => {
                    let spilled = match &mut self.spilled {
                        Some(spilled) => {
                            spilled.extend_from_slice(&bytes);
                            Spill::Done
                        }
                        None => Spill::NoPlace(bytes),
                    };
                    self.dialogue.handle_spill(spilled, self.now);
                }
                Some(Action::Store(mut delivery)) => {
                    // The message is compared as if it had never been spilled.
                    let spilled = self.spilled.as_mut().map(std::mem::take).unwrap_or_default();
                    assert_eq!(std::mem::take(&mut delivery.spilled), spilled.len());
                    let mail = [spilled, delivery.mail.to_vec()].concat();
                    self.stored.push(Delivery { mail: mail.into(), ..delivery });
                    if !self.store_is_slow {
                        self.answer();
                    }
                }
                Some(Action::PermitLogin) => {
                    let permit = if self.may_log_in {
                        LoginPermit::Granted { nonce: [7; Dialogue::NONCE_LEN] }
                    } else {
                        LoginPermit::Denied
                    };
                    self.dialogue.handle_login_permit(permit, self.now);
                }
                Some(Action::CheckLogin(attempt)) => {
                    self.dialogue.handle_login(attempt.check().map_or(LoginOutcome::Refused, LoginOutcome::Proven), self.now);
                }
                Some(Action::StartTls) => {
                    self.tls_started = true;
                    assert!(self.input.is_empty(), "bytes in plain text must not reach the dialogue under TLS");
                    self.dialogue.handle_tls(TlsVersion::V1_3, Origin::Unproven, self.now);
                }
                Some(Action::Close) | None => return,
            }
        }
    }

    /// The store answers for the oldest message that is being stored.
    pub(super) fn answer(&mut self) {
        self.answered += 1;
        if self.protocol == Protocol::Lmtp {
            return self.answer_each();
        }
        self.dialogue.handle_stored(&Reply::with_status(250, "2.0.0", format_args!("kept {}", self.answered)), self.now);
    }

    /// The store answers for each recipient of the message: the mailbox 202 is full.
    fn answer_each(&mut self) {
        let delivery = &self.stored[self.answered - 1];
        let mut replies: Vec<_> = delivery
            .mailboxes
            .iter()
            .map(|mailbox| match mailbox.as_str() {
                "202" => Reply::with_status(452, "4.2.2", "202 full"),
                _ => Reply::with_status(250, "2.1.5", format_args!("{mailbox} kept {}", self.answered)),
            })
            .collect();
        if delivery.postmaster {
            replies.push(Reply::with_status(250, "2.0.0", format_args!("postmaster kept {}", self.answered)));
        }
        self.dialogue.handle_stored_each(&replies, self.now);
    }

    /// The store answers for the oldest message that is being stored; returns all replies.
    pub(super) fn answer_store(&mut self) -> String {
        self.answer();
        self.go_on();
        self.replies()
    }

    pub(super) fn replies(&mut self) -> String {
        while let Some(output) = self.dialogue.poll_output() {
            self.output.push_str(std::str::from_utf8(&output).unwrap());
        }
        std::mem::take(&mut self.output)
    }

    pub(super) fn pass(&mut self, time: Duration) -> String {
        self.now += time;
        self.dialogue.handle_time(self.now);
        self.replies()
    }

    /// Sends `text` at once; returns the codes of the replies, such as `250 354`.
    pub(super) fn codes(&mut self, text: impl AsRef<[u8]>) -> String {
        codes(&self.say(text))
    }

    /// Returns the last message stored, without the trace.
    fn message(&self) -> String {
        let mail = String::from_utf8(self.stored.last().unwrap().mail.to_vec()).unwrap();
        let (_, message) = mail.split_once("+0000\r\n").unwrap();
        message.to_owned()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.dialogue.is_closed()
    }
}

pub(super) fn policy(limits: Limits) -> Policy {
    Policy {
        node: "vm1.example".into(),
        domain: "vm.example".into(),
        protocol: Protocol::Smtp,
        has_postmaster: true,
        offers_tls: true,
        offers_binary: true,
        offers_reports: true,
        is_final: true,
        limits,
        access: Access::anyone_anywhere(),
    }
}

pub(super) fn codes(replies: &str) -> String {
    let last_lines = replies.lines().filter(|line| line.as_bytes()[3] == b' ');
    last_lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_message_is_taken_step_by_step() {
    let mut peer = TestPeer::new();
    for (said, reply) in [
        (
            EHLO,
            "250-vm1.example\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250-STARTTLS\r\n\
             250-BINARYMIME\r\n250-DSN\r\n250-XVOICEMAIL-ONCE\r\n250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n",
        ),
        (MAIL, "250 2.1.0 sender ok\r\n"),
        (RCPT, "250 2.1.5 recipient ok\r\n"),
        ("DATA\r\n", "354 end with a dot on a line by itself\r\n"),
        ("Subject: x\r\n\r\n..y\r\n.\r\n", "250 2.0.0 kept 1\r\n"),
        ("QUIT\r\n", "221 2.0.0 bye\r\n"),
    ] {
        assert_eq!(peer.say(said), reply, "{said}");
    }
    assert!(peer.is_closed());
    let [delivery] = &peer.stored[..] else { panic!("{} messages", peer.stored.len()) };
    assert_eq!(
        delivery.mail,
        "Received: from pbx.example ([192.0.2.7])\r\n\tby vm1.example with ESMTP\r\n\tid 0000000000000000.1 for \
         <201@vm.example>;\r\n\tSun, 30 Mar 2025 00:59:40 +0000\r\nSubject: x\r\n\r\n.y\r\n"
    );
    assert_eq!(delivery.mailboxes, ["201".parse().unwrap()]);
    assert_eq!(delivery.origin, Origin::Unproven);
}

#[test]
fn a_session_sent_at_once_is_answered_in_order() {
    let mut peer = TestPeer::new();
    let session = format!(
        "{EHLO}{MAIL}{RCPT}RCPT TO:<9@vm.example>\r\nRCPT TO:<202@vm.example>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\nde{MAIL}{RCPT}DATA\r\n"
    );
    assert_eq!(peer.codes(session), "250 250 250 550 250 250 250 250 250 354");
    assert_eq!(peer.message(), "abcde");
    assert_eq!(peer.stored[0].mailboxes.len(), 2);
    assert!(!peer.stored[0].mail.windows(4).any(|window| window == b" for"), "a recipient does not learn of the others");
    assert_eq!(peer.codes("f\r\n.\r\nQUIT\r\n"), "250 221");
    assert_eq!(peer.message(), "f\r\n");
}

#[test]
fn a_command_out_of_sequence_is_refused_and_changes_nothing() {
    let with_chunk = format!("{MAIL}{RCPT}BDAT 1\r\nx");
    for (before, said, reply) in [
        ("", MAIL, "503 5.5.1"),
        ("", RCPT, "503 5.5.1"),
        ("", "DATA\r\n", "503 5.5.1"),
        ("", "BDAT 3 LAST\r\nabc", "503 5.5.1"),
        (EHLO, RCPT, "503 5.5.1"),
        (EHLO, "DATA\r\n", "503 5.5.1"),
        (EHLO, "BDAT 6\r\nQUIT\r\n", "503 5.5.1"),
        (&format!("{EHLO}{MAIL}"), MAIL, "503 5.5.1"),
        (&format!("{EHLO}{MAIL}"), "DATA\r\n", "554 5.5.1"),
        (&format!("{EHLO}{MAIL}"), "BDAT 3 LAST\r\nabc", "554 5.5.1"),
        (&format!("{EHLO}MAIL FROM:<> BODY=BINARYMIME\r\n{RCPT}"), "DATA\r\n", "503 5.5.1"),
        (&format!("{EHLO}{with_chunk}"), "DATA\r\n", "503 5.5.1"),
        (&format!("{EHLO}{with_chunk}"), "RCPT TO:<202@vm.example>\r\n", "503 5.5.1"),
        (&format!("{EHLO}{with_chunk}"), MAIL, "503 5.5.1"),
        (EHLO, "AUTH PLAIN AAAA\r\n", "502 5.5.1"),
        (EHLO, "XYZZY\r\n", "500 5.5.1"),
    ] {
        let mut peer = TestPeer::new();
        peer.say(before);
        let replies = peer.say(said);
        assert!(replies.starts_with(reply) && replies.lines().count() == 1, "{before} {said} {replies}");
        assert_eq!(peer.codes(format!("RSET\r\n{EHLO}{MAIL}{RCPT}BDAT 1 LAST\r\nx")), "250 250 250 250 250", "{said}");
    }
}

#[test]
fn ehlo_and_rset_abort_the_transaction() {
    for forget in ["RSET\r\n", EHLO, "HELO pbx.example\r\n"] {
        let mut peer = TestPeer::greeted(Limits::default());
        assert_eq!(peer.codes(format!("{MAIL}{RCPT}{forget}{RCPT}")), "250 250 250 503", "{forget}");
    }
}

#[test]
fn only_mailboxes_of_the_own_domain_are_accepted() {
    let mut peer = TestPeer::greeted(Limits::default());
    peer.say(MAIL);
    for (path, reply) in [
        ("201@VM.Example", "250 2.1.5"),
        ("\"+4930\"@vm.example", "250 2.1.5"),
        ("+4930@vm.example", "250 2.1.5"),
        ("Postmaster", "250 2.1.5"),
        ("postMASTER@vm.example", "250 2.1.5"),
        ("\"PostMaster\"@VM1.example", "250 2.1.5"),
        ("postmaster@other.example", "550 5.7.1"),
        ("VoiceMail@vm1.example", "550 5.7.1 this node sends from this address"),
        ("voicemail@vm.example", "550 5.1.1"),
        ("201@vm1.example", "550 5.7.1 this node takes"),
        ("202@vm.example", "250 2.1.5"),
        ("9@vm.example", "550 5.1.1"),
        ("alice@vm.example", "550 5.1.1"),
        ("vm+201@vm.example", "550 5.1.1"),
        ("201%other.example@vm.example", "550 5.1.1"),
        ("\"201@other.example\"@vm.example", "550 5.1.1"),
        ("other.example!201@vm.example", "550 5.1.1"),
        ("201@other.example", "550 5.7.1"),
        ("201@sub.vm.example", "550 5.7.1"),
        ("201@[192.0.2.1]", "550 5.7.1"),
        ("@vm.example:201@vm.example", "550 5.7.1"),
        ("201", "501 5.1.3"),
        ("", "501 5.1.3"),
        ("666@vm.example", "451 4.3.0"),
    ] {
        let replies = peer.say(format!("RCPT TO:<{path}>\r\n"));
        assert!(replies.starts_with(reply), "{path} {replies}");
    }
    assert_eq!(peer.lookups, 8, "a mailbox that was accepted is not looked up again");
    assert_eq!(peer.codes("BDAT 0 LAST\r\n"), "250");
    assert_eq!(peer.stored[0].mailboxes, ["201", "+4930", "202"].map(|mailbox| mailbox.parse().unwrap()));
    assert!(peer.stored[0].postmaster);
}

#[test]
fn a_node_without_postmaster_refuses_mail_to_it() {
    let mut peer = TestPeer::with(Policy { has_postmaster: false, ..policy(Limits::default()) });
    peer.say(format!("{EHLO}{MAIL}"));
    assert_eq!(peer.say("RCPT TO:<postmaster>\r\n"), "550 5.1.1 nobody reads mail to the postmaster of this voicemail node\r\n");
}

#[test]
fn the_postmaster_alone_is_recipient_enough() {
    for message in ["DATA\r\nx\r\n.\r\n", "BDAT 1 LAST\r\nx"] {
        let mut peer = TestPeer::greeted(Limits { recipients: 1, ..Limits::default() });
        assert_eq!(peer.codes("MAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\n"), "250 250");
        assert_eq!(peer.codes(RCPT), "452", "the postmaster counts");
        assert!(peer.say(message).ends_with("250 2.0.0 kept 1\r\n"));
        assert!(peer.stored[0].postmaster && peer.stored[0].mailboxes.is_empty());
    }
}

#[test]
fn the_null_sender_and_senders_without_domain_are_accepted() {
    for sender in ["", "pbx", "x@[10.1.1.5]", "\"a b\"@c"] {
        let mut peer = TestPeer::greeted(Limits::default());
        assert_eq!(peer.codes(format!("MAIL FROM:<{sender}>\r\n")), "250", "{sender}");
    }
}

#[test]
fn another_protocol_gets_one_reply_and_the_session_ends() {
    let http = format!("POST / HTTP/1.1\r\nHost: vm.example\r\n\r\n{EHLO}{MAIL}{RCPT}DATA\r\nx\r\n.\r\n");
    let long = format!("GET /{}", "x".repeat(5000));
    for (first, said) in [
        ("", http.as_str()),
        ("", "GET / HTTP/1.0\r\n"),
        ("", "put /x"),
        ("", long.as_str()),
        ("", "CONNECT vm.example:25 HTTP/1.1\r\n"),
        ("", "PRI * HTTP/2.0\r\n"),
        ("", "INVITE sip:201@vm.example SIP/2.0\r\n"),
        ("", "DESCRIBE rtsp://vm.example/ RTSP/1.0\r\n"),
        ("", "\x16\x03\x01\x02\0\x01"),
        ("", "\x16\x03\x01\r\n\0\x01"),
        ("", "SSH-2.0-OpenSSH_9.9\r\n"),
        (EHLO, "POST / HTTP/1.1\r\n"),
        (EHLO, "SUBSCRIBE sip:201@vm.example SIP/2.0\r\n"),
    ] {
        let mut peer = TestPeer::new();
        peer.say(first);
        assert_eq!(peer.say(said), "421 4.7.0 this is a mail server, and that was another protocol\r\n", "{said}");
        assert!(peer.is_closed() && peer.stored.is_empty(), "{said}");
    }
}

#[test]
fn three_unknown_commands_before_ehlo_end_the_session() {
    let mut peer = TestPeer::new();
    assert_eq!(peer.codes("Host: vm.example\r\nAccept: */*\r\n"), "500 500");
    assert_eq!(peer.say("\r\n"), "421 4.7.0 too many commands that are not known, and no EHLO\r\n");
    assert!(peer.is_closed());
    let mut peer = TestPeer::new();
    assert_eq!(peer.codes("HELLO x\r\nXYZZY\r\nEHLO x\r\nXYZZY\r\nPOSTE x\r\nXYZZY\r\nNOOP\r\n"), "500 500 250 500 500 500 250");
}

#[test]
fn a_command_that_arrives_in_drips_times_out_in_a_minute() {
    for name in ["x", "x".repeat(3000).as_str()] {
        let mut peer = TestPeer::new();
        assert_eq!(peer.pass(Duration::from_secs(200)), "", "no command has begun");
        for octet in format!("EHLO {name}").into_bytes().into_iter().take(59) {
            assert_eq!(peer.say([octet]) + &peer.pass(Duration::from_secs(1)), "");
        }
        peer.say(format!("EHLO {name}"));
        assert_eq!(peer.pass(Duration::from_secs(60)), "421 4.4.2 timed out\r\n");
    }
    let mut peer = TestPeer::new();
    for _ in 0..3 {
        assert_eq!(peer.say("NOO") + &peer.pass(Duration::from_secs(59)), "");
        assert_eq!(peer.codes("P\r\n"), "250", "each line has its own minute");
    }
}

#[test]
fn an_impossible_domain_neither_sends_nor_gets_mail() {
    for domain in ["b..c", ".b", "b.", "-b", "[300.1.1.1]", "[IPv6:1::2::3]", "[b]"] {
        let mut peer = TestPeer::greeted(Limits::default());
        assert!(peer.say(format!("MAIL FROM:<a@{domain}>\r\n")).starts_with("501 5.1.7"), "{domain}");
        assert_eq!(peer.codes(MAIL), "250");
        assert!(peer.say(format!("RCPT TO:<201@{domain}>\r\n")).starts_with("501 5.1.3"), "{domain}");
    }
    for sender in ["a@b_c.example", "a@[IPv6:2001:db8::1]", "a@[ipv6:::ffff:10.1.1.5]", "a@1.example"] {
        assert_eq!(TestPeer::greeted(Limits::default()).codes(format!("MAIL FROM:<{sender}>\r\n")), "250", "{sender}");
    }
}

#[test]
fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
    let limits = Limits { message: 100, ..Limits::default() };
    let mut peer = TestPeer::greeted(limits.clone());
    assert_eq!(peer.codes("MAIL FROM:<> SIZE=101\r\n"), "552");
    for number in ["100000000000000000000", "18446744073709551617", "184467440737095516161", "000000000000000000001"] {
        assert_eq!(peer.codes(format!("MAIL FROM:<> SIZE={number}\r\n")), "501", "{number}");
    }
    assert_eq!(peer.codes(format!("MAIL FROM:<> SIZE=100\r\n{RCPT}DATA\r\n")), "250 250 354");
    // The dot that dot stuffing adds does not count.
    let text = |len: usize| format!("..{}\r\n.\r\n", "x".repeat(len - 3));
    assert_eq!(peer.codes(text(100)), "250");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n{}NOOP\r\n", text(101))), "250 250 354 552 250");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 60\r\n{:60}BDAT 40 LAST\r\n{:40}", "", "")), "250 250 250 250");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 60\r\n{:60}BDAT 41 LAST\r\n{:41}NOOP\r\n", "", "")), "250 250 250 552 250");
    assert_eq!(peer.stored.len(), 2);
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 200\r\n{:200}NOOP\r\n", "")), "250 250 552 250");
    assert_eq!(peer.codes(format!("BDAT 201\r\n{:201}NOOP\r\n", "")), "552", "a peer that goes on for so long loses the session");
    assert!(peer.is_closed());
}

#[test]
fn every_chunk_of_a_refused_message_is_discarded() {
    let mut peer = TestPeer::greeted(Limits { message: 10, errors: 99, ..Limits::default() });
    let chunks = "BDAT 11\r\nQUIT\r\nQUIT\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\n";
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}{chunks}NOOP\r\n")), "250 250 552 552 552 250");
    assert_eq!(peer.codes(format!("{chunks}NOOP\r\n")), "503 503 503 250", "also without a transaction");
    assert_eq!(peer.codes(format!("{MAIL}{chunks}{MAIL}")), "250 554 554 554 250", "also without a recipient");
    assert!(peer.stored.is_empty());
}

#[test]
fn a_chunk_can_be_read_into_its_buffer_and_no_further() {
    let mut peer = TestPeer::greeted(Limits { message: 10, ..Limits::default() });
    assert!(peer.dialogue.poll_space().is_none());
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 5\r\nab")), "250 250");
    let mut space = peer.dialogue.poll_space().unwrap();
    assert_eq!(space.remaining_mut(), 3);
    space.put_slice(b"cde");
    peer.dialogue.handle_filled(3, peer.now);
    assert!(peer.dialogue.poll_space().is_none(), "the chunk is over");
    assert_eq!(peer.codes("BDAT 9 LAST\r\n"), "250");
    assert_eq!(peer.dialogue.poll_space().unwrap().remaining_mut(), 5, "no message grows past its limit");
    peer.dialogue.poll_space().unwrap().put_slice(b"fghij");
    peer.dialogue.handle_filled(5, peer.now);
    assert!(peer.dialogue.poll_space().is_none());
    assert_eq!(peer.codes("klmnNOOP\r\n"), "552 250");

    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\nx")), "250 250 354");
    assert!(peer.dialogue.poll_space().is_none(), "the end must be searched for");
    assert_eq!(peer.codes(format!("\r\n.\r\n{MAIL}{RCPT}BDAT 3 LAST\r\n")), "250 250 250");
    peer.dialogue.poll_space().unwrap().put_slice(b"xyz");
    peer.dialogue.handle_filled(3, peer.now);
    assert_eq!(peer.codes(""), "250");
    assert_eq!(peer.message(), "xyz");
}

#[test]
fn a_chunk_read_into_its_buffer_reserves_memory_in_time() {
    let mut peer = TestPeer::greeted(Limits::default());
    let size = Dialogue::MEMORY_STEP + 1;
    peer.say(format!("{MAIL}{RCPT}BDAT {size} LAST\r\n"));
    let mut filled = 0;
    while let Some(mut space) = peer.dialogue.poll_space() {
        let len = space.chunk_mut().len();
        space.put_bytes(b'x', len);
        peer.dialogue.handle_filled(len, peer.now);
        filled += len;
    }
    assert_eq!((filled, peer.dialogue.memory_steps()), (Dialogue::MEMORY_STEP, 1));
    assert_eq!(peer.codes("x"), "250");
    assert_eq!(peer.message().len(), size);
}

#[test]
fn a_chunk_of_unknown_length_ends_the_session() {
    let mut peer = TestPeer::greeted(Limits::default());
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 99999999999999999999 LAST\r\nQUIT\r\n")), "250 250 501");
    assert!(peer.is_closed());
}

#[test]
fn a_smuggled_end_is_no_end_and_the_message_is_refused() {
    for end in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r\n.\n"] {
        let mut peer = TestPeer::greeted(Limits::default());
        peer.say(format!("{MAIL}{RCPT}DATA\r\n"));
        let replies = peer.say(format!("x{end}{MAIL}{RCPT}DATA\r\ny\r\n.\r\nNOOP\r\n"));
        assert!(replies.starts_with("554 5.6.0") && codes(&replies) == "554 250", "{end:?} {replies}");
        assert!(peer.stored.is_empty());
    }
}

#[test]
fn a_line_may_be_as_long_as_its_limit_and_no_longer() {
    let mut peer = TestPeer::greeted(Limits { command_line: 64, text_line: 10, ..Limits::default() });
    assert_eq!(peer.codes(format!("NOOP {:57}\r\nNOOP {:58}\r\nNOOP\r\n", "", "")), "250 500 250");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n{:10}\r\n.\r\n", "")), "250 250 354 250");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n{:11}\r\n.\r\n", "")), "250 250 354 554");
    assert_eq!(peer.codes("x".repeat(64 * 16)), "");
    assert_eq!(peer.codes("x"), "500", "a peer that never ends a line loses the session");
    assert!(peer.is_closed());
}

#[test]
fn a_recipient_beyond_the_limit_is_deferred() {
    let mut peer = TestPeer::greeted(Limits { recipients: 2, ..Limits::default() });
    peer.say(format!("{MAIL}{RCPT}RCPT TO:<+4930@vm.example>\r\n"));
    assert!(peer.say("RCPT TO:<202@vm.example>\r\n").starts_with("452 4.5.3"));
    assert_eq!(peer.codes(format!("{RCPT}BDAT 1 LAST\r\nx")), "250 250");
    assert_eq!(peer.stored[0].mailboxes.len(), 2);
}

#[test]
fn errors_and_commands_are_limited() {
    let mut peer = TestPeer::greeted(Limits { errors: 3, ..Limits::default() });
    assert_eq!(peer.codes("X\r\nX\r\nNOOP\r\n"), "500 500 250");
    assert_eq!(peer.codes("X\r\nNOOP\r\n"), "500 421");
    assert!(peer.is_closed());

    let mut peer = TestPeer::greeted(Limits { commands: 4, ..Limits::default() });
    for _ in 0..3 {
        assert_eq!(peer.codes(format!("{MAIL}{RCPT}BDAT 1 LAST\r\nx")), "250 250 250", "a message begins a new count");
    }
    assert_eq!(peer.codes("NOOP\r\nNOOP\r\nNOOP\r\nNOOP\r\n"), "250 250 250 250");
    assert_eq!(peer.codes("NOOP\r\n"), "421");
}

#[test]
fn without_memory_a_message_is_deferred() {
    let mut peer = TestPeer::greeted(Limits::default());
    peer.memory_steps = 0;
    peer.say(format!("{MAIL}{RCPT}"));
    assert!(peer.say("DATA\r\n").starts_with("452 4.3.1"));
    assert_eq!(peer.codes("BDAT 5\r\nQUIT\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"), "452 452 250");
    peer.memory_steps = 2;
    let text = format!("{}\r\n", "x".repeat(1022)).repeat(1024);
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n{}.\r\n", &text[..Dialogue::MEMORY_STEP])), "250 250 354 250");
    assert_eq!(peer.dialogue.memory_steps(), 0);
    peer.memory_steps = 2;
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n{text}.\r\nNOOP\r\n")), "250 250 354 452 250");
    assert_eq!((peer.stored.len(), peer.dialogue.memory_steps()), (1, 0));
}

#[test]
fn a_peer_that_sends_before_the_greeting_is_refused() {
    let limits = Limits { greet_pause: Duration::from_secs(6), ..Limits::default() };
    let now = Instant::now();
    let mut dialogue = Dialogue::new(Arc::new(policy(limits)), Peer::default(), now);
    assert_eq!(dialogue.poll_timeout(), Some(now + Duration::from_secs(6)));
    dialogue.handle_time(now + Duration::from_secs(5));
    assert_eq!(dialogue.poll_output(), None);
    dialogue.handle_input(&mut BytesMut::from(EHLO), now);
    assert_eq!(codes(std::str::from_utf8(&dialogue.poll_output().unwrap()).unwrap()), "554");
    assert_eq!(dialogue.poll_action(), Some(Action::Close));
}

#[test]
fn starttls_forgets_name_and_transaction() {
    let mut peer = TestPeer::greeted(Limits::default());
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}STARTTLS\r\n")), "250 250 220");
    assert!(peer.tls_started);
    assert_eq!(peer.codes(format!("{RCPT}{MAIL}")), "503 503", "name and message are forgotten");
    assert!(!peer.say(EHLO).contains("STARTTLS"));
    assert_eq!(peer.codes("STARTTLS\r\n"), "503");
    peer.say(format!("{MAIL}{RCPT}BDAT 1 LAST\r\nx"));
    let mail = &peer.stored[0].mail;
    assert!(mail.windows(20).any(|window| window == b"with ESMTPS (TLS 1.3"), "{mail:?}");
}

#[test]
fn a_command_behind_starttls_is_not_executed() {
    let mut peer = TestPeer::greeted(Limits::default());
    assert_eq!(peer.codes("STARTTLS\r\nRSET\r\n"), "554");
    assert!(peer.is_closed() && !peer.tls_started);
}

#[test]
fn binary_bodies_are_refused_where_none_are_offered() {
    let mut peer = TestPeer::with(Policy { offers_binary: false, ..policy(Limits::default()) });
    assert!(!peer.say(EHLO).contains("BINARYMIME"));
    assert_eq!(peer.codes("MAIL FROM:<> BODY=BINARYMIME\r\nMAIL FROM:<> BODY=8BITMIME\r\n"), "555 250");
}

#[test]
fn starttls_is_refused_where_there_is_none() {
    let mut peer = TestPeer::with(Policy { offers_tls: false, ..policy(Limits::default()) });
    assert!(!peer.say(EHLO).contains("STARTTLS"));
    assert_eq!(peer.codes("STARTTLS\r\nSTARTTLS now\r\n"), "502 501");
}

#[test]
fn a_peer_that_is_silent_or_too_slow_times_out() {
    let minute = Duration::from_secs(60);
    let mut peer = TestPeer::greeted(Limits::default());
    peer.pass(4 * minute);
    assert_eq!(peer.say("NOO"), "");
    assert!(peer.pass(minute).starts_with("421 4.4.2"), "half a command extends no time limit");

    let mut peer = TestPeer::greeted(Limits { least_rate: 10, ..Limits::default() });
    peer.say(format!("{MAIL}{RCPT}DATA\r\n"));
    peer.pass(Duration::from_secs(50));
    peer.say("x".repeat(100));
    assert_eq!(peer.pass(Duration::from_secs(19)), "");
    assert!(peer.pass(Duration::from_secs(1)).starts_with("421 4.4.2"), "100 bytes take 10 seconds and a minute at most");

    let mut peer = TestPeer::greeted(Limits { least_rate: 10, ..Limits::default() });
    peer.say(format!("{MAIL}{RCPT}DATA\r\n{}", "x".repeat(100_000)));
    assert_eq!(peer.pass(Duration::from_secs(299)), "");
    assert!(peer.pass(Duration::from_secs(1)).starts_with("421 4.4.2"), "a pause has an end, however fast it was before");
}

#[test]
fn a_session_ends_even_if_the_peer_is_active() {
    let mut peer = TestPeer::greeted(Limits { session_time: Duration::from_secs(600), ..Limits::default() });
    for _ in 0..2 {
        assert_eq!(peer.pass(Duration::from_secs(299)), "");
        assert_eq!(peer.codes("NOOP\r\n"), "250");
    }
    assert_eq!(peer.dialogue.poll_timeout(), Some(peer.now + Duration::from_secs(2)));
    assert_eq!(codes(&peer.pass(Duration::from_secs(2))), "421");
}

#[test]
fn a_stop_waits_only_for_the_current_transaction() {
    let mut peer = TestPeer::greeted(Limits::default());
    peer.dialogue.handle_stop();
    assert!(peer.replies().starts_with("421 4.3.2"));
    assert!(peer.is_closed());

    for end in ["BDAT 1 LAST\r\nx", "RSET\r\n", "DATA\r\n.\r\n"] {
        let mut peer = TestPeer::greeted(Limits::default());
        peer.say(format!("{MAIL}{RCPT}"));
        peer.dialogue.handle_stop();
        assert_eq!(peer.replies(), "");
        let replies = peer.codes(end);
        assert!(replies.ends_with("250 421"), "{end} {replies}");
        assert!(peer.is_closed());
    }
}

#[test]
fn a_cut_aborts_half_a_message_and_answers_for_a_whole_one() {
    for half in ["", "NOO", "DATA\r\n", "DATA\r\nx", "BDAT 2\r\nx", "BDAT 2 LAST\r\nx"] {
        let mut peer = TestPeer::greeted(Limits::default());
        peer.say(format!("{MAIL}{RCPT}{half}"));
        peer.dialogue.handle_stop();
        peer.dialogue.handle_cut();
        assert_eq!(peer.replies(), "421 4.3.2 stopping, try again later\r\n", "{half}");
        assert!(peer.is_closed() && peer.stored.is_empty());
    }
    let mut peer = TestPeer::greeted(Limits::default());
    peer.store_is_slow = true;
    peer.say(format!("{MAIL}{RCPT}BDAT 1 LAST\r\nx{MAIL}{RCPT}BDAT 2 LAST\r\nx"));
    peer.dialogue.handle_cut();
    assert_eq!(codes(&peer.answer_store()), "250 250 250 421");
}

#[test]
fn an_answer_without_its_action_changes_nothing() {
    let mut peer = TestPeer::greeted(Limits::default());
    peer.dialogue.handle_lookup(Lookup::Found, peer.now);
    peer.dialogue.handle_memory_grant(MemoryGrant::Denied, peer.now);
    peer.dialogue.handle_stored(&replies::OK, peer.now);
    peer.dialogue.handle_tls(TlsVersion::V1_3, Origin::Unproven, peer.now);
    assert_eq!(peer.replies(), "");
    assert_eq!(peer.codes(format!("{MAIL}{RCPT}DATA\r\n")), "250 250 354");
    peer.dialogue.handle_stored(&replies::OK, peer.now);
    assert_eq!(peer.codes("x\r\n.\r\n"), "250");
}

#[test]
fn a_long_message_is_spilled_in_pieces_or_kept_in_memory() {
    let line = format!("{}\r\n", "x".repeat(98));
    let text = line.repeat(30_000);
    for (size, has_place) in [("", true), (" SIZE=3000000", true), (" SIZE=3000000", false), ("", false)] {
        for by_data in [true, false] {
            let mut peer = TestPeer::greeted(Limits::default());
            peer.spilled = has_place.then(Vec::new);
            peer.say(format!("MAIL FROM:<node@berlin.example>{size}\r\n{RCPT}"));
            let (begin, end) =
                if by_data { ("DATA\r\n".to_owned(), ".\r\n") } else { (format!("BDAT {} LAST\r\n", text.len()), "") };
            peer.say(begin);
            let mut most_room = 0;
            for piece in text.as_bytes().chunks(10_007) {
                peer.say(piece);
                most_room = most_room.max(peer.dialogue.memory_steps());
            }
            peer.say(end);
            assert_eq!(peer.answered, 1, "{size} {has_place} {by_data}");
            assert!(peer.stored[0].mail.ends_with(text.as_bytes()), "{size} {has_place} {by_data}");
            let steps = match (has_place, size) {
                (true, "") => 4,
                (true, _) => 1,
                (false, _) => 12,
            };
            assert_eq!(most_room, steps, "{size} {has_place} {by_data}");
        }
    }
}

/// Small limits, so that short inputs reach them.
pub(super) fn narrow() -> Limits {
    Limits { command_line: 64, text_line: 20, message: 120, recipients: 2, commands: 40, errors: 8, ..Limits::default() }
}

fn all_replies(pieces: &[&[u8]]) -> (String, Vec<Delivery>, bool) {
    let mut peer = TestPeer::with(policy(narrow()));
    let replies = pieces.iter().map(|piece| peer.say(piece)).collect();
    (replies, std::mem::take(&mut peer.stored), peer.is_closed())
}

#[test]
fn a_dialogue_split_anywhere_gets_the_same_replies() {
    let long = format!("NOOP {:70}\r\n", "");
    let dialogue = format!(
        "{EHLO}{MAIL}RCPT TO:<9@vm.example>\r\n{RCPT}DATA\r\n..a\r\n.b\r\n\r\n.\r\n{long}NOOP\rX\r\n{MAIL}{RCPT}BDAT 7\r\n\r\n.\r\n\r\n\
         BDAT 0 LAST\r\n{MAIL}{RCPT}BDAT 130\r\n{:130}BDAT 2 LAST\r\n\r\n{MAIL}{RCPT}DATA\r\nx\n.\n\r\n.\r\n{MAIL}{RCPT}DATA\r\n{:200}\r\n.\r\nQUIT\r\n",
        "", ""
    );
    let bytes = dialogue.as_bytes();
    let whole = all_replies(&[bytes]);
    assert!(whole.2 && whole.0.ends_with("221 2.0.0 bye\r\n") && whole.1.len() == 2, "{}", whole.0);
    for cut in 0..bytes.len() {
        assert_eq!(all_replies(&[&bytes[..cut], &bytes[cut..]]), whole, "cut at {cut}");
    }
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(all_replies(&single), whole);
}

pub(super) fn piece() -> impl Strategy<Value = Vec<u8>> {
    let known = prop::sample::select(vec![
        EHLO,
        MAIL,
        RCPT,
        "DATA\r\n",
        "BDAT 5\r\n",
        "BDAT 3 LAST\r\n",
        "BDAT 200\r\n",
        "\r\n.\r\n",
        ".\r\n",
        "..",
        "\r",
        "\n",
        "RSET\r\n",
        "NOOP\r\n",
        "abc",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "RCPT TO:<666@vm.example>\r\n",
        "VRFY x\r\n",
        "AUTH PLAIN\r\n",
        "AUTH LOGIN YQ==\r\n",
        "AGEAYg==\r\n",
        "*\r\n",
        "HELO y\r\n",
        "MAIL FROM:<",
    ]);
    prop_oneof![8 => known.prop_map(|text| text.as_bytes().to_vec()), 1 => prop::collection::vec(any::<u8>(), 0..30)]
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_get_the_same_replies(
        pieces in prop::collection::vec(piece(), 0..40),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let bytes = pieces.concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let cut_up: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(all_replies(&cut_up), all_replies(&[&bytes]));
    }

    #[test]
    fn any_calls_in_any_order_do_not_panic(calls in prop::collection::vec((0..11_u8, piece()), 0..60)) {
        let now = Instant::now();
        let mut dialogue = Dialogue::new(Arc::new(policy(narrow())), Peer::default(), now);
        let mut input = BytesMut::new();
        for (what, bytes) in calls {
            match what {
                0 => dialogue.handle_lookup(Lookup::Found, now),
                1 => dialogue.handle_memory_grant(MemoryGrant::Granted { at: DateTime::UNIX_EPOCH }, now),
                2 => dialogue.handle_stored(&replies::OK, now),
                3 => drop(dialogue.poll_action()),
                8 => dialogue.handle_login_permit(LoginPermit::Granted { nonce: [7; Dialogue::NONCE_LEN] }, now),
                10 => dialogue.handle_cut(),
                9 => dialogue.handle_login(LoginOutcome::Refused, now),
                4 => dialogue.handle_time(dialogue.poll_timeout().unwrap_or(now)),
                5 => dialogue.handle_memory_grant(MemoryGrant::Denied, now),
                _ => {
                    input.extend_from_slice(&bytes);
                    dialogue.handle_input(&mut input, now);
                }
            }
            prop_assert!(!dialogue.is_closed() || dialogue.memory_steps() == 0);
        }
    }
}
