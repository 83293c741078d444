//! A message can be followed from the end of the call to the lamp, at both nodes: each step is an event with its time, in a span with the
//! message's id. No trace contains the caller or the sound.

#![cfg(all(feature = "node", feature = "memory"))]
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;
#[path = "support/traces.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod traces;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::Instant;

use support::{CENTRAL, HIMALAYA, mailbox, network, node, run, server_config, site, soon, wav};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use voicemail::audio::{Format, Wav};
use voicemail::disk::{FaultyDisk, InjectedFault, Operation, OsDisk};
use voicemail::event::{Event, Events, Occurrence};
use voicemail::forward::{ForwardError, MemoryForwarder, Script, SmtpForwarder};
use voicemail::intake::ListenMode;
use voicemail::message::{Caller, CallerName, MessageId};
use voicemail::mwi::ChannelSink;
use voicemail::node::Node;
use voicemail::record::CallFacts;
use voicemail::store::{MaildirStore, MemoryStore};

/// A distributed node and its central one, with TLS between them, and the events of each.
struct Pair {
    distributed: Node,
    at_distributed: broadcast::Receiver<Occurrence>,
    at_central: broadcast::Receiver<Occurrence>,
    running: [support::Running; 2],
    _folder: TempDir,
}

impl Pair {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed([CENTRAL.to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = listener.local_addr().unwrap().to_string();
        let store = MaildirStore::builder(folder.path().join("store")).directory(std::sync::Arc::new(network().directory()));
        let (sink, mut lamps) = ChannelSink::new(64);
        tokio::spawn(async move { while lamps.recv().await.is_some() {} });
        let central = node(CENTRAL, folder.path()).store(store.open().await.unwrap()).sink(sink).tls(server_config(&made));
        let central = central.listen(listener, ListenMode::StartTls).open().await.unwrap();

        let events = Events::new();
        let forwarder = SmtpForwarder::builder(peer, "voicemail.example").node(HIMALAYA).server_name(CENTRAL);
        let forwarder = forwarder.ca_pem(made.cert.pem().as_bytes()).events(events.clone()).build().unwrap();
        let distributed = node(HIMALAYA, folder.path()).forwarder(forwarder).events(events).open().await.unwrap();
        let (at_distributed, at_central) = (distributed.events(), central.events());
        let running = [run(&distributed), run(&central)];
        Self { distributed, at_distributed, at_central, running, _folder: folder }
    }

    async fn stop(self) {
        for running in self.running {
            running.stop().await;
        }
    }
}

/// Returns the steps of one message with their times, up to the step `last`.
async fn steps_of(events: &mut broadcast::Receiver<Occurrence>, id: MessageId, last: &str) -> Vec<(&'static str, Instant)> {
    let mut steps = Vec::new();
    while steps.last().is_none_or(|(step, _)| *step != last) {
        let Occurrence { at, event, .. } = events.recv().await.unwrap();
        if is_about(&event, id) {
            steps.push((event.name(), at));
        }
    }
    steps
}

fn is_about(event: &Event, id: MessageId) -> bool {
    match event {
        Event::Finished { id: found, .. }
        | Event::Kept { id: found, .. }
        | Event::Connected { id: found, .. }
        | Event::Sent { id: found, .. }
        | Event::Forwarded { id: found, .. }
        | Event::Stored { id: found, .. } => *found == id,
        Event::Counted { arrived, .. } | Event::LampShown { arrived, .. } => arrived.contains(&id),
        _ => false,
    }
}

fn names<'a>(steps: &[(&'a str, Instant)]) -> Vec<&'a str> {
    steps.iter().map(|(step, _)| *step).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_is_reported_in_order_in_a_span_of_its_message() {
    let traces = traces::listen();
    let mut pair = Pair::open().await;
    // The first message needs a new connection, and the second one uses it: both are followed.
    for second in [false, true] {
        let sound = wav(1_200, 7);
        let facts = CallFacts::to(mailbox("2001"));
        let id = pair.distributed.deposit_wav(&site("kathmandu"), facts, sound.into()).await.unwrap().id;
        let there = soon(steps_of(&mut pair.at_distributed, id, "forwarded")).await;
        let here = soon(steps_of(&mut pair.at_central, id, "lamp_shown")).await;
        assert_eq!(names(&there), ["finished", "kept", "connected", "sent", "forwarded"]);
        assert_eq!(names(&here), ["stored", "counted", "lamp_shown"]);
        assert!(there.is_sorted_by_key(|(_, at)| at) && here.is_sorted_by_key(|(_, at)| at), "{there:?} {here:?}");
        let (connected, stored, forwarded) = (there[2].1, here[0].1, there[4].1);
        assert!(connected <= stored && stored <= forwarded, "{there:?} {here:?}");

        soon(traces.all_closed(&id.to_string())).await;
        let spans = traces.spans_of(&id.to_string());
        let steps: Vec<_> = spans.iter().map(|span| (span.name, span.steps.iter().map(String::as_str).collect())).collect();
        let wanted: [(&str, Vec<&str>); 4] = [
            ("record", vec!["finished", "kept"]),
            ("forward", vec!["connected", "sent", "forwarded"]),
            ("deposit", vec!["stored"]),
            ("lamp", vec!["counted", "lamp_shown"]),
        ];
        assert_eq!(steps, wanted, "second: {second}");
        assert_eq!(spans[0].fields["site"], "kathmandu");
        assert_eq!(spans[1].fields["destination"], CENTRAL);
        assert_eq!(spans[3].fields["mailbox"], "2001");
    }
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_trace_contains_who_called_or_what_was_said() {
    let traces = traces::listen();
    let mut pair = Pair::open().await;
    let caller = Caller::new("+442079460112".parse().ok(), CallerName::cleaned("Anna Whitfield"));
    let facts = CallFacts::to(mailbox("2003")).caller(caller).urgent();
    let said = "voice!".repeat(3_200);
    let mut sound = Wav::header(voicemail::audio::Format::TELEPHONE_L16, u32::try_from(said.len()).unwrap());
    sound.extend(said.bytes());
    let id = pair.distributed.deposit_wav(&site("kathmandu"), facts, sound.into()).await.unwrap().id;
    soon(steps_of(&mut pair.at_distributed, id, "forwarded")).await;
    soon(steps_of(&mut pair.at_central, id, "lamp_shown")).await;
    pair.stop().await;

    let heard = traces.text();
    assert!(heard.contains(&id.to_string()) && heard.contains("2003"), "the ids are in the trace");
    // In base64, the sound begins at any of three places of a group.
    for secret in ["2079460112", "Anna", "Whitfield", "voice!", "dm9pY2Uh", "b2ljZSF2", "aWNlIXZv"] {
        assert!(!heard.contains(secret), "{secret} is in the trace");
    }
}

#[tokio::test]
async fn no_span_is_open_while_a_message_waits_and_each_try_has_one() {
    let traces = traces::listen();
    let folder = tempfile::tempdir().unwrap();
    let forwarder = MemoryForwarder::new();
    forwarder.next(Script::Fail(ForwardError::TimedOut { peer: "central".to_owned(), step: "connection" }));
    let node = node(HIMALAYA, folder.path()).forwarder(forwarder).open().await.unwrap();
    let mut events = node.events();
    let facts = CallFacts::to(mailbox("2001"));
    let id = node.deposit_wav(&site("kathmandu"), facts, wav(1_200, 9).into()).await.unwrap().id.to_string();
    assert_eq!(traces.spans_of(&id).len(), 1);
    soon(traces.all_closed(&id)).await;

    let running = run(&node);
    let failed = |event| matches!(event, Event::Deferred { .. }).then_some(());
    soon(support::event(&mut events, failed)).await;
    soon(traces.all_closed(&id)).await;
    let done = |event| matches!(event, Event::Forwarded { .. }).then_some(());
    soon(support::event(&mut events, done)).await;
    let spans = traces.spans_of(&id);
    let steps: Vec<_> = spans.iter().map(|span| (span.name, span.steps.join(" "))).collect();
    let wanted = [("record", "finished kept"), ("forward", "deferred"), ("forward", "forwarded")];
    assert_eq!(steps, wanted.map(|(name, steps)| (name, steps.to_owned())));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_central_node_records_itself_can_be_followed_too() {
    let traces = traces::listen();
    let folder = tempfile::tempdir().unwrap();
    let (sink, _lamps) = ChannelSink::new(64);
    let node = node(CENTRAL, folder.path()).store(MemoryStore::new([mailbox("2001")])).sink(sink).open().await.unwrap();
    let (mut events, running) = (node.events(), run(&node));
    let id = node.deposit_wav(&site("london"), CallFacts::to(mailbox("2001")), wav(1_200, 3).into()).await.unwrap().id;
    let steps = soon(steps_of(&mut events, id, "lamp_shown")).await;
    assert_eq!(
        names(&steps).into_iter().filter(|step| *step != "kept").collect::<Vec<_>>(),
        ["finished", "stored", "counted", "lamp_shown"]
    );
    soon(traces.all_closed(&id.to_string())).await;
    let spans = traces.spans_of(&id.to_string());
    let steps: Vec<_> = spans.iter().map(|span| (span.name, span.steps.join(" "))).collect();
    let wanted = [("record", "finished stored kept"), ("lamp", "counted lamp_shown")];
    assert_eq!(steps, wanted.map(|(name, steps)| (name, steps.to_owned())));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lamp_names_each_message_that_it_shows_once() {
    let mut pair = Pair::open().await;
    let mut kept = BTreeSet::new();
    for seed in 0..20 {
        let facts = CallFacts::to(mailbox("2002"));
        kept.insert(pair.distributed.deposit_wav(&site("kathmandu"), facts, wav(1_000, seed).into()).await.unwrap().id);
    }
    let mut named = Vec::new();
    while named.len() < kept.len() {
        let shown = |event| match event {
            Event::LampShown { mailbox, arrived, .. } if mailbox.as_str() == "2002" => Some(arrived),
            _ => None,
        };
        named.extend_from_slice(&soon(support::event(&mut pair.at_central, shown)).await);
    }
    assert_eq!(named.len(), kept.len());
    assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), kept);
    pair.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_logged_once_for_each_recording() {
    let traces = traces::listen();
    let folder = tempfile::tempdir().unwrap();
    let disk = FaultyDisk::new(OsDisk);
    let node = node(HIMALAYA, folder.path()).disk(disk.clone()).forwarder(MemoryForwarder::new()).open().await.unwrap();
    let running = run(&node);
    let facts = CallFacts::to(mailbox("2001"));
    let mut recording = node.record(&site("kathmandu"), facts, Format::TELEPHONE_L16).await.unwrap();
    let id = recording.id().to_string();
    disk.fail(InjectedFault::after(0, ErrorKind::StorageFull).only(|operation| operation == Operation::WriteAllAt).lasting());
    let writes = || disk.counts().get(&Operation::WriteAllAt).copied().unwrap_or(0);
    let samples = vec![1000; 40_000]; // so much that it is written at once
    for _ in 0..5 {
        let before = writes();
        recording.push_samples(&samples).unwrap();
        soon(async {
            while writes() == before {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    disk.mend();
    recording.finish().await.unwrap();
    running.stop().await;
    let text = traces.text();
    let logged = text.lines().filter(|line| line.contains("cannot be written to disk just now") && line.contains(&id)).count();
    assert_eq!(logged, 1, "not for each packet");
}
