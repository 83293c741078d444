//! In an object store that fails in every way, no row names a sound that is not there, and all orphans are swept.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use chrono::{TimeDelta, Utc};
use proptest::prelude::*;
use voicemail::message::{Audio, AudioSource, AudioType, ContentDigest};
use voicemail_postgres::sounds::{SoundError, SoundName, SoundStore};

use super::faulty_objects::{Fault, FaultyObjects, Operation};

const MIB: u64 = 1024 * 1024;

fn audio(bytes: impl Into<bytes::Bytes>) -> Audio {
    Audio::new(AudioType::Basic, bytes)
}

/// A sound of `size` bytes that is made when it is read, and counts how much of it was.
#[derive(Debug)]
struct Made {
    size: u64,
    /// The size that readers really have.
    really: u64,
    read: Arc<AtomicU64>,
}

impl Made {
    fn audio(size: u64, really: u64) -> (Audio, Arc<AtomicU64>) {
        let read = Arc::new(AtomicU64::new(0));
        let digest = ContentDigest::of(&vec![7; usize::try_from(size).unwrap()]);
        (Audio::from_source(AudioType::Basic, Self { size, really, read: Arc::clone(&read) }, digest), read)
    }
}

impl AudioSource for Made {
    fn size(&self) -> u64 {
        self.size
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        Box::new(MadeReader { left: self.really, read: Arc::clone(&self.read) })
    }
}

struct MadeReader {
    left: u64,
    read: Arc<AtomicU64>,
}

impl Read for MadeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = usize::try_from(self.left).unwrap().min(buffer.len());
        buffer[..len].fill(7);
        self.left -= len as u64;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_sound_is_put_in_parts_of_5_mib() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    let (long, _) = Made::audio(12 * MIB + 1, 12 * MIB + 1);
    let name = sounds.put(&long, Utc::now()).await.unwrap();
    assert_eq!(objects.part_sizes(), [5 * MIB, 5 * MIB, 2 * MIB + 1].map(|size| usize::try_from(size).unwrap()));
    let whole = sounds.read(&name, long.len(), long.digest()).await.unwrap();
    assert_eq!(ContentDigest::of(&whole), long.digest());
    let mut reader = sounds.reader(&name, long.len(), long.digest()).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = reader.next_piece().await.unwrap() {
        pieces.extend_from_slice(&piece);
    }
    assert_eq!(pieces, whole);
    // The same bytes in memory go the same way, and an empty sound goes, too.
    for sound in [audio(whole), audio(&b""[..])] {
        let name = sounds.put(&sound, Utc::now()).await.unwrap();
        assert_eq!(ContentDigest::of(&sounds.read(&name, sound.len(), sound.digest()).await.unwrap()), sound.digest());
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_a_part_is_read_before_it_is_put() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    let (long, read) = Made::audio(20 * MIB, 20 * MIB);
    objects.fail(Operation::Part, Fault::Stalled);
    assert!(matches!(sounds.put(&long, Utc::now()).await, Err(SoundError::TimedOut(_))));
    assert_eq!(read.load(Ordering::Relaxed), 5 * MIB);
    assert!(objects.names().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_source_that_lost_its_end_is_not_put() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    for (size, really) in [(100, 99), (12 * MIB, 11 * MIB)] {
        let error = sounds.put(&Made::audio(size, really).0, Utc::now()).await.unwrap_err();
        assert!(matches!(error, SoundError::Source(_)) && error.is_transient(), "{error:?}");
    }
    let wrong = ContentDigest::of(b"other");
    let source = Made { size: 100, really: 100, read: Arc::default() };
    let error = sounds.put(&Audio::from_source(AudioType::Basic, source, wrong), Utc::now()).await.unwrap_err();
    assert!(matches!(error, SoundError::Source(_)), "{error:?}");
    assert!(objects.names().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_changed_sound_is_damaged_and_one_cut_short_is_not() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    let sound = audio(vec![1; 1000]);
    let name = sounds.put(&sound, Utc::now()).await.unwrap();
    let (size, digest) = (sound.len(), sound.digest());
    let by_pieces = async || {
        let mut reader = sounds.reader(&name, size, digest).await?;
        while reader.next_piece().await?.is_some() {}
        Ok::<(), SoundError>(())
    };
    for (fault, is_transient) in
        [(Fault::Changed, false), (Fault::Torn, true), (Fault::CutOff, true), (Fault::Refused, true), (Fault::Stalled, true)]
    {
        objects.fail(Operation::Get, fault);
        let error = sounds.read(&name, size, digest).await.unwrap_err();
        assert_eq!(error.is_transient(), is_transient, "{fault:?}: {error:?}");
        objects.fail(Operation::Get, fault);
        let error = by_pieces().await.unwrap_err();
        assert_eq!(error.is_transient(), is_transient, "{fault:?}: {error:?}");
    }
    by_pieces().await.unwrap();
    assert!(matches!(sounds.read(&name, size, ContentDigest::of(b"other")).await, Err(SoundError::Damaged(_))));
    assert!(matches!(sounds.read(&name, size + 1, digest).await, Err(SoundError::Damaged(_))));
    sounds.delete(&name).await.unwrap();
    sounds.delete(&name).await.unwrap();
    assert!(matches!(sounds.read(&name, size, digest).await, Err(SoundError::Missing(_))));
}

#[tokio::test(start_paused = true)]
async fn a_stalled_object_store_is_given_up_after_20_seconds() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    let sound = audio(vec![1; 1000]);
    let name = sounds.put(&sound, Utc::now()).await.unwrap();
    let start = tokio::time::Instant::now();
    let mut given_up = 0;
    for fault in [Fault::Stalled, Fault::DoneAndStalled] {
        objects.fail(Operation::Put, fault);
        assert!(matches!(sounds.put(&sound, Utc::now()).await, Err(SoundError::TimedOut(_))));
        objects.fail(Operation::Get, fault);
        assert!(matches!(sounds.read(&name, sound.len(), sound.digest()).await, Err(SoundError::TimedOut(_))));
        objects.fail(Operation::Delete, fault);
        assert!(matches!(sounds.delete(&name).await, Err(SoundError::TimedOut(_))));
        let mut sweep = sounds.sweep(None);
        objects.fail(Operation::List, fault);
        let later = Utc::now() + TimeDelta::days(3);
        assert!(matches!(sweep.candidates(later).await, Err(SoundError::TimedOut(_))));
        given_up += 4;
        sounds.put(&sound, Utc::now()).await.unwrap();
        assert!(sweep.candidates(later).await.unwrap().is_some(), "the day begins anew");
    }
    assert_eq!(start.elapsed().as_secs(), given_up * 20);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_is_dropped_leaves_no_more_than_an_orphan() {
    for sound in [audio(vec![1; 1000]), Made::audio(11 * MIB, 11 * MIB).0] {
        for polls in 0..20 {
            let objects = FaultyObjects::default();
            let sounds = SoundStore::new(Arc::new(objects.clone()));
            {
                let mut put = Box::pin(sounds.put(&sound, Utc::now()));
                for _ in 0..polls {
                    if let Poll::Ready(put) = put.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        put.unwrap();
                        break;
                    }
                    tokio::task::yield_now().await;
                }
            }
            sweep_all_but(&sounds, &HashSet::new()).await;
            assert!(objects.names().await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sweep_goes_on_after_each_fault_and_sees_each_day_once() {
    let objects = FaultyObjects::default();
    let sounds = SoundStore::new(Arc::new(objects.clone()));
    let mut referenced = HashSet::new();
    for number in 0..1_203_u32 {
        let name = sounds.put(&audio(number.to_be_bytes().to_vec()), Utc::now()).await.unwrap();
        if number % 2 == 0 {
            referenced.insert(name);
        }
    }
    let mut sweep = sounds.sweep(None);
    let now = Utc::now() + TimeDelta::days(2);
    assert!(sweep.candidates(Utc::now()).await.unwrap().is_none(), "all are too young");
    objects.fail(Operation::List, Fault::CutOff);
    objects.fail(Operation::Delete, Fault::Refused);
    objects.fail(Operation::Delete, Fault::AnswerLost);
    objects.fail(Operation::Delete, Fault::Stalled);
    let (mut faults, mut deleted) = (0, 0);
    loop {
        match sweep.candidates(now).await {
            Ok(None) => break,
            Ok(Some(candidates)) => assert!(candidates.len() <= 500),
            Err(_) => {
                faults += 1;
                continue;
            }
        }
        match sweep.delete_others(&referenced).await {
            Ok(number) => deleted += number,
            Err(_) => faults += 1,
        }
    }
    assert_eq!((faults, sweep.swept()), (4, Some(Utc::now().date_naive())));
    assert_eq!(objects.names().await, referenced.iter().map(ToString::to_string).collect());
    assert!(deleted <= 601, "what a failed step deleted is not in its answer: {deleted}");
    // A day that was swept is not looked at again.
    sounds.put(&audio(&b"late"[..]), Utc::now()).await.unwrap();
    assert!(sounds.sweep(sweep.swept()).candidates(now).await.unwrap().is_none());
}

/// Sweeps all days, as if all sounds were old.
async fn sweep_all_but(sounds: &SoundStore, referenced: &HashSet<SoundName>) {
    let mut sweep = sounds.sweep(None);
    while sweep.candidates(Utc::now() + TimeDelta::days(3)).await.unwrap().is_some() {
        sweep.delete_others(referenced).await.unwrap();
    }
}

/// A step of a store that keeps its rows in a map.
#[derive(Debug, Clone)]
enum Step {
    /// A deposit, whose process may die before the row is committed.
    Deposit {
        dies: bool,
        in_parts: bool,
    },
    /// The row of one message is deleted, and its sound is to be deleted later.
    Expunge(prop::sample::Index),
    /// The sounds of expunged rows are deleted.
    DeleteExpunged,
    Sweep,
    Fail(Operation, Fault),
}

fn step() -> impl Strategy<Value = Step> {
    use Operation::{Complete, Delete, Get, List, Part, Put};
    let operation = prop::sample::select(vec![Put, Part, Complete, Get, Delete, List]);
    let fault = prop::sample::select(vec![Fault::Refused, Fault::AnswerLost, Fault::Stalled, Fault::DoneAndStalled]);
    prop_oneof![
        4 => (any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(dies, in_parts)| Step::Deposit { dies, in_parts }),
        2 => any::<prop::sample::Index>().prop_map(Step::Expunge),
        1 => Just(Step::DeleteExpunged),
        1 => Just(Step::Sweep),
        4 => (operation, fault).prop_map(|(operation, fault)| Step::Fail(operation, fault)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn rows_have_their_sounds_and_all_orphans_are_swept(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let objects = FaultyObjects::default();
            let sounds = SoundStore::new(Arc::new(objects.clone()));
            let (mut rows, mut expunged) = (HashMap::new(), HashSet::new());
            for (number, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Deposit { dies, in_parts } => {
                        let sound = audio(vec![u8::try_from(number).unwrap(); if in_parts { 6_000_000 } else { 100 }]);
                        let put = sounds.put(&sound, Utc::now()).await;
                        if let Ok(name) = put && !dies {
                            rows.insert(name, sound);
                        }
                    }
                    Step::Expunge(which) => {
                        if !rows.is_empty() {
                            let name = rows.keys().nth(which.index(rows.len())).unwrap().clone();
                            rows.remove(&name);
                            expunged.insert(name);
                        }
                    }
                    Step::DeleteExpunged => {
                        for name in expunged.clone() {
                            if sounds.delete(&name).await.is_ok() {
                                expunged.remove(&name);
                            }
                        }
                    }
                    Step::Sweep => {
                        let mut sweep = sounds.sweep(None);
                        let referenced = rows.keys().chain(&expunged).cloned().collect();
                        while let Ok(Some(_)) = sweep.candidates(Utc::now() + TimeDelta::days(3)).await {
                            if sweep.delete_others(&referenced).await.is_err() {
                                break;
                            }
                        }
                    }
                    Step::Fail(operation, fault) => objects.fail(operation, fault),
                }
            }
            objects.heal();
            for (name, sound) in &rows {
                assert_eq!(sounds.read(name, sound.len(), sound.digest()).await.unwrap(), sound.bytes());
            }
            for name in &expunged {
                sounds.delete(name).await.unwrap();
            }
            sweep_all_but(&sounds, &rows.keys().cloned().collect()).await;
            assert_eq!(objects.names().await, rows.keys().map(ToString::to_string).collect());
        });
    }
}
