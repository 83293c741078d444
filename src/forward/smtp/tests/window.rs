//! Several messages under way on one connection, to a peer that fails at every step, and on a path of 100 ms.

use std::io;
use std::sync::Arc;

use futures::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, duplex, split};
use tokio::sync::mpsc;
use tokio::time::{sleep, sleep_until};

use super::*;
use crate::directory::{Owner, StaticDirectory};
use crate::forward::smtp::dial::{ByteStream, Dial};
use crate::intake::{Intake, ListenMode};
use crate::store::{MemoryStore, MessageStore as _};

/// A forwarder whose one connection has carried a message, so that many can be under way on it.
async fn warm(peer: &ScriptedPeer) -> SmtpForwarder {
    let forwarder = builder(peer).security(Security::PlainText).max_connections(1).build().unwrap();
    sent(&forwarder, &["2042"]).await;
    forwarder
}

async fn send_all(forwarder: &SmtpForwarder, messages: &[Message]) -> Vec<Result<Outcome, ForwardError>> {
    join_all(messages.iter().map(|message| send(forwarder, message))).await
}

fn copies(peer: &ScriptedPeer, message: &Message) -> usize {
    peer.kept("2041").iter().filter(|kept| kept.id() == message.id() && kept.audio() == message.audio()).count()
}

#[tokio::test(start_paused = true)]
async fn any_fault_among_pipelined_messages_gives_each_a_true_answer() {
    let faults = [
        Fault::Drop,
        Fault::Stall,
        Fault::Say("450 4.0.0 later\r\n"),
        Fault::Say("550 5.0.0 never\r\n"),
        Fault::SayAndDrop("421 4.3.2 closing\r\n"),
        Fault::Say("nonsense\r\n"),
        FOUR_TOO_MANY,
        Fault::SayAndDrop("25"),
        Fault::Twice,
    ];
    for step in [Step::Mail, Step::Rcpt, Step::MidBody, Step::BodyEnd, Step::Kept, Step::Idle] {
        for fault in faults {
            if (step, fault) == (Step::BodyEnd, FOUR_TOO_MANY) {
                continue; // 250 for what is not kept is a lie, which nobody can tell
            }
            let case = format!("{fault:?} at {step:?}");
            let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
            let forwarder = warm(&peer).await;
            let messages: Vec<Message> = (0..6).map(|_| message()).collect();
            // The fault happens at the third message.
            peer.after(step, 2, fault);
            let answers = send_all(&forwarder, &messages).await;
            assert!(peer.has_failed(), "{case}: it did not come to that");
            for (message, answer) in messages.iter().zip(&answers) {
                assert!(copies(&peer, message) > 0 || end(answer) != End::Accepted, "{case}: accepted, and not kept");
            }
            let refused = answers.iter().filter(|answer| end(answer) == End::Final).count();
            assert!(refused <= 1, "{case}: one was refused, and not those beside it: {answers:?}");
            for (message, answer) in messages.iter().zip(&answers) {
                if end(answer) == End::Transient {
                    assert_eq!(end(&send(&forwarder, message).await), End::Accepted, "{case}");
                }
                assert!(copies(&peer, message) > 0 || end(answer) == End::Final, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_recipient_costs_none_beside_it_and_no_connection() {
    let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
    let forwarder = warm(&peer).await;
    let (message, known, unknown) = (message(), mailboxes(&["2041"]), mailboxes(&["2043"]));
    let calls = (0..9).map(|nth| forwarder.forward(&message, if nth % 3 == 1 { &unknown } else { &known }));
    for (nth, acceptance) in join_all(calls).await.into_iter().enumerate() {
        let outcomes = acceptance.unwrap().outcomes;
        assert_eq!(matches!(outcomes[..], [Outcome::Refused(_)]), nth % 3 == 1, "{nth}: {outcomes:?}");
    }
    assert_eq!((peer.connections(), copies(&peer, &message)), (1, 6));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_point_among_others_harms_none() {
    for polls in 0..40 {
        let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
        let forwarder = warm(&peer).await;
        let (before, after) = (message(), message());
        let dropped = after_polls(&forwarder, polls);
        let (first, _, last) = tokio::join!(send(&forwarder, &before), dropped, send(&forwarder, &after));
        for (message, answer) in [(&before, &first), (&after, &last)] {
            assert_eq!(end(answer), End::Accepted, "after {polls} polls: {answer:?}");
            assert!(copies(&peer, message) > 0, "after {polls} polls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_enhanced_codes_messages_are_not_pipelined() {
    let peer = ScriptedPeer::offering(&["PIPELINING", "CHUNKING", "SIZE"]);
    let forwarder = warm(&peer).await;
    let messages: Vec<Message> = (0..3).map(|_| message()).collect();
    assert!(send_all(&forwarder, &messages).await.iter().all(|answer| end(answer) == End::Accepted));
    // Each envelope is answered before the next one is sent, so none needs RSET for the one before.
    assert!(!peer.heard().iter().any(|line| line == "RSET"), "{:?}", peer.heard());
}

#[tokio::test(start_paused = true)]
async fn only_a_peer_that_stores_messages_once_gets_several() {
    for keywords in [ALL_EXTENSIONS, &["PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES"]] {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = warm(&peer).await;
        let messages: Vec<Message> = (0..3).map(|_| message()).collect();
        assert!(send_all(&forwarder, &messages).await.iter().all(|answer| end(answer) == End::Accepted));
        // A message that is sent while the reply to another is missing begins with RSET.
        let several = peer.heard().iter().any(|line| line == "RSET");
        assert_eq!(several, keywords.contains(&"XVOICEMAIL-ONCE"), "{:?}", peer.heard());
    }
}

#[tokio::test(start_paused = true)]
async fn calls_dropped_one_after_the_other_leave_no_call_waiting() {
    for _ in 0..20 {
        let peer = ScriptedPeer::offering(ALL_EXTENSIONS);
        let forwarder = warm(&peer).await;
        let (message, recipients, began) = (message(), mailboxes(&["2041"]), Instant::now());
        let mut calls: Vec<_> = (0..6).map(|_| forwarder.forward(&message, &recipients)).collect();
        for call in &mut calls {
            assert!(futures::poll!(call.as_mut()).is_pending());
        }
        // The call that moves the bytes is dropped, and so is the next one before it is polled.
        calls.truncate(1);
        assert_eq!(calls.remove(0).await.unwrap().outcomes, [Outcome::Accepted]);
        assert_eq!(began.elapsed(), Duration::ZERO, "no wait had to expire");
    }
}

const FOUR_TOO_MANY: Fault = Fault::Say("250 2.0.0 ok\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n250 2.0.0 ok\r\n");

/// A path to an intake with this delay and unlimited bandwidth.
#[derive(Debug, Clone)]
struct LongPath {
    intake: Intake,
    one_way: Duration,
}

#[async_trait]
impl Dial for LongPath {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        sleep(self.one_way * 2).await;
        let (client, near) = duplex(1024 * 1024);
        let (far, server) = duplex(1024 * 1024);
        let intake = self.intake.clone();
        tokio::spawn(async move { drop(intake.serve_stream(server, None, ListenMode::StartTls, std::future::pending()).await) });
        let ((near_read, near_write), (far_read, far_write)) = (split(near), split(far));
        tokio::spawn(carry(near_read, far_write, self.one_way));
        tokio::spawn(carry(far_read, near_write, self.one_way));
        Ok(Box::new(client))
    }
}

async fn carry(mut from: impl AsyncRead + Unpin + Send + 'static, mut to: impl AsyncWrite + Unpin, one_way: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut piece).await {
            if sender.send((Instant::now() + one_way, piece[..count].to_vec())).is_err() {
                return;
            }
        }
    });
    while let Some((due, piece)) = receiver.recv().await {
        sleep_until(due).await;
        if to.write_all(&piece).await.is_err() {
            return;
        }
    }
}

/// A store behind a path of 50 ms each way, and a forwarder with an open connection to it.
async fn far_away(connections: usize) -> (Arc<MemoryStore>, SmtpForwarder) {
    let store = Arc::new(MemoryStore::new(mailboxes(&["2041", "2042"])));
    let owner = |mailbox| (mailbox, Owner::new("london".parse().unwrap(), chrono_tz::Europe::London));
    let directory: StaticDirectory = mailboxes(&["2041", "2042"]).into_iter().map(owner).collect();
    let intake = Intake::builder("example.com", Arc::clone(&store), directory).build();
    let path = LongPath { intake, one_way: Duration::from_millis(50) };
    let forwarder = SmtpForwarder::builder("central.example:25", "example.com").node("edge.example").dial(path);
    let forwarder = forwarder.security(Security::PlainText).max_connections(connections).build().unwrap();
    sent(&forwarder, &["2042"]).await;
    (store, forwarder)
}

#[tokio::test(start_paused = true)]
async fn a_message_on_a_warm_connection_takes_exactly_one_round_trip() {
    let (_, forwarder) = far_away(1).await;
    let began = Instant::now();
    assert_eq!(end(&send(&forwarder, &message_of(100_000)).await), End::Accepted);
    assert_eq!(began.elapsed().as_millis(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_messages_on_a_path_of_100_ms_take_under_a_second() {
    let (store, forwarder) = far_away(1).await;
    let messages: Vec<Message> = (0..100).map(|_| message_of(100_000)).collect();
    let began = Instant::now();
    let answers = send_all(&forwarder, &messages).await;
    let took = began.elapsed();
    assert!(answers.iter().all(|answer| end(answer) == End::Accepted));
    assert_eq!(store.list(&"2041".parse().unwrap()).await.unwrap().len(), 100);
    assert!(took < Duration::from_secs(1), "{took:?}");
}
