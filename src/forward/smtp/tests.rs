//! The SMTP forwarder and a peer that fails at every step: the answer is true, every call ends, and the next message gets through.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::peer::{Capabilities, Fault, ScriptedPeer, Step};
use super::{Security, SetupError, SmtpForwarder, SmtpForwarderBuilder, Timeouts};
use crate::conformance::forward::{Fixture, PeerBehaviour, run_all};
use crate::event::{Event, Events};
use crate::forward::{Acceptance, ForwardError, Forwarder, MailOut, Outcome, Sender, TransportSecurity};
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, MailAddress, MailboxId, Message, RecordedAt};
use crate::wire::{Addresses, TransferEncoding, encode};

mod login;
mod peer;
mod reading;
mod replies;
mod submission;
mod tls;
mod window;

/// The extensions that peers offer, from all to none; a peer without extensions rejects EHLO.
const EXTENSION_SETS: [&[&str]; 7] = [
    &["PIPELINING", "CHUNKING", "BINARYMIME", "ENHANCEDSTATUSCODES", "SIZE 10000000", "XVOICEMAIL-ONCE"],
    &["PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"],
    &["PIPELINING", "CHUNKING", "SIZE 10000000"],
    &["PIPELINING", "SIZE"],
    &["CHUNKING"],
    &["CHUNKING", "ENHANCEDSTATUSCODES"],
    &[],
];

const ALL_EXTENSIONS: &[&str] = EXTENSION_SETS[0];

fn builder(peer: &ScriptedPeer) -> SmtpForwarderBuilder {
    SmtpForwarder::builder("central.example:25", "example.com").node("edge.example").dial(peer.clone())
}

fn in_plain_text(peer: &ScriptedPeer) -> SmtpForwarder {
    builder(peer).security(Security::PlainText).build().unwrap()
}

fn message() -> Message {
    message_of(20_000)
}

fn message_of(bytes: usize) -> Message {
    let instant = "2025-03-30T00:59:40Z".parse().unwrap();
    let quality = ClockQuality::unknown(ClockSource::System);
    let recorded_at = RecordedAt { instant, zone: chrono_tz::Europe::London, quality };
    let sound: Vec<u8> = b"\r\n.\r\n..".iter().copied().cycle().take(bytes).collect();
    Message::builder(Audio::new(AudioType::Wav, sound), recorded_at).length(Duration::from_secs(1)).build()
}

fn mailboxes(numbers: &[&str]) -> Vec<MailboxId> {
    numbers.iter().map(|number| number.parse().unwrap()).collect()
}

async fn send(forwarder: &SmtpForwarder, message: &Message) -> Result<Outcome, ForwardError> {
    let mut acceptance = forwarder.forward(message, &mailboxes(&["2041"])).await?;
    assert_eq!(acceptance.outcomes.len(), 1);
    Ok(acceptance.outcomes.remove(0))
}

async fn sent(forwarder: &SmtpForwarder, numbers: &[&str]) -> Acceptance {
    forwarder.forward(&message(), &mailboxes(numbers)).await.unwrap()
}

/// Whether a message is sent by BDAT.
fn goes_by_block(keywords: &[&str]) -> bool {
    keywords.contains(&"CHUNKING") && keywords.contains(&"ENHANCEDSTATUSCODES")
}

/// The kinds of results of a call.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Accepted,
    Transient,
    Final,
}

fn end(answer: &Result<Outcome, ForwardError>) -> End {
    match answer {
        Ok(Outcome::Accepted | Outcome::Relayed) => End::Accepted,
        Ok(Outcome::Deferred(_)) => End::Transient,
        Err(error) if error.is_transient() => End::Transient,
        Ok(Outcome::Refused(_)) | Err(_) => End::Final,
    }
}

#[tokio::test(start_paused = true)]
async fn after_any_fault_the_result_is_true_and_the_next_call_works() {
    const FAULTS: [Fault; 9] = [
        Fault::Drop,
        Fault::Stall,
        Fault::Say("450 4.0.0 later\r\n"),
        Fault::Say("550 5.0.0 never\r\n"),
        Fault::SayAndDrop("421 4.3.2 closing\r\n"),
        Fault::Say("nonsense\r\n"),
        Fault::Say("199 what\r\n"),
        Fault::SayAndDrop("25"),
        Fault::Twice,
    ];
    const STEPS: [Step; 10] = [
        Step::Connect,
        Step::Banner,
        Step::Ehlo,
        Step::Mail,
        Step::Rcpt,
        Step::Data,
        Step::MidBody,
        Step::BodyEnd,
        Step::Kept,
        Step::Idle,
    ];
    for keywords in EXTENSION_SETS {
        for step in STEPS {
            for fault in FAULTS {
                let case = format!("{fault:?} at {step:?}, offering {keywords:?}");
                let peer = ScriptedPeer::offering(keywords);
                let forwarder = in_plain_text(&peer);
                peer.fail(step, fault);

                let began = Instant::now();
                let message = message();
                let answer = send(&forwarder, &reading::left_elsewhere(&message, u64::MAX)).await;
                if goes_by_block(keywords) && step == Step::Data {
                    assert_eq!(end(&answer), End::Accepted, "{case}: DATA is not said");
                    continue;
                }
                assert!(peer.has_failed(), "{case}: it did not come to that");
                assert!(began.elapsed() < Duration::from_secs(600), "{case}: took {:?}", began.elapsed());
                let kept = !peer.kept("2041").is_empty();
                assert!(kept || end(&answer) != End::Accepted, "{case}: accepted, and not kept");
                let expected = expected(step, fault);
                assert!(expected.contains(&end(&answer)), "{case}: {answer:?} is none of {expected:?}");

                let again = send(&forwarder, &message).await;
                assert_eq!(end(&again), End::Accepted, "{case}: then {again:?}");
                assert_eq!(peer.kept("2041").last().unwrap().audio(), message.audio(), "{case}");
            }
        }
    }
}

/// Returns the results that are true after this fault at this step.
fn expected(step: Step, fault: Fault) -> &'static [End] {
    match (step, fault) {
        // The message was accepted before the fault, or no reply is due there that could be doubled.
        (Step::Idle, _)
        | (Step::Kept | Step::MidBody | Step::BodyEnd, Fault::Twice)
        // A peer that rejects EHLO may support HELO.
        | (Step::Ehlo, Fault::Say("550 5.0.0 never\r\n")) => &[End::Accepted],
        // A second greeting is detected before the first command, or is taken for the next reply and is detected then.
        (_, Fault::Twice) => &[End::Transient, End::Accepted],
        (
            Step::Mail | Step::Rcpt | Step::Data | Step::MidBody | Step::BodyEnd | Step::Kept,
            Fault::Say("550 5.0.0 never\r\n"),
        ) => &[End::Final],
        _ => &[End::Transient],
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_refuses_the_node_may_serve_it_later() {
    for (step, said) in [(Step::Banner, "554 5.7.1 not you\r\n"), (Step::Mail, "530 5.7.0 log in first\r\n")] {
        let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
        peer.fail(step, Fault::Say(said));
        let error = send(&in_plain_text(&peer), &message()).await.unwrap_err();
        assert!(matches!(error, ForwardError::Unreachable { .. }), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_wait_names_its_step() {
    let steps = [
        (Step::Connect, "connection"),
        (Step::Banner, "greeting"),
        (Step::Ehlo, "EHLO"),
        (Step::Mail, "MAIL"),
        (Step::Rcpt, "RCPT"),
        (Step::Data, "DATA"),
        (Step::MidBody, "end of data"),
        (Step::BodyEnd, "end of data"),
    ];
    for (step, name) in steps {
        let peer = ScriptedPeer::offering(&[]);
        peer.fail(step, Fault::Stall);
        let error = send(&in_plain_text(&peer), &message()).await.unwrap_err();
        assert!(matches!(&error, ForwardError::TimedOut { step, .. } if *step == name), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_takes_one_round_trip_where_the_peer_allows_it() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = in_plain_text(&peer);
    sent(&forwarder, &["2041", "2042"]).await;
    sent(&forwarder, &["2041"]).await;
    assert_eq!(peer.connections(), 1);
    let heard = peer.heard();
    let verbs: Vec<&str> = heard.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(verbs, ["EHLO", "MAIL", "RCPT", "RCPT", "BDAT", "MAIL", "RCPT", "BDAT"]);
    assert!(heard[1].starts_with("MAIL FROM:<voicemail@edge.example> SIZE="), "{}", heard[1]);
    assert!(heard[1].ends_with(" BODY=BINARYMIME"), "{}", heard[1]);
    assert_eq!(heard[2], "RCPT TO:<2041@example.com>");
}

#[tokio::test(start_paused = true)]
async fn each_message_has_a_return_path_that_the_node_has_signed() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let paths = crate::smtp::ReturnPaths::new("edge.example", &[7; 32]);
    let forwarder =
        builder(&peer).security(Security::PlainText).return_paths(paths.clone(), crate::clock::SystemClock).build().unwrap();
    let message = message();
    assert_eq!(send(&forwarder, &message).await.unwrap(), Outcome::Accepted);
    let heard = peer.heard();
    let local =
        heard.iter().find_map(|line| line.strip_prefix("MAIL FROM:<")?.split_once("@edge.example>")).unwrap().0.to_owned();
    assert_eq!(paths.verify(&local, chrono::Utc::now()).unwrap().id, message.id());

    let (to, id) = ("4930@elsewhere.example".parse().unwrap(), crate::message::MessageId::random());
    let recipients = mailboxes(&["2041"]);
    let addresses = Addresses::new("edge.example", "example.com", &recipients);
    let mail = encode(&message, &addresses, TransferEncoding::Base64).to_bytes();
    assert_eq!(MailOut::send(&forwarder, Sender::Message(id), &to, &mail).await.unwrap(), Outcome::Accepted);
    let heard = peer.heard();
    let mut locals = heard.iter().filter_map(|line| Some(line.strip_prefix("MAIL FROM:<")?.split_once("@edge.example>")?.0));
    assert_eq!(paths.verify(locals.next_back().unwrap(), chrono::Utc::now()).unwrap().id, id);
}

#[tokio::test(start_paused = true)]
async fn one_recipients_refusal_costs_no_other_and_no_connection() {
    for keywords in EXTENSION_SETS {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = in_plain_text(&peer);
        let acceptance = sent(&forwarder, &["2043", "2041"]).await;
        assert!(matches!(&acceptance.outcomes[0], Outcome::Refused(reply) if reply.to_string().starts_with("550 5.1.1")));
        assert_eq!(acceptance.outcomes[1], Outcome::Accepted);

        let acceptance = sent(&forwarder, &["2043"]).await;
        assert!(matches!(acceptance.outcomes[..], [Outcome::Refused(_)]), "{acceptance:?}");
        assert_eq!(sent(&forwarder, &["2042"]).await.outcomes, [Outcome::Accepted]);
        assert_eq!(peer.connections(), 1, "offering {keywords:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_refused_is_asked_before_data_is_sent() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = in_plain_text(&peer);
    sent(&forwarder, &["2043"]).await;
    sent(&forwarder, &["2043"]).await;
    let blocks = peer.heard().iter().filter(|line| line.starts_with("BDAT")).count();
    assert_eq!(blocks, 1);
}

#[tokio::test(start_paused = true)]
async fn a_message_beyond_the_peers_limit_is_refused_unsent() {
    let peer = ScriptedPeer::offering(&["PIPELINING", "CHUNKING", "SIZE 5000"]);
    let forwarder = in_plain_text(&peer);
    let answer = send(&forwarder, &message()).await.unwrap();
    assert!(matches!(&answer, Outcome::Refused(reply) if reply.to_string().starts_with("552 5.3.4")), "{answer:?}");
    assert_eq!(send(&forwarder, &message_of(100)).await.unwrap(), Outcome::Accepted);
    assert_eq!(peer.heard().len(), 4, "{:?}", peer.heard());
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_harms_none_that_follow() {
    for keywords in EXTENSION_SETS {
        let mut polls = 0;
        loop {
            let peer = ScriptedPeer::offering(keywords);
            let forwarder = in_plain_text(&peer);
            sent(&forwarder, &["2042"]).await;
            if after_polls(&forwarder, polls).await {
                break;
            }
            let message = message();
            assert_eq!(send(&forwarder, &message).await.unwrap(), Outcome::Accepted, "after {polls} polls");
            assert!(peer.kept("2041").iter().any(|kept| kept.id() == message.id()), "after {polls} polls");
            polls += 1;
        }
        assert!(polls > 2, "offering {keywords:?}, a call takes more than {polls} polls");
    }
}

/// Polls a call this often and drops it; returns whether it had ended.
async fn after_polls(forwarder: &SmtpForwarder, mut polls: usize) -> bool {
    let (message, recipients) = (message_of(50_000), mailboxes(&["2041"]));
    let mut call = forwarder.forward(&message, &recipients);
    poll_fn(|cx| {
        if polls == 0 {
            return Poll::Ready(false);
        }
        polls -= 1;
        call.as_mut().poll(cx).map(|_| true)
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn connections_never_exceed_the_limit_and_every_call_is_served() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = builder(&peer).security(Security::PlainText).max_connections(2).build().unwrap();
    let message = message();
    let answers = futures::future::join_all((0..20).map(|_| send(&forwarder, &message))).await;
    assert!(answers.iter().all(|answer| end(answer) == End::Accepted), "{answers:?}");
    assert_eq!(peer.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_too_long_for_a_connection_times_out() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    peer.fail(Step::BodyEnd, Fault::Stall);
    let timeouts = Timeouts { queue: Duration::from_secs(20), ..Timeouts::default() };
    let forwarder = builder(&peer).security(Security::PlainText).max_connections(1).timeouts(timeouts).build().unwrap();
    let message = message();
    let (first, second) = futures::join!(send(&forwarder, &message), send(&forwarder, &message));
    assert!(matches!(first, Err(ForwardError::TimedOut { step: "end of data", .. })), "{first:?}");
    assert!(matches!(second, Err(ForwardError::TimedOut { step: "free connection", .. })), "{second:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_replaced_before_it_is_old() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = in_plain_text(&peer);
    for (pause, connections) in [(0, 1), (29, 1), (29, 1), (31, 2)] {
        tokio::time::advance(Duration::from_secs(pause)).await;
        send(&forwarder, &message()).await.unwrap();
        assert_eq!(peer.connections(), connections, "after {pause} s");
    }
    for _ in 0..20 {
        tokio::time::advance(Duration::from_secs(20)).await;
        send(&forwarder, &message()).await.unwrap();
    }
    assert_eq!(peer.connections(), 3, "none lives beyond five minutes");
    assert!(peer.heard().contains(&"QUIT".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_end_is_cut_off() {
    let line = "250-and so on and so on and so on\r\n";
    let endless: &'static str = Box::leak(line.repeat(20_000).into_boxed_str());
    let long: &'static str = Box::leak("2".repeat(200_000).into_boxed_str());
    for text in [endless, long] {
        for step in [Step::Banner, Step::Mail] {
            let peer = ScriptedPeer::offering(&[]);
            peer.fail(step, Fault::Say(text));
            let error = send(&in_plain_text(&peer), &message()).await.unwrap_err();
            assert!(matches!(error, ForwardError::Protocol { .. }), "{error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_is_kept_short_and_clean_for_an_operator() {
    let peer = ScriptedPeer::offering(&[]);
    let text: &'static str =
        Box::leak(format!("450-4.2.2 {}\r\n450 \u{1b}[31m{}\r\n", "a".repeat(400), "b".repeat(400)).into_boxed_str());
    peer.fail(Step::Rcpt, Fault::Say(text));
    let Outcome::Deferred(reply) = send(&in_plain_text(&peer), &message()).await.unwrap() else { panic!("450 is no refusal") };
    assert_eq!((reply.code, reply.text.chars().count()), (450, 512));
    assert!(reply.to_string().starts_with("450 4.2.2 aaa") && !reply.text.contains(char::is_control));
}

#[tokio::test(start_paused = true)]
async fn a_peer_without_ehlo_gets_helo() {
    let peer =
        ScriptedPeer::new(Capabilities { keywords: vec!["PIPELINING"], knows_ehlo: false, tls: None, implicit_tls: false });
    assert_eq!(send(&in_plain_text(&peer), &message()).await.unwrap(), Outcome::Accepted);
    assert_eq!(peer.heard()[..2], ["EHLO edge.example", "HELO edge.example"]);
}

#[tokio::test(start_paused = true)]
async fn too_many_recipients_for_one_transaction_are_sent_in_several() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let numbers: Vec<String> = (0..250).map(|number| (3000 + number).to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    let acceptance = sent(&in_plain_text(&peer), &numbers).await;
    assert_eq!(acceptance.outcomes, vec![Outcome::Accepted; 250]);
    assert_eq!(peer.heard().iter().filter(|line| line.starts_with("BDAT")).count(), 3);
    assert!(numbers.iter().all(|number| peer.kept(number).len() == 1));
}

#[tokio::test(start_paused = true)]
async fn a_later_group_that_fails_leaves_the_earlier_ones_accepted() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = in_plain_text(&peer);
    // The first group of 100 is accepted; the connection then ends, and the peer answers no new one.
    peer.fail(Step::Idle, Fault::Drop);
    peer.fail(Step::Connect, Fault::Drop);
    let numbers: Vec<String> = (0..101).map(|number| (3000 + number).to_string()).collect();
    let acceptance = sent(&forwarder, &numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(acceptance.outcomes[..100], vec![Outcome::Accepted; 100]);
    assert!(matches!(&acceptance.outcomes[100], Outcome::Deferred(reply) if reply.code == 0), "{:?}", acceptance.outcomes[100]);
}

#[tokio::test]
async fn it_works_over_tcp_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let forwarder = SmtpForwarder::builder(address, "example.com").security(Security::PlainText).build().unwrap();
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let message = message_of(2_000_000);
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(peer.clone().serve(Box::new(stream)));
        drop(listener);
    };
    let (answer, ()) = futures::join!(send(&forwarder, &message), serve);
    assert_eq!(answer.unwrap(), Outcome::Accepted);
    assert_eq!(peer.kept("2041")[0].audio(), message.audio());

    peer.fail(Step::Mail, Fault::Drop); // and nobody listens any more
    let error = send(&forwarder, &message).await.unwrap_err();
    assert!(matches!(error, ForwardError::Unreachable { .. }), "{error:?}");
}

#[test]
fn conflicting_choices_are_named_by_build() {
    let build = |peer: &str, domain: &str| SmtpForwarder::builder(peer, domain).security(Security::PlainText).build();
    for peer in ["central.example", "central.example:", ":25", "central.example:smtp", "a\r\nb:25"] {
        assert!(matches!(build(peer, "example.com"), Err(SetupError::Peer(_))), "{peer}");
    }
    for domain in ["", "exa mple", "example.com>\r\nRSET", "münchen.example"] {
        assert!(matches!(build("central.example:25", domain), Err(SetupError::Domain(_))), "{domain}");
    }
    for peer in ["central.example:25", "10.1.1.5:25", "[2001:db8::1]:25"] {
        assert!(build(peer, "example.com").is_ok() && build(peer, "[10.1.1.5]").is_ok(), "{peer}");
    }
    let builder = || SmtpForwarder::builder("central.example:25", "example.com");
    assert!(matches!(builder().build(), Err(SetupError::NoTrustedAuthority)));
    assert!(matches!(builder().ca_pem(b"no certificate").build(), Err(SetupError::Certificates(_))));
    let with_password = || builder().security(Security::PlainText);
    assert!(matches!(with_password().credentials("user", "secret").build(), Err(SetupError::PlainTextPassword)));
    let authority = rcgen::generate_simple_self_signed(["central.example".to_owned()]).unwrap().cert.pem();
    let forwarder = builder().ca_pem(authority.as_bytes()).credentials("user", "swordfish").build().unwrap();
    assert!(!format!("{forwarder:?}").contains("swordfish"));
}

/// A forwarder and its peer, for the tests of the contract.
struct OverPipes {
    peer: ScriptedPeer,
    forwarder: SmtpForwarder,
}

#[async_trait]
impl Fixture for OverPipes {
    fn forwarder(&self) -> &dyn Forwarder {
        &self.forwarder
    }

    async fn set_peer_behaviour(&self, next: PeerBehaviour) {
        match next {
            PeerBehaviour::Accepts => {}
            PeerBehaviour::LosesItsReply => self.peer.fail(Step::Kept, Fault::Drop),
            PeerBehaviour::NeverReplies => self.peer.fail(Step::BodyEnd, Fault::Stall),
        }
    }

    async fn stored(&self, mailbox: &MailboxId) -> Vec<Message> {
        self.peer.kept(mailbox.as_str())
    }

    fn transport_security(&self) -> TransportSecurity {
        TransportSecurity::PlainText
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_the_contract() {
    for keywords in EXTENSION_SETS {
        run_all(|| async {
            let peer = ScriptedPeer::offering(keywords);
            let forwarder = in_plain_text(&peer);
            OverPipes { peer, forwarder }
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn any_mail_goes_to_any_address_with_its_own_reverse_path() {
    for keywords in EXTENSION_SETS {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = in_plain_text(&peer);
        let recipients = mailboxes(&["2041"]);
        let addresses = Addresses::new("edge.example", "example.com", &recipients);
        let mail = encode(&message(), &addresses, TransferEncoding::Base64).to_bytes();
        let to: MailAddress = "4930@elsewhere.example".parse().unwrap();
        for sender in [Sender::Node, Sender::Null] {
            assert_eq!(MailOut::send(&forwarder, sender, &to, &mail).await.unwrap(), Outcome::Accepted, "{keywords:?}");
        }
        let heard = peer.heard().concat();
        for command in ["MAIL FROM:<voicemail@edge.example>", "MAIL FROM:<>", "RCPT TO:<4930@elsewhere.example>"] {
            assert!(heard.contains(command), "{command} in {heard}");
        }
    }
}
