//! Real processes are killed at random moments while messages flow: each message that was reported as kept reaches its mailbox, once.
//!
//! Run: `VOICEMAIL_KILLS=200 cargo test --test nothing_is_lost_when_processes_are_killed -- --ignored --nocapture`.
//! `VOICEMAIL_SEED` repeats the choices of another run, though not what the machine made of them.

#![cfg(feature = "node")]
#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "support/programs.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod programs;

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use programs::{NodeFiles, Printed, Program, unused_address};
use voicemail::audio::{Format, Wav};
use voicemail::message::{ContentDigest, EndReason, MailboxId, Message, MessageId};
use voicemail::store::{MaildirStore, MessageStore as _};

#[test]
#[ignore = "it takes as long as VOICEMAIL_KILLS says; .ci/run runs it"]
fn what_was_reported_as_kept_is_stored_once_and_whole() {
    let kills = std::env::var("VOICEMAIL_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let seed = std::env::var("VOICEMAIL_SEED").map_or_else(|_| random_seed(), |seed| seed.parse().unwrap());
    println!("VOICEMAIL_KILLS={kills} VOICEMAIL_SEED={seed}");
    let begun = Instant::now();
    let place = NodeFiles::new(MAILBOXES.map(|number| (number, "Europe/London")));
    place.set_listen_address(&unused_address());
    let mut network = Network::start(&place, seed);
    for _ in 0..kills {
        network.deposit_some();
        network.kill_one();
    }
    network.deposit_some();
    let Reported { kept, recovered, sent, duplicates } = network.stop();
    let stored = stored(&place);

    let mut extra = Extra::default();
    let mut numbers = BTreeSet::new();
    for (id, (mailbox, message)) in &stored {
        let audio = message.audio().bytes();
        assert_eq!(message.audio().digest(), ContentDigest::of(audio), "{id}");
        let number = number_of(message, sent);
        assert!(numbers.insert(number), "deposit {number} is stored twice");
        assert_eq!(mailbox, &mailbox_of(number), "{id}");
        if let Some(deposit) = kept.get(id) {
            assert_eq!((number, message.head().end_reason), (*deposit, EndReason::Complete), "{id}");
            assert!(audio[..] == wav(number)[..], "{id} is deposit {number}, byte for byte");
        } else {
            extra.count(number, message);
        }
    }
    let lost: Vec<_> = kept.keys().filter(|id| !stored.contains_key(id)).collect();
    assert!(lost.is_empty(), "reported as kept, and nowhere: {lost:?}");
    assert!(recovered.iter().all(|id| stored.contains_key(id)), "reported as recovered, and nowhere");
    println!(
        "{kills} kills in {:.1} s: {sent} deposits begun, {} reported as kept, {} stored; beyond those {} whole and {} cut off, \
         {} of both reported as recovered; {duplicates} duplicates suppressed",
        begun.elapsed().as_secs_f64(),
        kept.len(),
        stored.len(),
        extra.whole,
        extra.cut_off,
        recovered.len(),
    );
}

/// Both nodes, and the lines that they have printed.
struct Network<'a> {
    place: &'a NodeFiles,
    chance: Chance,
    central: Option<Program>,
    distributed: Option<Program>,
    /// The first deposit that was given to the distributed node that runs.
    first: u32,
    reported: Reported,
}

/// The lines that the programs have printed before they ended.
#[derive(Default)]
struct Reported {
    /// The messages that were reported as kept, each with the number of its deposit.
    kept: BTreeMap<MessageId, u32>,
    /// The messages that were reported as cut off and recovered.
    recovered: BTreeSet<MessageId>,
    /// How many deposits were begun.
    sent: u32,
    /// How many messages arrived that were there already.
    duplicates: usize,
}

impl<'a> Network<'a> {
    fn start(place: &'a NodeFiles, seed: u64) -> Self {
        let central = Some(place.central());
        let distributed = Some(place.distributed(&["--batch"]));
        Self { place, chance: Chance(seed), central, distributed, first: 0, reported: Reported::default() }
    }

    /// Gives some deposits to the distributed node, which keeps them one after the other while it forwards those before.
    fn deposit_some(&mut self) {
        for _ in 0..=self.chance.up_to(12) {
            let number = self.reported.sent;
            self.reported.sent += 1;
            self.place.write(&format!("{number}.wav"), wav(number));
            let (file, mailbox) = (self.place.text(&format!("{number}.wav")), mailbox_of(number));
            let line = format!("--deposit {file} --to {mailbox}{}\n", if number.is_multiple_of(5) { " --urgent" } else { "" });
            assert!(self.distributed.as_mut().unwrap().write_input(&line));
        }
    }

    /// Kills either of them, or both, at a moment nobody can foretell, and starts it again.
    fn kill_one(&mut self) {
        thread::sleep(Duration::from_micros(self.chance.up_to(120_000)));
        let which = self.chance.up_to(5);
        if which <= 2 {
            let printed = self.distributed.take().unwrap().kill();
            self.note_distributed(&printed);
        }
        if which >= 2 {
            let printed = self.central.take().unwrap().kill();
            self.note_central(&printed);
            self.central = Some(self.place.central());
        }
        if self.distributed.is_none() {
            self.first = self.reported.sent;
            self.distributed = Some(self.place.distributed(&["--batch"]));
        }
    }

    /// Waits until all that was given is kept and nothing waits any more, and stops both.
    fn stop(mut self) -> Reported {
        let mut distributed = self.distributed.take().unwrap();
        let given = usize::try_from(self.reported.sent - self.first).unwrap();
        distributed.wait_until(|printed| (printed.lines_of("kept").count() == given).then_some(()));
        let patience = Instant::now() + PATIENCE;
        while !self.place.waiting().is_empty() {
            assert!(Instant::now() < patience, "these wait still: {:#?}", self.place.waiting());
            thread::sleep(Duration::from_millis(20));
        }
        let ended = distributed.stop();
        assert_eq!(ended.status, Some(0), "{ended:#?}");
        self.note_distributed(&ended.printed);
        let ended = self.central.take().unwrap().stop();
        assert_eq!(ended.status, Some(0), "{ended:#?}");
        self.note_central(&ended.printed);
        self.reported
    }

    fn note_distributed(&mut self, printed: &Printed) {
        for (number, id) in (self.first..).zip(printed.lines_of("kept")) {
            assert_eq!(self.reported.kept.insert(id.parse().unwrap(), number), None, "{id} was reported twice");
        }
        self.reported.recovered.extend(printed.lines_of("recovered").map(|id| id.parse::<MessageId>().unwrap()));
        let strange = printed.err.iter().filter(|line| !line.starts_with("waiting ") && !line.contains("unreadable"));
        assert_eq!(strange.collect::<Vec<_>>(), Vec::<&String>::new());
    }

    fn note_central(&mut self, printed: &Printed) {
        assert_eq!(printed.err, Vec::<String>::new());
        self.reported.duplicates += printed.lines_of("duplicate").count();
    }
}

/// The messages that are stored but were not reported as kept: the `kept` line, or the deposit itself, was cut off.
#[derive(Default)]
struct Extra {
    whole: u32,
    cut_off: u32,
}

impl Extra {
    /// Counts `message`, which must be the deposit `number`, or the beginning of it and say so.
    fn count(&mut self, number: u32, message: &Message) {
        let (audio, deposited) = (message.audio().bytes(), wav(number));
        assert!(deposited.starts_with(audio), "{} is the beginning of deposit {number}", message.id());
        if audio.len() == deposited.len() {
            self.whole += 1;
        } else {
            assert_eq!(message.head().end_reason, EndReason::Truncated, "{} says that it was cut off", message.id());
            self.cut_off += 1;
        }
    }
}

/// Which of the first `sent` deposits `message` is, or the beginning of.
fn number_of(message: &Message, sent: u32) -> u32 {
    let stamp = message.audio().bytes()[44..48].try_into().map(u32::from_le_bytes).unwrap();
    assert!(stamp < sent, "{} was deposited", message.id());
    stamp
}

/// All messages in all mailboxes of the central node, by id. It must have stopped.
fn stored(place: &NodeFiles) -> BTreeMap<MessageId, (MailboxId, Message)> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = MaildirStore::builder(place.path("store")).open().await.unwrap();
        let mut all = BTreeMap::new();
        for mailbox in MAILBOXES.map(|number| number.parse::<MailboxId>().unwrap()) {
            for entry in store.list(&mailbox).await.unwrap() {
                let id = entry.head.id;
                let message = store.retrieve(&mailbox, id).await.unwrap();
                assert!(all.insert(id, (mailbox.clone(), message)).is_none(), "{id} is stored twice");
            }
        }
        all
    })
}

fn mailbox_of(number: u32) -> MailboxId {
    MAILBOXES[number as usize % MAILBOXES.len()].parse().unwrap()
}

/// The sound of deposit `number`: 1 to 4 seconds that begin with the number.
fn wav(number: u32) -> Vec<u8> {
    let mut chance = Chance(u64::from(number));
    let mut data = number.to_le_bytes().to_vec();
    data.resize_with(16_000 + 2 * usize::try_from(chance.up_to(24_000)).unwrap(), || chance.next().to_le_bytes()[0]);
    let mut wav = Wav::header(Format::TELEPHONE_L16, u32::try_from(data.len()).unwrap());
    wav.extend(data);
    wav
}

/// Random numbers that a seed repeats: `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn up_to(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

fn random_seed() -> u64 {
    u64::from_le_bytes(*MessageId::random().as_bytes().first_chunk().unwrap())
}

const MAILBOXES: [&str; 5] = ["2001", "2002", "2003", "2004", "2005"];
const PATIENCE: Duration = Duration::from_secs(60);
