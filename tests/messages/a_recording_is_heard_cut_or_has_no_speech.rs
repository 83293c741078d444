//! While a call is recorded, its caller can hear the sound so far, its end can be cut off, and a recording without speech is no message.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use support::{CENTRAL, HIMALAYA, clock, event, mailbox, node, run, site, soon};
use tempfile::tempdir;
use voicemail::audio::{Format, Wav};
use voicemail::event::Event;
use voicemail::forward::MemoryForwarder;
use voicemail::message::{Audio, EndReason};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Progress, RecordError, Recording};
use voicemail::store::{MemoryStore, MessageStore as _};

const PCMU: Format = Format::TELEPHONE_PCMU;

async fn central(folder: &Path) -> (Node, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::new([mailbox("2001"), mailbox("2002")]));
    let node = node(CENTRAL, folder).store(Arc::clone(&store)).clock(clock()).open().await.unwrap();
    (node, store)
}

async fn recording(node: &Node) -> Recording {
    node.record(&site("london"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap()
}

/// Mu-law bytes that differ from each other.
fn spoken(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

/// The samples of a sound, after a check that its length fields are true.
fn samples(audio: &Audio) -> &[u8] {
    let bytes = audio.bytes();
    let Wav { format, data, .. } = Wav::parse(bytes).unwrap();
    assert_eq!((format, data.end.next_multiple_of(2)), (PCMU, bytes.len()));
    assert_eq!(u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize, bytes.len() - 8);
    &bytes[data]
}

/// Waits until the file of a recording has `len` bytes.
async fn on_disk(folder: &Path, recording: &Recording, len: u64) {
    let file = folder.join("recording").join(format!("{}.vm", recording.id()));
    soon(async {
        while std::fs::metadata(&file).unwrap().len() < len {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_caller_hears_the_sound_so_far_and_speaks_on() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let running = run(&node);
    let mut recording = recording(&node).await;
    assert_eq!(samples(&recording.sound().await.unwrap()), b"", "nobody has spoken");
    let spoken = spoken(48_001);
    recording.push_payload(&spoken[..40_001], 0);
    on_disk(&folder.path().join(CENTRAL), &recording, 30_000).await;
    assert_eq!(samples(&recording.sound().await.unwrap()), &spoken[..40_001], "on disk and in memory");
    recording.push_payload(&spoken[40_001..], 40_001);
    let heard = recording.sound().await.unwrap();
    let kept = recording.finish().await.unwrap();
    assert_eq!(store.retrieve(&mailbox("2001"), kept.id).await.unwrap().audio(), &heard);
    running.stop().await;
}

#[tokio::test]
async fn what_is_cut_off_is_in_no_copy_of_the_message() {
    let folder = tempdir().unwrap();
    let (central, store) = central(folder.path()).await;
    let running = run(&central);
    for (pushed, cut, ends_with) in [(48_000, 40_001, Progress::Ended), (1_600, 1_600, Progress::Ended)] {
        let mut recording = recording(&central).await;
        let spoken = spoken(48_000);
        recording.push_payload(&spoken, 0);
        on_disk(&folder.path().join(CENTRAL), &recording, 30_000).await;
        recording.truncate(Duration::from_secs(60));
        recording.truncate(PCMU.duration_of(pushed));
        recording.truncate(PCMU.duration_of(cut));
        recording.truncate(Duration::from_secs(6));
        assert_eq!(recording.push_payload(&[0x20; 160], 48_000), ends_with);
        let heard = recording.sound().await.unwrap();
        assert_eq!(samples(&heard), &spoken[..usize::try_from(cut).unwrap()]);
        let length = PCMU.duration_of(cut);
        assert_eq!(recording.length(), length);
        let finished = recording.finish().await;
        if cut < 8_000 {
            assert!(matches!(finished, Err(RecordError::TooShort { length: short, .. }) if short == length), "{finished:?}");
            continue;
        }
        let kept = finished.unwrap();
        assert_eq!(kept.length, length);
        let message = store.retrieve(&mailbox("2001"), kept.id).await.unwrap();
        assert_eq!((message.audio(), message.head().length), (&heard, length));
        assert_eq!(message.head().end_reason, EndReason::Complete);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_cut_message_is_forwarded_with_the_shorter_sound() {
    let folder = tempdir().unwrap();
    let forwarder = Arc::new(MemoryForwarder::new());
    let node = node(HIMALAYA, folder.path()).forwarder(Arc::clone(&forwarder)).open().await.unwrap();
    let running = run(&node);
    let mut events = node.events();
    // The longer one is read from its file when it is sent.
    for seconds in [3_u32, 60] {
        let mut recording = node.record(&site("tokyo"), CallFacts::to(mailbox("2001")), PCMU).await.unwrap();
        for second in 0..seconds + 10 {
            recording.push_payload(&[0x20; 8_000], second * 8_000);
        }
        on_disk(&folder.path().join(HIMALAYA), &recording, u64::from(seconds + 9) * 8_000).await;
        recording.truncate(Duration::from_secs(seconds.into()));
        recording.finish().await.unwrap();
        soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    }
    let taken = forwarder.taken(&mailbox("2001"));
    let lengths: Vec<usize> = taken.iter().map(|message| samples(message.audio()).len()).collect();
    assert_eq!(lengths, [24_000, 480_000]);
    running.stop().await;
}

#[tokio::test]
async fn another_source_goes_on_at_the_end_of_the_sound() {
    let folder = tempdir().unwrap();
    let (node, _store) = central(folder.path()).await;
    let mut recording = recording(&node).await;
    recording.push_payload(&[1; 160], 8_000);
    recording.change_source();
    recording.push_payload(&[2; 160], 0);
    recording.push_payload(&[3; 160], 160);
    recording.change_source();
    recording.push_payload(&[4; 160], 200_000);
    assert_eq!(samples(&recording.sound().await.unwrap()), [[1; 160], [2; 160], [3; 160], [4; 160]].concat());
    recording.discard().await.unwrap();
}

#[tokio::test]
async fn a_recording_without_speech_leaves_an_event_and_no_file() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut events = node.events();
    let limit = node.ports(&site("london")).unwrap().in_use;
    let facts = CallFacts::to(mailbox("2001")).and_to(mailbox("2002"));
    let mut recording = node.record(&site("london"), facts, PCMU).await.unwrap();
    recording.push_payload(&[0xff; 16_000], 0);
    recording.discard_without_speech();
    assert_eq!(node.ports(&site("london")).unwrap().in_use, limit, "the port is free at once");

    let running = run(&node);
    let mut without_speech = Vec::new();
    while without_speech.len() < 2 {
        let about = |event| match event {
            Event::NoSpeech { mailbox, site, length, .. } => Some((mailbox.to_string(), site.to_string(), length)),
            Event::Kept { .. } | Event::Finished { .. } | Event::Discarded { .. } => panic!("{event:?}"),
            _ => None,
        };
        without_speech.push(soon(event(&mut events, about)).await);
    }
    let expected = |mailbox: &str| (mailbox.to_owned(), "london".to_owned(), Duration::from_secs(2));
    assert_eq!(without_speech, [expected("2001"), expected("2002")]);
    running.stop().await;
    assert_eq!(std::fs::read_dir(folder.path().join(CENTRAL).join("recording")).unwrap().count(), 0);
    assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 0);
}

#[tokio::test]
async fn sound_of_a_recording_that_a_stopping_node_kept_is_an_error() {
    let folder = tempdir().unwrap();
    let (node, store) = central(folder.path()).await;
    let mut recording = recording(&node).await;
    recording.push_payload(&[0x20; 16_000], 0);
    node.run(std::future::ready(())).await.unwrap();
    assert!(matches!(recording.sound().await, Err(RecordError::Stopping)));
    recording.truncate(Duration::from_secs(1));
    assert_eq!(recording.finish().await.unwrap().length, Duration::from_secs(2), "it was a message before it was cut");
    assert_eq!(store.summary(&mailbox("2001")).await.unwrap().new, 1);
}
