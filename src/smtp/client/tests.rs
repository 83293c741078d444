//! The client against replies given by hand, without sockets, clocks or tasks.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::due::CLOSING_REPLY_TIME;
use super::*;
use crate::smtp::BodyType;

const ALL: &str = "250-peer\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-ENHANCEDSTATUSCODES\r\n250 XVOICEMAIL-ONCE\r\n";

fn envelope(to: &[&str]) -> Envelope {
    let address = |text: &str| text.parse().unwrap();
    Envelope {
        from: Some(address("voicemail@edge.example")),
        to: to.iter().map(|to| address(to)).collect(),
        size: 5,
        body: BodyType::Text,
        report_id: None,
    }
}

/// A client, and the text that it sent; the content of a message is shown as `<number>`.
struct TestClient {
    client: Client,
    now: Instant,
    sent: String,
    events: Vec<Event>,
}

impl TestClient {
    fn new() -> Self {
        let now = Instant::now();
        let client = Client::new("edge.example", FirstLine::Greeting, OpeningGoal::Messages, Timeouts::default(), now);
        Self { client, now, sent: String::new(), events: Vec::new() }
    }

    /// A client that the server has sent this reply to EHLO.
    fn opened(reply: &str) -> (Self, Extensions) {
        let mut client_test = Self::new();
        client_test.receive("220 peer\r\n");
        client_test.receive(reply);
        assert_eq!(std::mem::take(&mut client_test.sent), "EHLO edge.example\r\n");
        let Some(Event::Opened(extensions)) = client_test.events.pop() else {
            panic!("it is not open: {:?}", client_test.events)
        };
        (client_test, extensions)
    }

    /// The server sends these bytes.
    fn receive(&mut self, bytes: &str) {
        self.client.handle_input(bytes.as_bytes(), self.now);
        self.settle();
    }

    fn send(&mut self, number: MessageNumber, extensions: Extensions) {
        self.client.send(number, envelope(&["2041@example.com"]), extensions, Pipelining::On, self.now);
        self.settle();
    }

    fn settle(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Bytes(bytes) => self.sent.push_str(str::from_utf8(&bytes).unwrap()),
                Output::Body(number, _) => {
                    self.sent.extend(["<", &number.to_string(), ">"]);
                    self.client.handle_body_sent(number, self.now);
                }
            }
        }
        self.client.handle_sent(true, self.now);
        self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
    }

    /// Returns the number of each message that ended, and whether it was accepted.
    fn ended(&self) -> Vec<(MessageNumber, bool)> {
        let ended = |event: &Event| match event {
            Event::Done(number, ended) => {
                Some((*number, matches!(&ended.outcomes, Ok(outcomes) if outcomes == &[Outcome::Accepted])))
            }
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }
}

const ENVELOPE: &str = "MAIL FROM:<voicemail@edge.example>\r\nRCPT TO:<2041@example.com>\r\n";
const TAKEN: &str = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.6.0 kept\r\n";

#[test]
fn the_second_message_is_sent_while_the_first_is_unanswered() {
    let (mut client_test, extensions) = TestClient::opened(ALL);
    client_test.send(1, extensions);
    client_test.send(2, extensions);
    assert_eq!(client_test.sent, format!("{ENVELOPE}BDAT 5 LAST\r\n<1>"), "nothing is known of its replies yet");
    client_test.receive(TAKEN);
    client_test.send(3, extensions);
    let two = format!("{ENVELOPE}BDAT 5 LAST\r\n<2>RSET\r\n{ENVELOPE}BDAT 5 LAST\r\n<3>");
    assert_eq!(client_test.sent, format!("{ENVELOPE}BDAT 5 LAST\r\n<1>{two}"));
    client_test.receive(&format!("{TAKEN}250 2.0.0 reset\r\n{TAKEN}"));
    assert_eq!(client_test.ended(), [(1, true), (2, true), (3, true)]);
    assert!(client_test.client.is_idle() && client_test.client.poll_timeout().is_none());
}

#[test]
fn later_messages_give_an_unanswered_one_no_more_time() {
    let (mut client_test, extensions) = TestClient::opened(ALL);
    client_test.send(1, extensions);
    client_test.receive(TAKEN);
    client_test.send(2, extensions);
    let due = client_test.client.poll_timeout().unwrap();
    client_test.now += Duration::from_secs(20);
    client_test.send(3, extensions);
    assert_eq!(client_test.client.poll_timeout(), Some(due));
    client_test.client.handle_timeout(due);
    client_test.settle();
    assert!(
        !client_test.client.is_open() && client_test.ended() == [(1, true), (2, false), (3, false)],
        "{:?}",
        client_test.events
    );
}

#[test]
fn replies_may_come_in_any_pieces() {
    let replies = format!("{TAKEN}250 2.0.0 reset\r\n550 5.7.1 no\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n");
    for cut in 0..=replies.len() {
        let (mut client_test, extensions) = TestClient::opened(ALL);
        client_test.send(1, extensions);
        client_test.receive(TAKEN);
        client_test.send(2, extensions);
        client_test.send(3, extensions);
        client_test.receive(&replies[..cut]);
        client_test.receive(&replies[cut..]);
        assert_eq!(client_test.ended(), [(1, true), (2, true), (3, false)], "cut at {cut}");
        assert!(client_test.client.is_open());
    }
}

#[test]
fn a_reply_before_its_command_ends_the_connection() {
    let (mut client_test, extensions) = TestClient::opened("250 peer\r\n");
    client_test.send(1, extensions);
    // The second answers a RCPT that was not sent.
    client_test.receive("250 ok\r\n250 ok\r\n");
    assert!(!client_test.client.is_open() && client_test.ended() == [(1, false)], "{:?}", client_test.events);
}

#[test]
fn only_221_after_quit_confirms_a_reply_that_may_be_late() {
    for (last, accepted) in [("221 2.0.0 bye\r\n", true), ("250 2.0.0 kept\r\n221 2.0.0 bye\r\n", false), ("", false)] {
        let (mut client_test, extensions) = TestClient::opened(ALL);
        client_test.send(1, extensions);
        client_test.receive("250 2.0.0 ok\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n");
        assert!(client_test.sent.ends_with("<1>QUIT\r\n") && client_test.ended().is_empty());
        client_test.receive(last);
        client_test.client.handle_end("the end");
        client_test.settle();
        assert_eq!(client_test.ended(), [(1, accepted)], "{last:?}");
    }
}

#[test]
fn acceptance_before_the_message_was_sent_is_none() {
    let (mut client_test, extensions) = TestClient::opened(ALL);
    client_test.client.send(1, envelope(&["2041@example.com"]), extensions, Pipelining::On, client_test.now);
    while client_test.client.poll_output().is_some() {}
    client_test.client.handle_input(TAKEN.as_bytes(), client_test.now);
    client_test.settle();
    assert_eq!(client_test.ended(), [(1, false)]);
}

#[test]
fn a_server_that_ends_the_connection_may_say_why() {
    let (mut client_test, extensions) = TestClient::opened(ALL);
    client_test.client.send(1, envelope(&["2041@example.com"]), extensions, Pipelining::On, client_test.now);
    while client_test.client.poll_output().is_some() {}
    client_test.client.handle_write_failure("broken pipe", client_test.now);
    client_test.client.handle_input(b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n552 5.3.4 too big\r\n", client_test.now);
    client_test.settle();
    let Some(Event::Done(1, SendResult { outcomes: Ok(outcomes), .. })) = client_test.events.first() else {
        panic!("{:?}", client_test.events)
    };
    assert!(matches!(&outcomes[..], [Outcome::Refused(reply)] if reply.code == 552), "{outcomes:?}");

    let (mut client_test, extensions) = TestClient::opened(ALL);
    client_test.send(1, extensions);
    client_test.client.handle_write_failure("broken pipe", client_test.now);
    let due = client_test.client.poll_timeout().unwrap();
    assert_eq!(due, client_test.now + CLOSING_REPLY_TIME);
    client_test.client.handle_timeout(due);
    client_test.settle();
    assert_eq!(client_test.ended(), [(1, false)]);
}

/// Returns the outcome of BDAT for the only message that ended.
fn bdat_outcome(client_test: &TestClient) -> BdatOutcome {
    let outcomes: Vec<_> = client_test
        .events
        .iter()
        .filter_map(|event| if let Event::Done(_, ended) = event { Some(ended.bdat) } else { None })
        .collect();
    assert_eq!(outcomes.len(), 1, "{:?}", client_test.events);
    outcomes[0]
}

/// Postfix and others delay the replies to pipelined commands, so that these are lost with the connection.
#[test]
fn a_server_that_closes_during_bdat_may_have_sent_no_reply() {
    for (heard, expected) in [
        ("", BdatOutcome::Broken),
        ("250 2.1.0 ok\r\n", BdatOutcome::Broken),
        ("250 2.1.0 ok\r\n250 2.1.5 ok\r\n", BdatOutcome::Broken),
        ("550 5.7.1 no\r\n", BdatOutcome::Unknown),
        ("250 2.1.0 ok\r\n550 5.1.1 no\r\n", BdatOutcome::Unknown),
    ] {
        let (mut client_test, extensions) = TestClient::opened(ALL);
        client_test.send(1, extensions);
        client_test.receive(heard);
        client_test.client.handle_end("the end");
        client_test.settle();
        assert_eq!(bdat_outcome(&client_test), expected, "{heard:?}");
    }
}

#[test]
fn no_message_follows_one_that_is_read_as_commands() {
    for envelope in ["250 2.1.0 ok\r\n550 5.1.1 no\r\n", "451 4.3.0 no\r\n503 5.5.1 no\r\n", "550 5.7.1 no\r\n503 5.5.1 no\r\n"] {
        let (mut client_test, extensions) = TestClient::opened(ALL);
        client_test.send(1, extensions);
        client_test.receive(&format!("{envelope}502 5.5.1 BDAT is not known\r\n"));
        assert_eq!(bdat_outcome(&client_test), BdatOutcome::NotImplemented, "{envelope:?}");
        assert!(client_test.client.is_closed(), "{envelope:?}");
    }
}

proptest! {
    #[test]
    fn every_message_ends_once_for_any_replies_of_a_server(
        replies in vec(prop_oneof![
            Just("250 ok\r\n"), Just("250 2.1.0 ok\r\n"), Just("250 2.1.5 ok\r\n"), Just("250 2.6.0 ok\r\n"), Just("354 go\r\n"),
            Just("451 later\r\n"), Just("550 no\r\n"), Just("502 what\r\n"), Just("421 bye\r\n"), Just("221 bye\r\n"), Just("25"), Just("x\r\n"),
        ], 0..40),
        offers in prop_oneof![
            Just(ALL), Just("250 peer\r\n"), Just("250-peer\r\n250 PIPELINING\r\n"), Just("250-peer\r\n250-CHUNKING\r\n250 ENHANCEDSTATUSCODES\r\n"),
        ],
        abandoned in 0..5u64,
    ) {
        let (mut client_test, extensions) = TestClient::opened(offers);
        (1..=4).for_each(|number| client_test.send(number, extensions));
        client_test.client.abandon(abandoned);
        for reply in replies {
            client_test.receive(reply);
        }
        // The client waits for a reply, or everything has ended.
        prop_assert!(client_test.client.poll_timeout().is_some() || client_test.client.is_closed() || client_test.client.is_idle());
        client_test.client.handle_end("the end");
        client_test.settle();
        let mut numbers: Vec<MessageNumber> = client_test.ended().into_iter().map(|(number, _)| number).collect();
        numbers.sort_unstable();
        let expected: Vec<MessageNumber> = (1..=4).filter(|number| *number != abandoned || numbers.contains(number)).collect();
        prop_assert_eq!(numbers, expected);
    }
}

#[test]
fn delivery_reports_are_asked_for_where_they_are_offered() {
    let mut envelope = envelope(&["+493023@vm.example"]);
    envelope.report_id = Some(crate::message::MessageId::from_bytes([7; 16]));
    let dsn = Extensions::read("name\nDSN\nSIZE".lines(), "");
    let id = "07".repeat(16);
    assert_eq!(envelope.mail_command(dsn), format!("MAIL FROM:<voicemail@edge.example> SIZE=5 RET=HDRS ENVID={id}\r\n"));
    assert_eq!(
        envelope.recipient_command(0, dsn),
        "RCPT TO:<+493023@vm.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;+2B493023@vm.example\r\n"
    );
    let plain = Extensions::default();
    assert_eq!(envelope.mail_command(plain), "MAIL FROM:<voicemail@edge.example>\r\n");
    assert_eq!(envelope.recipient_command(0, plain), "RCPT TO:<+493023@vm.example>\r\n");
}
