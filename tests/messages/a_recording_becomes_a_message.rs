//! The samples that a PBX records become a message, byte for byte, however the call ends.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::sync::Arc;
use std::time::Duration;

use support::{CENTRAL, HIMALAYA, clock, event, mailbox, node, run, site, soon, wav};
use tempfile::tempdir;
use voicemail::audio::{Codec, Format, Wav};
use voicemail::event::Event;
use voicemail::message::{EndReason, Privacy, Urgency};
use voicemail::mwi::ChannelSink;
use voicemail::network::{GraceDays, Licence, LicenceClass, Mailbox, Network, Refusal, Site, TimeSource, VoicemailType};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Progress, RecordError};
use voicemail::store::{MemoryStore, MessageStore as _};

const PCMU: Format = Format::TELEPHONE_PCMU;
const L16: Format = Format::TELEPHONE_L16;

async fn central(folder: &std::path::Path) -> (Node, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string()))));
    let node = node(CENTRAL, folder).store(Arc::clone(&store)).clock(clock()).open().await.unwrap();
    (node, store)
}

#[tokio::test]
async fn samples_come_back_as_a_wav_file_of_the_same_samples() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let spoken = wav(2_500, 7);
    let samples: Vec<i16> = spoken[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();

    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")).urgent(), L16).await.unwrap();
    for frame in samples.chunks(160) {
        assert_eq!(recording.push_samples(frame).unwrap(), Progress::Recording);
    }
    recording.set_privacy(Privacy::Private);
    let kept = recording.finish().await.unwrap();

    assert_eq!(kept.length, Duration::from_millis(2_500));
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert!(message.audio().bytes()[..] == spoken[..], "byte for byte");
    let head = message.head();
    assert_eq!((head.urgency, head.privacy, head.end_reason), (Urgency::Urgent, Privacy::Private, EndReason::Complete));
    assert_eq!(head.recorded_at.instant.to_rfc3339(), "2025-07-14T09:05:12+00:00");
    assert_eq!(head.site, Some(site("london")));
}

#[tokio::test]
async fn payload_is_kept_in_its_codec_and_lost_packets_leave_silence() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    for packet in (0..100u32).filter(|packet| packet % 10 != 3) {
        recording.push_payload(&[0x20; 160], packet * 160);
    }
    let kept = recording.finish().await.unwrap();
    assert_eq!(kept.length, Duration::from_secs(2));
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    let Wav { format, data, .. } = Wav::parse(message.audio().bytes()).unwrap();
    assert_eq!(format.codec, Codec::Pcmu);
    let sound = &message.audio().bytes()[data];
    assert_eq!(sound.len(), 16_000);
    let silent = |packet: &usize| sound[packet * 160..][..160] == [0xff; 160];
    assert_eq!((0..100).filter(silent).collect::<Vec<_>>(), [3, 13, 23, 33, 43, 53, 63, 73, 83, 93]);
}

#[tokio::test]
async fn a_recording_ends_by_itself_at_the_mailbox_limit() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    let mut pushed = 0;
    while recording.push_payload(&[0x20; 8_000], pushed * 8_000) == Progress::Recording {
        pushed += 1;
    }
    assert_eq!(pushed, 299);
    let kept = recording.finish().await.unwrap();
    assert_eq!(kept.length, Duration::from_secs(300));
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert_eq!(message.head().end_reason, EndReason::AtLimit);
}

#[tokio::test]
async fn a_caller_who_hangs_up_leaves_a_message_if_it_is_long_enough() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut events = node.events();
    let running = run(&node);
    for millis in [200, 1_200] {
        let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
        recording.push_payload(&vec![0x20; millis * 8], 0);
        drop(recording);
    }
    let mut ends = Vec::new();
    while ends.len() < 2 {
        ends.push(
            soon(event(&mut events, |event| match event {
                Event::Kept { length, .. } => Some(("kept", length.as_millis())),
                Event::Discarded { length, .. } => Some(("discarded", length.as_millis())),
                _ => None,
            }))
            .await,
        );
    }
    ends.sort_unstable();
    assert_eq!(ends, [("discarded", 200), ("kept", 1_200)]);
    assert_eq!(store.summary(&mailbox("2001")).await.unwrap().new, 1);
    running.stop().await;
    assert_eq!(std::fs::read_dir(folder.path().join(CENTRAL).join("recording")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_too_short_or_discarded_leaves_nothing() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&[0x20; 800], 0);
    let error = recording.finish().await.unwrap_err();
    assert!(matches!(error, RecordError::TooShort { length, .. } if length.as_millis() == 100), "{error}");

    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&[0x20; 16_000], 0);
    recording.discard().await.unwrap();
    assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 0);
    assert_eq!(std::fs::read_dir(folder.path().join(CENTRAL).join("recording")).unwrap().count(), 0);
}

#[tokio::test]
async fn each_pbx_of_a_shared_node_has_its_own_ports_and_returns_them() {
    let folder = tempdir().unwrap();
    let node = node(HIMALAYA, folder.path()).forwarder(voicemail::forward::MemoryForwarder::new()).open().await.unwrap();
    let facts = || CallFacts::to(mailbox("2001"));
    let first = node.record(&site("tokyo"), facts(), PCMU).await.unwrap();
    let busy = node.record(&site("tokyo"), facts(), PCMU).await.unwrap_err();
    assert!(matches!(busy, RecordError::Refused(Refusal::AllPortsBusy { .. })), "{busy}");
    assert!(node.record(&site("kathmandu"), facts(), PCMU).await.is_ok());
    drop(first);
    assert!(node.record(&site("tokyo"), facts(), PCMU).await.is_ok());
    let elsewhere = node.record(&site("london"), facts(), PCMU).await.unwrap_err();
    assert!(matches!(&elsewhere, RecordError::Refused(Refusal::NotServedHere(pbx)) if *pbx == site("london")), "{elsewhere}");
}

#[tokio::test]
async fn a_recording_made_again_keeps_the_port_of_its_call() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let limit = node.ports(&site("london")).unwrap().limit;
    let others = (1..limit).map(|_| node.admit(&site("london"), LicenceClass::Voicemail).unwrap()).collect::<Vec<_>>();
    let mut first = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    first.push_payload(&[0x20; 16_000], 0);
    first.set_urgency(Urgency::Urgent);
    let first_id = first.id();

    let london = site("london");
    let (again, another) = tokio::join!(first.restart(), node.record(&london, CallFacts::to(mailbox("2001")), PCMU));
    assert!(matches!(another, Err(RecordError::Refused(Refusal::AllPortsBusy { .. }))), "nobody gets the port in between");
    let mut again = again.unwrap();
    assert_eq!(again.length(), Duration::ZERO);
    again.push_payload(&vec![0x40; 24_000], 0);
    let kept = again.finish().await.unwrap();

    assert_ne!(kept.id, first_id);
    assert_eq!(kept.length, Duration::from_secs(3), "nothing of the first recording is in it");
    let stored = store.list(&mailbox("2001")).await.unwrap();
    assert_eq!(stored.iter().map(|entry| (entry.head.id, entry.head.urgency)).collect::<Vec<_>>(), [(kept.id, Urgency::Urgent)]);
    assert_eq!(node.ports(&site("london")).unwrap().in_use, limit - 1);
    drop(others);
}

#[tokio::test]
async fn a_recording_is_not_made_again_once_the_node_stops() {
    let folder = tempdir().unwrap();
    let (node, _store) = central(folder.path()).await;
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&[0x20; 16_000], 0);
    node.run(std::future::ready(())).await.unwrap();
    assert!(matches!(recording.restart().await, Err(RecordError::KeptAlready)));
    assert_eq!(node.ports(&site("london")).unwrap().in_use, 0);
}

#[tokio::test]
async fn an_expired_licence_refuses_calls_unless_it_has_days_of_grace() {
    let folder = tempdir().unwrap();
    let on = "2025-07-10".parse().unwrap();
    let london = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London)
        .node(support::address(CENTRAL))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(Licence::until(LicenceClass::Voicemail, on))
        .licence(LicenceClass::TextToSpeech)
        .ports(1)
        .mailbox(Mailbox::new(mailbox("2001")));
    let network = Network::builder("voicemail.example").site(london).build().unwrap();
    let open = |name: &str| {
        let node = Node::builder(support::address(CENTRAL), network.clone(), network.directory(), folder.path().join(name));
        node.store(MemoryStore::new([mailbox("2001")])).clock(clock()) // it is the 14th
    };
    let strict = open("strict").open().await.unwrap();
    let refused = strict.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap_err();
    let expired = Refusal::Expired { pbx: site("london"), class: LicenceClass::Voicemail, on };
    assert!(matches!(&refused, RecordError::Refused(refusal) if *refusal == expired), "{refused}");
    assert_eq!(strict.check(&site("london"), LicenceClass::TextToSpeech), Err(expired));

    let lenient = open("lenient").grace(GraceDays(4)).open().await.unwrap();
    assert_eq!(lenient.check(&site("london"), LicenceClass::TextToSpeech), Ok(()));
    let unlicensed = Refusal::Unlicensed { pbx: site("london"), class: LicenceClass::Campaigns };
    assert_eq!(lenient.check(&site("london"), LicenceClass::Campaigns), Err(unlicensed));
    let port = lenient.admit(&site("london"), LicenceClass::TextToSpeech).unwrap();
    let busy = lenient.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap_err();
    assert!(matches!(busy, RecordError::Refused(Refusal::AllPortsBusy { limit: 1, .. })), "{busy}");
    drop(port);
    assert!(lenient.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.is_ok());
}

#[tokio::test]
async fn an_unknown_mailbox_or_bad_wav_is_refused_with_what_to_do() {
    let folder = tempdir().unwrap();
    let (node, _) = central(folder.path()).await;
    let error = node.record(&site("london"), CallFacts::to(mailbox("9999")), PCMU).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no mailbox 9999 in the network; check the number, or add the mailbox to the network description"
    );
    let deposited = node.deposit_wav(&site("london"), CallFacts::to(mailbox("2001")), "not a WAV".into()).await;
    assert!(matches!(deposited, Err(RecordError::UnreadableAudio(_))));
}

#[tokio::test]
async fn a_wav_of_gsm_is_kept_as_it_is_with_its_length() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let short = include_bytes!("../sounds/wav49.wav");
    let mut wav = [&short[..60], &short[60..].repeat(3)].concat();
    wav[56..60].fill(0); // goes on to the end of the file
    let kept = node.deposit_wav(&site("london"), CallFacts::to(mailbox("2001")), wav.clone().into()).await.unwrap();
    assert_eq!(kept.length, Duration::from_millis(3 * 640));
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert!(message.audio().bytes()[..] == wav[..], "byte for byte");
}

#[tokio::test]
async fn a_message_for_two_mailboxes_reaches_both_and_their_lamps() {
    let folder = tempdir().unwrap();
    let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
    let (sink, mut lamps) = ChannelSink::new(64);
    let node = node(CENTRAL, folder.path()).store(store).sink(sink).open().await.unwrap();
    let running = run(&node);
    let facts = CallFacts::to(mailbox("2001")).and_to(mailbox("2002"));
    node.deposit_wav(&site("london"), facts, wav(1_500, 3).into()).await.unwrap();
    let mut lit = std::collections::BTreeSet::new();
    while lit.len() < 2 {
        let state = soon(lamps.recv()).await.unwrap();
        if state.summary.waiting() {
            lit.insert(state.mailbox.to_string());
        }
    }
    assert_eq!(lit.into_iter().collect::<Vec<_>>(), ["2001", "2002"]);
    drop(lamps);
    running.stop().await;
}

#[tokio::test]
async fn stopping_the_node_ends_and_keeps_the_recordings_under_way() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let running = run(&node);
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&[0x20; 16_000], 0);
    running.stop().await;
    assert_eq!(recording.push_payload(&[0x20; 160], 16_000), Progress::Ended);
    let kept = recording.finish().await.unwrap();
    let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
    assert_eq!((message.head().end_reason, message.head().length), (EndReason::Truncated, Duration::from_secs(2)));
    let refused = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap_err();
    assert!(matches!(refused, RecordError::Stopping));
}

#[tokio::test]
async fn a_recording_kept_by_a_stopping_node_is_not_called_discarded() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let running = run(&node);
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&[0x20; 16_000], 0);
    running.stop().await;
    assert!(matches!(recording.discard().await, Err(RecordError::KeptAlready)));
    assert_eq!(store.summary(&mailbox("2001")).await.unwrap().new, 1);
}

#[tokio::test]
async fn a_crash_in_the_middle_leaves_a_message_marked_truncated() {
    let folder = tempdir().unwrap();
    let (node, _) = central(folder.path()).await;
    let running = run(&node);
    let mut recording = node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
    recording.push_payload(&vec![0x20; 40_000], 0);
    let file = folder.path().join(CENTRAL).join("recording").join(format!("{}.vm", recording.id()));
    let on_disk = async {
        while std::fs::metadata(&file).unwrap().len() < 30_000 {
            tokio::task::yield_now().await;
        }
    };
    soon(on_disk).await;
    let crashed = tempdir().unwrap();
    let copied = crashed.path().join(CENTRAL).join("recording");
    std::fs::create_dir_all(&copied).unwrap();
    std::fs::copy(&file, copied.join(file.file_name().unwrap())).unwrap();
    recording.discard().await.unwrap();
    running.stop().await;

    let (node, store) = central(crashed.path()).await;
    let mut events = node.events();
    let running = run(&node);
    let id = soon(event(&mut events, |event| match event {
        Event::Forwarded { id, .. } => Some(id),
        _ => None,
    }))
    .await;
    let message = store.retrieve(&mailbox("2001"), id).await.unwrap();
    assert_eq!(message.head().end_reason, EndReason::Truncated);
    assert_eq!(message.head().length, Duration::from_millis(4_500), "all but the half second that late packets may change");
    assert_eq!(Wav::parse(message.audio().bytes()).unwrap().duration(), message.head().length);
    running.stop().await;
}
