//! Delivery to destinations that are dead, come back, break their contract, or never answer while the node stops.

use std::collections::VecDeque;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::disk::{Disk as _, PowerCutDisk};
use crate::event::{Events, Occurrence};
use crate::forward::{MemoryForwarder, Reply, Script};
use crate::message::{ClockQuality, ClockSource, Head, Message, MessageId, RecordedAt, Urgency};
use crate::spool::{FileHead, SoundInput, SoundSource};

const CENTRAL: &str = "central.example";
const HERE: &str = "here";
const ROOT: &str = "/spool";

struct Fixture {
    disk: Arc<PowerCutDisk>,
    spool: Spool,
    events: tokio::sync::broadcast::Receiver<Occurrence>,
}

impl Fixture {
    async fn new() -> Self {
        Self::on(Arc::new(PowerCutDisk::new())).await // one in memory, never cut here
    }

    async fn on(disk: Arc<PowerCutDisk>) -> Self {
        let reporter = Events::new();
        let events = reporter.subscribe();
        let spool = Spool::builder(ROOT).disk(Arc::clone(&disk)).events(reporter).open().await.unwrap();
        Self { disk, spool, events }
    }

    /// Queues a message for these mailboxes of `destination`.
    fn put(&self, destination: &str, mailboxes: &[&str]) -> MessageId {
        self.put_as(destination, mailboxes, Urgency::Normal)
    }

    fn put_as(&self, destination: &str, mailboxes: &[&str], urgency: Urgency) -> MessageId {
        self.put_sound(destination, mailboxes, urgency, b"a sound")
    }

    fn put_sound(&self, destination: &str, mailboxes: &[&str], urgency: Urgency, sound: &[u8]) -> MessageId {
        self.put_from(SoundSource::Call, destination, mailboxes, urgency, sound)
    }

    fn put_from(&self, source: SoundSource, destination: &str, mailboxes: &[&str], urgency: Urgency, sound: &[u8]) -> MessageId {
        let quality = ClockQuality::unknown(ClockSource::System);
        let instant = chrono::Utc::now();
        let mut head = Head::new(RecordedAt { instant, zone: chrono_tz::Europe::London, quality });
        head.urgency = urgency;
        let id = head.id;
        let mailboxes: Vec<MailboxId> = mailboxes.iter().map(|number| number.parse().unwrap()).collect();
        let head = FileHead::new(source, head, mailboxes.clone());
        let mut file = match source {
            SoundSource::File => self.spool.begin_whole(head, &sound.to_vec().into()).unwrap(),
            SoundSource::Call => {
                let mut file = self.spool.begin(head, SoundInput::Verbatim).unwrap();
                file.append(sound).unwrap();
                file.complete().unwrap();
                file
            }
        };
        let to: Vec<(Arc<str>, MailboxId)> = mailboxes.into_iter().map(|mailbox| (destination.into(), mailbox)).collect();
        self.spool.enqueue(&mut file, &to, || {}).unwrap();
        id
    }

    /// Drops a message for [`CENTRAL`] from memory, so that it is read from its file, as after a restart.
    fn forget(&self, id: MessageId) {
        self.spool.destination(CENTRAL).cache().take(id).unwrap();
    }

    fn name(&self, destination: &str, id: MessageId) -> String {
        self.queued_files(destination).into_iter().find(|name| name.contains(&id.to_string())).unwrap()
    }

    fn path(&self, destination: &str, id: MessageId) -> PathBuf {
        Path::new(ROOT).join("queue").join(destination).join(self.name(destination, id))
    }

    /// The same disk with a spool that was opened again.
    async fn reopen(self) -> Self {
        let Self { disk, spool, .. } = self;
        drop(spool);
        Self::on(disk).await
    }

    /// The names of the files that were quarantined so far, and the reasons.
    fn quarantined(&mut self) -> Vec<(String, String)> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .filter_map(|occurrence| match occurrence.event {
                Event::Unreadable { file, reason } => Some((file, reason)),
                _ => None,
            })
            .collect()
    }

    /// Delivers to `destination` until `done`, and for as long as stopping takes then.
    async fn deliver(&self, destination: &str, forwarder: &dyn Forwarder, done: impl Future<Output = ()> + Send) {
        deliver(&self.spool, destination, forwarder, std::future::pending(), done).await;
    }

    fn depth(&self, destination: &str) -> usize {
        self.spool.state().into_iter().find(|state| state.destination == destination).map_or(0, |state| state.depth)
    }

    fn queued_files(&self, destination: &str) -> Vec<String> {
        self.disk.list(&Path::new(ROOT).join("queue").join(destination)).unwrap()
    }

    /// The reasons of all messages that were deferred so far.
    fn deferred(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .filter_map(|occurrence| match occurrence.event {
                Event::Deferred { reason, .. } => Some(reason),
                _ => None,
            })
            .collect()
    }
}

/// Waits until `destination` has nothing left, looking every 10 ms of a clock that is paused.
async fn empty(spool: &Spool, destination: &str) {
    let emptied = async {
        while spool.state().iter().any(|state| state.destination == destination && state.depth > 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(2 * 3600), emptied).await.expect("nothing waits for ever");
}

fn mailbox() -> MailboxId {
    "2001".parse().unwrap()
}

/// A way to break the contract of a forwarder.
#[derive(Debug, Clone, Copy)]
enum Violation {
    Panic,
    NoOutcome,
    OutcomesTooMany,
}

/// A forwarder that breaks its contract in its first calls, and then keeps it.
#[derive(Debug)]
struct ContractBreaker {
    violations: Mutex<VecDeque<Violation>>,
    correct: MemoryForwarder,
}

#[async_trait]
impl Forwarder for ContractBreaker {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let violation = self.violations.lock().unwrap().pop_front();
        let outcomes = match violation {
            Some(Violation::Panic) => panic!("as scripted"),
            Some(Violation::NoOutcome) => Vec::new(),
            Some(Violation::OutcomesTooMany) => {
                let mut acceptance = self.correct.forward(message, recipients).await?;
                acceptance.outcomes.push(Outcome::Accepted);
                return Ok(acceptance);
            }
            None => return self.correct.forward(message, recipients).await,
        };
        Ok(Acceptance::new(outcomes, TransportSecurity::InMemory))
    }
}

/// A peer that can be taken off the network.
#[derive(Debug, Clone, Default)]
struct Peer {
    kept: MemoryForwarder,
    is_up: Arc<std::sync::atomic::AtomicBool>,
    up_at: Arc<Mutex<Option<tokio::time::Instant>>>,
    noticed_after: Arc<Mutex<Option<Duration>>>,
}

#[async_trait]
impl Forwarder for Peer {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        if !self.is_up.load(std::sync::atomic::Ordering::Relaxed) {
            // As a path on which nothing comes back: the call ends by its time limit.
            tokio::time::sleep(Duration::from_secs(60)).await;
            return Err(ForwardError::TimedOut { peer: "peer".to_owned(), step: "connection" });
        }
        let up_at = self.up_at.lock().unwrap().unwrap();
        self.noticed_after.lock().unwrap().get_or_insert(up_at.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.kept.forward(message, recipients).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_destination_delays_nobody_else() {
    let fixture = Fixture::new().await;
    for _ in 0..50 {
        fixture.put(CENTRAL, &["2001"]);
        fixture.put(HERE, &["2001"]);
    }
    let (dead, alive) = (Peer::default(), MemoryForwarder::new());
    let began = tokio::time::Instant::now();
    let mut took = None;
    let stop = Notify::new();
    let filing = async {
        fixture.deliver(HERE, &alive, empty(&fixture.spool, HERE)).await;
        took = Some(began.elapsed());
        stop.notify_one();
    };
    futures::future::join(fixture.deliver(CENTRAL, &dead, stop.notified()), filing).await;
    assert!(took.unwrap() < Duration::from_millis(100), "{took:?}");
    assert_eq!((fixture.depth(CENTRAL), fixture.depth(HERE), alive.taken(&mailbox()).len()), (50, 0, 50));
}

#[tokio::test(start_paused = true)]
async fn a_returned_destination_is_noticed_in_3_s_and_gets_everything() {
    let fixture = Fixture::new().await;
    for _ in 0..1_000 {
        fixture.put(CENTRAL, &["2001"]);
    }
    let peer = Peer::default();
    let mut flowed = None;
    let healing = async {
        tokio::time::sleep(Duration::from_secs(600)).await;
        *peer.up_at.lock().unwrap() = Some(tokio::time::Instant::now());
        peer.is_up.store(true, std::sync::atomic::Ordering::Relaxed);
        empty(&fixture.spool, CENTRAL).await;
        flowed = Some(peer.up_at.lock().unwrap().unwrap().elapsed());
    };
    fixture.deliver(CENTRAL, &peer, healing).await;
    let noticed = peer.noticed_after.lock().unwrap().unwrap();
    assert!(noticed <= Duration::from_secs(3), "noticed after {noticed:?}");
    // 1 000 messages of 20 ms, 16 at a time, are 1.25 s. Those stuck since before may return later, and find the way open.
    let flowed = flowed.unwrap();
    assert!(flowed <= Duration::from_secs(65), "all through after {flowed:?}");
    assert_eq!(peer.kept.taken(&mailbox()).len(), 1_000);
    assert!(fixture.queued_files(CENTRAL).is_empty());
}

/// A node whose disk is full until a moment.
#[derive(Debug)]
struct FullNode {
    until: tokio::time::Instant,
    kept: MemoryForwarder,
}

#[async_trait]
impl Forwarder for FullNode {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        if tokio::time::Instant::now() >= self.until {
            return self.kept.forward(message, recipients).await;
        }
        let full = Reply::new(452, "4.3.1 no room is left");
        Ok(Acceptance::new(vec![Outcome::Deferred(full); recipients.len()], TransportSecurity::InMemory))
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_hour_of_full_disk_a_node_gets_all_within_seconds() {
    let fixture = Fixture::new().await;
    for _ in 0..50 {
        fixture.put("central", &["2001"]);
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(3_600);
    fixture.deliver("central", &FullNode { until, kept: MemoryForwarder::new() }, empty(&fixture.spool, "central")).await;
    let late = tokio::time::Instant::now() - until;
    assert!(late <= Duration::from_millis(3_500), "it took {late:?}");
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_of_any_length_the_urgent_message_is_first() {
    for outage in (1..40).map(Duration::from_secs) {
        let fixture = Fixture::new().await;
        for _ in 0..5 {
            fixture.put(CENTRAL, &["2001"]);
        }
        let until = tokio::time::Instant::now() + outage;
        let peer = FullNode { until, kept: MemoryForwarder::new() };
        let mut urgent = None;
        let recovery = async {
            tokio::time::sleep(outage / 2).await;
            urgent = Some(fixture.put_as(CENTRAL, &["2001"], Urgency::Urgent));
            empty(&fixture.spool, CENTRAL).await;
        };
        fixture.deliver(CENTRAL, &peer, recovery).await;
        let taken = peer.kept.taken(&mailbox());
        assert_eq!((taken.len(), Some(taken[0].id())), (6, urgent), "after {outage:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_message_for_several_mailboxes_has_an_outcome_for_each() {
    let mut fixture = Fixture::new().await;
    let id = fixture.put(CENTRAL, &["2001", "2002", "2003"]);
    let peer = MemoryForwarder::new();
    let reply = |code| Reply::new(code, "as scripted");
    peer.answer("2002".parse().unwrap(), Outcome::Deferred(reply(452)));
    peer.answer("2003".parse().unwrap(), Outcome::Refused(reply(550)));
    fixture.deliver(CENTRAL, &peer, tokio::time::sleep(Duration::from_millis(500))).await;
    let waiting = fixture.spool.waiting();
    assert_eq!(waiting.iter().map(|waiting| (waiting.id, waiting.mailbox.as_str())).collect::<Vec<_>>(), [(id, "2002")]);
    let parked = fixture.spool.parked().await.unwrap();
    assert_eq!(parked.iter().map(|parked| (parked.id, parked.mailbox.as_str())).collect::<Vec<_>>(), [(id, "2003")]);
    assert_eq!(fixture.deferred(), ["452 as scripted"]);

    for number in ["2002", "2003"] {
        peer.answer(number.parse().unwrap(), Outcome::Accepted);
    }
    fixture.spool.release(id, &"2003".parse().unwrap()).await.unwrap();
    fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
    for number in ["2001", "2002", "2003"] {
        assert_eq!(peer.taken(&number.parse().unwrap()).len(), 1, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_contract_breaking_forwarder_costs_a_try_and_no_message() {
    for violation in [Violation::Panic, Violation::NoOutcome, Violation::OutcomesTooMany] {
        let mut fixture = Fixture::new().await;
        for _ in 0..5 {
            fixture.put(CENTRAL, &["2001", "2002"]);
        }
        let forwarder = ContractBreaker { violations: Mutex::new([violation; 3].into()), correct: MemoryForwarder::new() };
        fixture.deliver(CENTRAL, &forwarder, empty(&fixture.spool, CENTRAL)).await;
        let deferred = if matches!(violation, Violation::OutcomesTooMany) { 0 } else { 6 };
        assert_eq!(fixture.deferred().len(), deferred, "{violation:?}");
        for number in ["2001", "2002"] {
            assert_eq!(forwarder.correct.taken(&number.parse().unwrap()).len(), 5, "{violation:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_forwarder_that_never_answers_is_given_up_in_the_end() {
    let fixture = Fixture::new().await;
    for _ in 0..20 {
        fixture.put(CENTRAL, &["2001"]);
    }
    let forwarder = MemoryForwarder::new();
    (0..16).for_each(|_| forwarder.next(Script::NeverAnswer));
    fixture.deliver(CENTRAL, &forwarder, tokio::time::sleep(Duration::from_secs(3_700))).await;
    assert_eq!(forwarder.taken(&mailbox()).len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_stop_takes_30_s_if_the_peer_hangs_and_the_message_waits() {
    let fixture = Fixture::new().await;
    fixture.put(CENTRAL, &["2001"]);
    let forwarder = MemoryForwarder::new();
    forwarder.next(Script::NeverAnswer);
    let began = tokio::time::Instant::now();
    fixture.deliver(CENTRAL, &forwarder, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(began.elapsed().as_secs(), 31);
    assert_eq!(fixture.queued_files(CENTRAL).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn unreadable_files_are_set_aside_and_delay_nothing_in_outages() {
    let fixture = Fixture::new().await;
    let peer = MemoryForwarder::new();
    peer.next(Script::Fail(ForwardError::TimedOut { peer: "peer".to_owned(), step: "connection" }));
    fixture.put(CENTRAL, &["2001"]);
    fixture.deliver(CENTRAL, &peer, tokio::time::sleep(Duration::from_millis(100))).await;
    // Now one message at a time is sent as a probe, and these are next.
    for _ in 0..10 {
        let unreadable = fixture.put(CENTRAL, &["2001"]);
        let path = fixture.path(CENTRAL, unreadable);
        fixture.disk.remove(&path).unwrap();
        fixture.disk.create(&path).unwrap().write_all_at(b"no message", 0).unwrap();
        fixture.forget(unreadable);
    }
    fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
    assert_eq!(peer.taken(&mailbox()).len(), 1);
    assert_eq!(fixture.disk.list(&Path::new(ROOT).join("unreadable")).unwrap().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_not_its_names_message_is_put_aside() {
    let mut fixture = Fixture::new().await;
    let peer = MemoryForwarder::new();
    let (other, emptied, waits) =
        (fixture.put(CENTRAL, &["2001"]), fixture.put(CENTRAL, &["2001"]), fixture.put(CENTRAL, &["2002"]));
    let path = fixture.path(CENTRAL, other);
    fixture.disk.remove(&path).unwrap();
    fixture.disk.link(&fixture.path(CENTRAL, waits), &path).unwrap();
    fixture.disk.open(&fixture.path(CENTRAL, emptied)).unwrap().set_len(0).unwrap();
    for id in [other, emptied, waits] {
        fixture.forget(id);
    }
    let mut reasons = vec![
        (fixture.name(CENTRAL, other), "not a readable spool file: its head has the id of another message than its name"),
        (fixture.name(CENTRAL, emptied), "not a readable spool file: the file is empty"),
    ];
    reasons.sort_unstable();
    fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
    let arrived = |mailbox: &str| peer.taken(&mailbox.parse().unwrap()).iter().map(Message::id).collect::<Vec<_>>();
    assert_eq!((arrived("2001"), arrived("2002")), (vec![], vec![waits]));
    let mut aside = fixture.quarantined();
    aside.sort_unstable();
    assert_eq!(aside.iter().map(|(file, reason)| (file.clone(), reason.as_str())).collect::<Vec<_>>(), reasons);
    let kept: Vec<_> = reasons.into_iter().map(|(file, _)| file).collect();
    assert_eq!(fixture.disk.list(&Path::new(ROOT).join("unreadable")).unwrap(), kept);
}

#[tokio::test(start_paused = true)]
async fn a_start_removes_nothing_that_was_not_delivered_or_discarded() {
    let fixture = Fixture::new().await;
    let root = Path::new(ROOT);
    let (renamed, emptied, waits, lost) = (
        fixture.put(CENTRAL, &["2001"]),
        fixture.put(CENTRAL, &["2001"]),
        fixture.put(CENTRAL, &["2002"]),
        fixture.put(CENTRAL, &["2003"]),
    );
    let disk = Arc::clone(&fixture.disk);
    let write = |path: PathBuf, bytes: &[u8]| disk.create(&path).unwrap().write_all_at(bytes, 0).unwrap();
    // One damaged digit in a name.
    let name = fixture.name(CENTRAL, renamed);
    let damaged_name = name.replace(&renamed.to_string(), &MessageId::random().to_string());
    disk.rename(&fixture.path(CENTRAL, renamed), &root.join("queue").join(CENTRAL).join(&damaged_name)).unwrap();
    disk.open(&fixture.path(CENTRAL, emptied)).unwrap().set_len(0).unwrap();
    // A power cut has taken a recording back to the name that its file had before.
    disk.rename(&fixture.path(CENTRAL, lost), &root.join("spare/7")).unwrap();
    write(root.join("spare/8"), b"");
    write(root.join("spare/9"), b"no message");
    write(root.join("spare/song.wav"), b"a sound");
    // Not the file that waits, though it has its name.
    write(root.join("parked").join(fixture.name(CENTRAL, waits)), b"another message");
    let folder = fixture.name(CENTRAL, waits).replace(&waits.to_string(), &MessageId::random().to_string());
    disk.create_dir(&root.join("queue").join(CENTRAL).join(&folder)).unwrap();
    let (emptied, waiting) = (fixture.name(CENTRAL, emptied), fixture.name(CENTRAL, waits));

    let mut fixture = fixture.reopen().await;
    let left_over = fixture.spool.left_over().unwrap();
    assert_eq!(left_over, [format!("{lost}.vm")]);
    assert!(fixture.spool.take_up(&left_over[0]).unwrap().unwrap().finished);
    let peer = MemoryForwarder::new();
    fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
    assert_eq!(peer.taken(&"2002".parse().unwrap()).len(), 1);
    assert_eq!(peer.taken(&mailbox()).len(), 0);

    let mut expected = vec![damaged_name, emptied, "9".to_owned(), "song.wav".to_owned(), waiting, folder];
    expected.sort_unstable();
    let mut aside: Vec<_> = fixture.quarantined().into_iter().map(|(file, _)| file).collect();
    aside.sort_unstable();
    assert_eq!(aside, expected, "each is reported");
    assert_eq!(disk.list(&root.join("unreadable")).unwrap(), expected);
    assert_eq!(disk.list(&root.join("parked")).unwrap(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_parked_namesake_is_not_taken_for_the_message_itself() {
    let mut fixture = Fixture::new().await;
    // Two names lead to the file, as of any message for two mailboxes.
    let id = fixture.put(CENTRAL, &["2001", "2002"]);
    let name = fixture.name(CENTRAL, id);
    let parked = Path::new(ROOT).join("parked");
    fixture.disk.create(&parked.join(&name)).unwrap().write_all_at(b"another file", 0).unwrap();
    let owner = fixture.spool.waiting()[0].mailbox.clone();
    fixture.spool.park(id, &owner, "as scripted").await.unwrap();
    let reported = fixture.quarantined();
    assert_eq!((reported.len(), &reported[0].0), (1, &name));
    let aside = MessageFile::open(&*fixture.disk, &Path::new(ROOT).join("unreadable").join(&name), id);
    assert!(aside.is_ok(), "it is whole: {aside:?}");
    assert_eq!(crate::disk::read(&*fixture.disk, &parked.join(&name)).unwrap(), b"another file");
}

/// A forwarder that reads each sound to its end, as it is sent.
#[derive(Debug, Default)]
struct ReadingForwarder(MemoryForwarder);

#[async_trait]
impl Forwarder for ReadingForwarder {
    async fn forward(&self, message: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        let mut sound = Vec::new();
        if let Err(source) = message.audio().reader().read_to_end(&mut sound) {
            return Err(ForwardError::Unreachable { peer: "peer".to_owned(), source: source.into() });
        }
        self.0.forward(message, recipients).await
    }

    fn reads_sounds(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_sound_with_a_flipped_bit_is_parked_as_damaged_and_not_sent() {
    let flips: [(usize, u64); 5] = [(100_000, 0), (100_000, 99_999), (3 << 20, 0), (3 << 20, 1 << 20), (3 << 20, (3 << 20) - 1)];
    for (bytes, at) in flips {
        let fixture = Fixture::new().await;
        let id = fixture.put_sound(CENTRAL, &["2001", "2002"], Urgency::Normal, &vec![7; bytes]);
        fixture.spool.destination(CENTRAL).cache().take(id);
        let at = 1024 + at;
        fixture.disk.open(&fixture.path(CENTRAL, id)).unwrap().write_all_at(&[7 ^ 0x10], at).unwrap();
        let peer = ReadingForwarder::default();
        fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
        let parked = fixture.spool.parked().await.unwrap();
        assert_eq!(parked.len(), 2, "{bytes} bytes, flipped at {at}");
        assert!(parked.iter().all(|parked| parked.reason.starts_with("damaged: ")), "{parked:?}");
        assert_eq!(peer.0.taken(&mailbox()), [], "{bytes} bytes, flipped at {at}");
        // An operator may hear what is left of it.
        assert_eq!(fixture.spool.export(id, &mailbox()).await.unwrap().audio().bytes().len(), bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sent_messages_file_is_emptied_and_used_for_the_next_one() {
    let fixture = Fixture::new().await;
    let peer = MemoryForwarder::new();
    let spare = || fixture.disk.list(&Path::new(ROOT).join("spare")).unwrap();
    for n in 0..6_u8 {
        fixture.put_sound(CENTRAL, &["2001", "2002"], Urgency::Normal, &[n; 100]);
        // The name of the one before is gone for good only since this one was flushed.
        assert_eq!(spare().len(), usize::from(n > 0));
        fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
        assert_eq!(spare().len(), if n > 0 { 2 } else { 1 });
        for file in spare() {
            assert!(fixture.disk.open(&Path::new(ROOT).join("spare").join(file)).unwrap().is_empty().unwrap());
        }
    }
    let taken = peer.taken(&mailbox());
    assert_eq!(taken.len(), 6);
    assert!((0..6_u8).zip(&taken).all(|(n, message)| message.audio().bytes()[..] == [n; 100]), "each with its own sound");
}

#[tokio::test(start_paused = true)]
async fn a_delivered_sound_stays_in_a_spare_file_for_a_minute() {
    let fixture = Fixture::new().await;
    let peer = MemoryForwarder::new();
    let lengths = || {
        let folder = Path::new(ROOT).join("spare");
        let files = fixture.disk.list(&folder).unwrap();
        files.iter().map(|name| fixture.disk.open(&folder.join(name)).unwrap().len().unwrap()).collect::<Vec<_>>()
    };
    let put = || fixture.put_from(SoundSource::File, CENTRAL, &["2001"], Urgency::Normal, &[7; 5000]);
    let stop = async {
        for expected in [[6024].as_slice(), &[6024, 6024], &[6024, 6024]] {
            put();
            empty(&fixture.spool, CENTRAL).await;
            assert_eq!(lengths(), expected);
        }
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(lengths(), [6024, 6024]);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(lengths(), [0, 0], "nobody used them for a minute");
        put();
        put();
        empty(&fixture.spool, CENTRAL).await;
        assert!(lengths().contains(&6024));
    };
    fixture.deliver(CENTRAL, &peer, stop).await;
    assert!(lengths().iter().all(|len| *len == 0), "nothing stays after a stop: {:?}", lengths());
    assert_eq!(peer.taken(&mailbox()).len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_delivered_message_whose_name_comes_back_is_not_sent_again() {
    let fixture = Fixture::new().await;
    let id = fixture.put_from(SoundSource::File, CENTRAL, &["2001"], Urgency::Normal, &[7; 5000]);
    let path = fixture.path(CENTRAL, id);
    let peer = MemoryForwarder::new();
    let back = async {
        empty(&fixture.spool, CENTRAL).await;
        let spare = Path::new(ROOT).join("spare");
        let name = fixture.disk.list(&spare).unwrap().remove(0);
        fixture.disk.link(&spare.join(name), &path).unwrap();
    };
    fixture.deliver(CENTRAL, &peer, back).await;
    // The stop has emptied the file. Here it is as before: its sound with the head of a settled message.
    fixture.disk.open(&path).unwrap().set_len(6024).unwrap();
    fixture.disk.open(&path).unwrap().write_all_at(&crate::spool::head::settled_head(), 0).unwrap();
    let mut fixture = fixture.reopen().await;
    fixture.deliver(CENTRAL, &peer, empty(&fixture.spool, CENTRAL)).await;
    assert_eq!(peer.taken(&mailbox()).len(), 1);
    assert_eq!(fixture.quarantined(), []);
    assert_eq!(fixture.queued_files(CENTRAL), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_delivered_sound_is_no_message_after_a_crash() {
    let fixture = Fixture::new().await;
    let id = fixture.put_from(SoundSource::File, CENTRAL, &["2001"], Urgency::Normal, &[7; 5000]);
    let peer = MemoryForwarder::new();
    tokio::select! {
        () = fixture.deliver(CENTRAL, &peer, std::future::pending()) => {}
        () = empty(&fixture.spool, CENTRAL) => {}
    }
    let spare = Path::new(ROOT).join("spare");
    assert_eq!(fixture.disk.list(&spare).unwrap().len(), 1, "{id} was sent");
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.spool.left_over().unwrap(), [""; 0]);
    assert_eq!(fixture.disk.list(&spare).unwrap(), [""; 0]);
}

/// A forwarder that answers all its calls at once, when so many have come.
#[derive(Debug)]
struct Together(tokio::sync::Barrier);

#[async_trait]
impl Forwarder for Together {
    async fn forward(&self, _: &Message, recipients: &[MailboxId]) -> Result<Acceptance, ForwardError> {
        self.0.wait().await;
        Ok(Acceptance::new(vec![Outcome::Accepted; recipients.len()], TransportSecurity::InMemory))
    }
}

#[test]
fn messages_delivered_together_are_removed_in_few_visits() {
    let handed = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let started = Arc::clone(&handed);
    let mut builder = tokio::runtime::Builder::new_current_thread();
    // With no thread kept idle, each visit to the disk starts one.
    let builder = builder.enable_all().thread_keep_alive(Duration::ZERO).on_thread_start(move || {
        started.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    });
    builder.build().unwrap().block_on(async {
        let mut fixture = Fixture::new().await;
        for n in 0..20 {
            fixture.put_from(SoundSource::File, CENTRAL, &["2001"], Urgency::Normal, &[n; 5000]);
        }
        let before = handed.load(std::sync::atomic::Ordering::SeqCst);
        let peer = Together(tokio::sync::Barrier::new(20));
        tokio::select! {
            () = fixture.deliver(CENTRAL, &peer, std::future::pending()) => {}
            () = empty(&fixture.spool, CENTRAL) => {}
        }
        let visits = handed.load(std::sync::atomic::Ordering::SeqCst) - before;
        assert!((1..=3).contains(&visits), "{visits} visits");
        let forwarded = std::iter::from_fn(|| fixture.events.try_recv().ok());
        assert_eq!(forwarded.filter(|occurrence| matches!(occurrence.event, Event::Forwarded { .. })).count(), 20);
        assert_eq!(fixture.queued_files(CENTRAL), [""; 0]);
    });
}
