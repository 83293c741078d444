//! A sound is written over one that was delivered, and power is cut after every single operation: no message ever has a word of another
//! caller, and what was answered for is whole.

#![allow(clippy::unwrap_used, clippy::future_not_send, reason = "these are tests")]

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use voicemail::audio::{Format, Wav};
use voicemail::disk::{Disk, DiskFile, FreeSpace, PowerCutDisk, Unsynced, read};
use voicemail::event::Event;
use voicemail::forward::{MemoryForwarder, Reply, Script};
use voicemail::message::{EndReason, Message};
use voicemail::node::Node;
use voicemail::record::{CallFacts, Kept, RecordError};

use super::a_power_cut_after_any_step_loses_nothing::{Once, distributed, forwarded};
use crate::support::{CENTRAL, HIMALAYA, clock, event, mailbox, node, run, site, soon, wav};

const EVERY_WAY: [Unsynced; 5] =
    [Unsynced::Forgotten, Unsynced::NamesKept, Unsynced::ContentsKept, Unsynced::EvenSectorsKept, Unsynced::OddSectorsKept];

/// How a message comes to the node.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// As a sound file that is given whole.
    File,
    /// As a call that is recorded.
    Call,
}

impl By {
    async fn leave(self, node: &Node, number: &str, spoken: &[u8]) -> Result<Kept, RecordError> {
        let (from, facts) = (site("kathmandu"), CallFacts::to(mailbox(number)));
        if self == Self::File {
            return node.deposit_wav(&from, facts, spoken.to_vec().into()).await;
        }
        let mut recording = node.record(&from, facts, Format::TELEPHONE_L16).await?;
        let samples: Vec<i16> = spoken[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
        for part in samples.chunks(8000) {
            let _ = recording.push_samples(part).unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        recording.finish().await
    }
}

/// Whether `message` has only what was `spoken`: all of it, or a beginning if it was cut off, with silence for what was lost.
fn has_only(message: &Message, spoken: &[u8]) -> bool {
    if message.head().end_reason != EndReason::Truncated {
        return message.audio().bytes()[..] == *spoken;
    }
    let wav = Wav::parse(message.audio().bytes()).unwrap();
    let sound = &message.audio().bytes()[wav.data];
    sound.len() <= spoken.len() - 44 && sound.iter().zip(&spoken[44..]).all(|(byte, said)| byte == said || *byte == 0)
}

fn spare_files(disk: &PowerCutDisk) -> Vec<PathBuf> {
    let folder = Path::new("/spool").join(HIMALAYA).join("spare");
    disk.list(&folder).unwrap().iter().map(|name| folder.join(name)).collect()
}

/// Delivers two messages by `old`, so that the file of the first may be used again, and leaves one of `millis` by `new`, with a power cut
/// after so many operations. Answers whether the power was cut, and whether the message was answered for.
async fn a_power_cut(old: By, new: By, millis: u32, unsynced: Unsynced, operations: u64) -> (bool, bool) {
    let at = format!("{old:?}, then {new:?} of {millis} ms, power cut after {operations} operations, {unsynced:?}");
    let olds = [("2001", wav(3_000, 7)), ("2003", wav(3_000, 9))];
    let spoken = wav(millis, 11);
    let (disk, other) = (PowerCutDisk::new(), Once::default());
    let node = distributed(&disk, other.clone()).await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    for (number, spoken) in &olds {
        old.leave(&node, number, spoken).await.unwrap();
        soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    }
    let sounds = spare_files(&disk).iter().filter(|path| read(&disk, path).unwrap().len() > 48_000).count();
    assert_eq!(sounds, if old == By::File { 2 } else { 0 }, "{at}");

    disk.power_off_after(operations);
    let answer = new.leave(&node, "2002", &spoken).await;
    if answer.is_ok() {
        let tried = |event| matches!(event, Event::Forwarded { .. } | Event::Deferred { .. }).then_some(());
        soon(event(&mut events, tried)).await;
    }
    running.stop().await;
    drop(node);
    let was_cut = disk.power_cut(unsynced);

    for again in 0..2 {
        let node = distributed(&disk, other.clone()).await.expect(&at);
        let running = run(&node);
        forwarded(&node).await;
        running.stop().await;
        for (number, spoken) in &olds {
            let messages = other.of(&mailbox(number));
            assert!(messages.len() == 1 && has_only(&messages[0], spoken), "{at}, restart {again}: mailbox {number}");
        }
        let messages = other.of(&mailbox("2002"));
        assert!(messages.iter().all(|message| has_only(message, &spoken)), "{at}, restart {again}: the new message");
        assert!(
            messages.len() <= 1 && (answer.is_err() || messages.len() == 1),
            "{at}, restart {again}: {} messages",
            messages.len()
        );
        if let (Ok(kept), [message]) = (&answer, &messages[..]) {
            assert!(message.id() == kept.id && message.audio().bytes()[..] == spoken[..], "{at}, restart {again}");
        }
        assert!(node.spool().parked().await.unwrap().is_empty(), "{at}, restart {again}");
        let aside = disk.list(&Path::new("/spool").join(HIMALAYA).join("unreadable")).unwrap();
        assert!(aside.is_empty() || answer.is_err(), "{at}, restart {again}: {aside:?}");
        assert!(spare_files(&disk).iter().all(|path| read(&disk, path).unwrap().is_empty()), "{at}: nothing stays after a stop");
        drop(node);
        disk.power_cut(unsynced);
    }
    (was_cut, answer.is_ok())
}

async fn at_every_operation(old: By, new: By, millis: u32) {
    for unsynced in EVERY_WAY {
        let mut answered = 0;
        for operations in 0.. {
            let (was_cut, was_answered) = a_power_cut(old, new, millis, unsynced, operations).await;
            answered += u32::from(was_answered);
            if !was_cut {
                assert!(was_answered && operations > 10 && answered > 3, "{operations} operations, {answered} answered");
                break;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_sound_over_a_longer_one_is_whole_or_not_there() {
    at_every_operation(By::File, By::File, 1_500).await;
}

#[tokio::test(start_paused = true)]
async fn a_longer_sound_over_a_shorter_one_is_whole_or_not_there() {
    at_every_operation(By::File, By::File, 4_500).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_in_a_used_file_has_only_its_own_words() {
    at_every_operation(By::File, By::Call, 1_500).await;
}

#[tokio::test(start_paused = true)]
async fn a_sound_in_the_file_of_a_call_has_only_its_own_words() {
    at_every_operation(By::Call, By::File, 1_500).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_longer_sound_follows_a_shorter_one_in_its_file() {
    let (disk, other) = (PowerCutDisk::new(), MemoryForwarder::new());
    let node = distributed(&disk, other.clone()).await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    for seed in [7, 9] {
        By::File.leave(&node, "2001", &wav(3_000, seed)).await.unwrap();
        soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    }
    let spares = spare_files(&disk).len();
    other.next(Script::Defer(Reply::new(451, "later")));
    By::File.leave(&node, "2002", &wav(1_500, 11)).await.unwrap();
    assert_eq!(spare_files(&disk).len(), spares - 1, "a used file was taken");
    let queue = Path::new("/spool").join(HIMALAYA).join("queue").join(CENTRAL);
    let names = disk.list(&queue).unwrap();
    let file = read(&disk, &queue.join(&names[0])).unwrap();
    assert!(file[1024..] == wav(1_500, 11)[..], "the sound is all that follows the head: {} bytes", file.len());
    running.stop().await;
}

/// A disk with space for 100 kB, of which spare files take a part.
#[derive(Debug, Clone)]
struct Small(PowerCutDisk);

impl Disk for Small {
    fn free_space(&self, _: &Path) -> io::Result<FreeSpace> {
        let used: usize = spare_files(&self.0).iter().map(|path| read(&self.0, path).unwrap().len()).sum();
        Ok(FreeSpace::new(100_000_u64.saturating_sub(used as u64), 1000))
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.0.open(path)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
}

#[tokio::test(start_paused = true)]
async fn delivered_sounds_take_no_space_from_the_next_message() {
    let disk = Small(PowerCutDisk::new());
    let builder = node(HIMALAYA, Path::new("/spool")).disk(disk.clone()).forwarder(MemoryForwarder::new()).clock(clock());
    let node = builder.min_free_space(20_000).open().await.unwrap();
    let mut events = node.events();
    let running = run(&node);
    for seed in 0..8 {
        By::File.leave(&node, "2001", &wav(2_500, seed * 2)).await.unwrap();
        soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    }
    running.stop().await;
}
