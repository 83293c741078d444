//! Every call may be dropped wherever it stands, as a hang-up does: the same call again settles it.
//!
//! Each call is polled once, twice and so on until it completes, and dropped before that; then what it promises is looked at.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::fs;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use support::{CENTRAL, HIMALAYA, clock, mailbox, network, node, run, site, soon, wav};
use tempfile::{TempDir, tempdir};
use tokio::net::TcpListener;
use voicemail::audio::Format;
use voicemail::disk::OsDisk;
use voicemail::forward::smtp::Security;
use voicemail::forward::{Failover, Forwarder, MailOut as _, MemoryForwarder, Outcome, Sender, SmtpForwarder, TimeLimited};
use voicemail::greeting::GreetingKind;
use voicemail::intake::{Intake, ListenMode};
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, Origin, RecordedAt, Status, Summary};
use voicemail::mwi::{ChannelSink, LogSink, MwiSink, MwiState};
use voicemail::node::Node;
use voicemail::outbox::Outbox;
use voicemail::record::{CallFacts, Recording};
use voicemail::spool::{Spool, SpoolError};
use voicemail::store::{Deposit, MaildirStore, MemoryStore, MessageStore};
use voicemail::telephone::{PinFolder, PinHash, PinVerdict};

/// Polls `call` at most `polls` times, and drops it then; answers what it answered, if it came so far.
async fn cut<T>(call: impl Future<Output = T>, polls: usize) -> Option<T> {
    let (mut call, mut left) = (pin!(call), polls);
    let cut = std::future::poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    });
    soon(cut).await
}

/// Lets `scene` play with 0, 1, 2, .. polls, until it says that the call has completed.
async fn at_every_poll(mut scene: impl AsyncFnMut(usize) -> bool) {
    for polls in 0.. {
        assert!(polls < 500, "the call never completes");
        if scene(polls).await {
            break;
        }
    }
}

/// Waits for work on the disk that a dropped call left to end.
async fn until(mut holds: impl FnMut() -> bool) {
    soon(async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Returns the result of `work`, after all that it began on the disk has ended.
fn to_the_end<T: Send>(work: impl Future<Output = T> + Send) -> T {
    let in_a_runtime_of_its_own = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work) // and its end waits for whatever blocks
    };
    std::thread::scope(|scope| scope.spawn(in_a_runtime_of_its_own).join()).unwrap()
}

/// All files below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all
}

fn messages_in(folder: &Path) -> usize {
    files(folder).iter().filter(|file| file.extension().is_some_and(|extension| extension == "vm")).count()
}

fn message() -> Message {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2025-03-30T00:59:40Z".parse().unwrap(), chrono_tz::Europe::London, quality);
    Message::builder(Audio::new(AudioType::Wav, wav(1_000, 9)), recorded_at).build()
}

fn mailboxes() -> Vec<voicemail::message::MailboxId> {
    (2001..=2009).map(|number| mailbox(&number.to_string())).collect()
}

async fn edge(folder: &TempDir, forwarder: &MemoryForwarder) -> Node {
    node(HIMALAYA, folder.path()).forwarder(forwarder.clone()).clock(clock()).open().await.unwrap()
}

async fn central(folder: &TempDir, store: &Arc<MemoryStore>) -> Node {
    node(CENTRAL, folder.path()).store(Arc::clone(store)).clock(clock()).open().await.unwrap()
}

/// A recording on the PBX that has one port.
async fn begin(node: &Node, from: &str) -> Recording {
    let mut recording =
        node.record(&site(from), CallFacts::to(mailbox("2001")), Format::TELEPHONE_PCMU).await.expect("a port is free");
    recording.push_payload(&[0x20; 12_000], 0);
    recording
}

#[tokio::test]
async fn node_record_gives_its_port_back_and_leaves_no_file() {
    let folder = tempdir().unwrap();
    let node = edge(&folder, &MemoryForwarder::new()).await;
    let recording = folder.path().join(HIMALAYA).join("recording");
    at_every_poll(async |polls| {
        let done = cut(node.record(&site("tokyo"), CallFacts::to(mailbox("2001")), Format::TELEPHONE_PCMU), polls).await;
        let completed = done.is_some();
        if let Some(recording) = done {
            recording.unwrap().discard().await.unwrap();
        }
        begin(&node, "tokyo").await.discard().await.unwrap();
        completed
    })
    .await;
    drop(node);
    // The spool can be opened when no work that a dropped call left is under way; opening it takes up nothing.
    let spool = Spool::builder(folder.path().join(HIMALAYA)).clock(clock()).open().await.unwrap();
    assert_eq!((files(&recording).len(), spool.waiting().len()), (0, 0));
}

#[tokio::test]
async fn node_deposit_wav_has_kept_nothing_or_the_node_keeps_it() {
    at_every_poll(async |polls| {
        let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
        let node = edge(&folder, &forwarder).await;
        let running = run(&node);
        let done = cut(node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), wav(1_500, 1).into()), polls).await;
        running.stop().await;
        let kept = messages_in(&folder.path().join(HIMALAYA).join("queue")) + forwarder.taken(&mailbox("2001")).len();
        until(|| files(&folder.path().join(HIMALAYA).join("recording")).is_empty()).await;
        assert!(kept <= 1 && (done.is_none() || kept == 1), "{kept} kept after {polls} polls");
        done.is_some()
    })
    .await;
}

#[test]
fn node_deposit_wav_dropped_before_its_work_keeps_nothing() {
    let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let node = edge(&folder, &forwarder).await;
        // The PBX at Tokyo has one port.
        let tokyo = site("tokyo");
        let deposit = |seed| node.deposit_wav(&tokyo, CallFacts::to(mailbox("2001")), wav(1_500, seed).into());
        let (release, held) = std::sync::mpsc::channel::<()>();
        let busy = tokio::task::spawn_blocking(move || held.recv());
        assert!(cut(deposit(1), 1).await.is_none());
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        let kept = deposit(2).await.unwrap();
        let waiting = node.spool().waiting();
        assert!(waiting.len() == 1 && waiting[0].id == kept.id, "{waiting:?}");
    });
}

#[tokio::test]
async fn recording_finish_is_hanging_up_and_the_message_is_kept_once() {
    at_every_poll(async |polls| {
        let (folder, store) = (tempdir().unwrap(), Arc::new(MemoryStore::new(mailboxes())));
        let node = central(&folder, &store).await;
        let running = run(&node);
        let done = cut(begin(&node, "london").await.finish(), polls).await;
        running.stop().await;
        assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), 1, "after {polls} polls");
        assert_eq!(messages_in(folder.path()), 0, "after {polls} polls");
        done.is_some()
    })
    .await;
    at_every_poll(async |polls| {
        let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
        let node = edge(&folder, &forwarder).await;
        let running = run(&node);
        let done = cut(begin(&node, "tokyo").await.finish(), polls).await;
        begin(&node, "tokyo").await.discard().await.unwrap();
        running.stop().await;
        let waiting = messages_in(&folder.path().join(HIMALAYA).join("queue"));
        assert_eq!(waiting + forwarder.taken(&mailbox("2001")).len(), 1, "after {polls} polls");
        assert!(files(&folder.path().join(HIMALAYA).join("recording")).is_empty(), "after {polls} polls");
        done.is_some()
    })
    .await;
}

#[tokio::test]
async fn recording_discard_leaves_nothing_once_it_was_polled() {
    at_every_poll(async |polls| {
        let (folder, store) = (tempdir().unwrap(), Arc::new(MemoryStore::new(mailboxes())));
        let node = central(&folder, &store).await;
        let running = run(&node);
        let done = cut(begin(&node, "london").await.discard(), polls).await;
        running.stop().await;
        until(|| messages_in(folder.path()) == 0).await;
        assert_eq!(store.list(&mailbox("2001")).await.unwrap().len(), usize::from(polls == 0), "after {polls} polls");
        done.is_some()
    })
    .await;
}

#[tokio::test]
async fn recording_restart_gives_its_port_back_and_keeps_nothing() {
    at_every_poll(async |polls| {
        let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
        let node = edge(&folder, &forwarder).await;
        let running = run(&node);
        let done = cut(begin(&node, "tokyo").await.restart(), polls).await;
        let completed = done.is_some();
        if let Some(again) = done {
            assert!(node.record(&site("tokyo"), CallFacts::to(mailbox("2001")), Format::TELEPHONE_PCMU).await.is_err());
            again.unwrap().discard().await.unwrap();
        }
        begin(&node, "tokyo").await.discard().await.unwrap();
        running.stop().await;
        until(|| files(&folder.path().join(HIMALAYA).join("recording")).is_empty()).await;
        let kept = messages_in(&folder.path().join(HIMALAYA).join("queue")) + forwarder.taken(&mailbox("2001")).len();
        assert_eq!(kept, usize::from(polls == 0), "after {polls} polls");
        completed
    })
    .await;
}

#[tokio::test]
async fn a_recording_of_a_dead_node_is_recovered_to_its_last_byte() {
    let (folder, store) = (tempdir().unwrap(), Arc::new(MemoryStore::new(mailboxes())));
    let node = central(&folder, &store).await;
    assert!(cut(node.run(std::future::pending()), 1).await.is_none());
    let recording = begin(&node, "london").await;
    drop(node);
    drop(recording);
    let node = central(&folder, &store).await;
    run_until_empty(&node, folder.path()).await;
    let entries = store.list(&mailbox("2001")).await.unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].head.length, Duration::from_millis(1_500));
}

async fn run_until_empty(node: &Node, folder: &Path) {
    let running = run(node);
    until(|| messages_in(folder) == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn node_run_resumes_after_a_restart_and_messages_arrive_once() {
    at_every_poll(async |polls| {
        let (folder, store) = (tempdir().unwrap(), Arc::new(MemoryStore::new(mailboxes())));
        let forwarder = MemoryForwarder::into_store(Arc::clone(&store), Origin::Unproven);
        let node = edge(&folder, &forwarder).await;
        for seed in 0..2 {
            let facts = CallFacts::to(mailbox("2001"));
            node.deposit_wav(&site("kathmandu"), facts, wav(1_000, seed * 2).into()).await.unwrap();
        }
        drop(begin(&node, "kathmandu").await);
        let stop = until(|| forwarder.taken(&mailbox("2001")).len() == 3);
        let done = cut(node.run(stop), polls).await;
        drop(node);
        let node = edge(&folder, &forwarder).await;
        run_until_empty(&node, folder.path()).await;
        let ids: Vec<_> = store.list(&mailbox("2001")).await.unwrap().into_iter().map(|entry| entry.head.id).collect();
        assert_eq!(ids.len(), 3, "after {polls} polls: {ids:?}");
        done.is_some() || polls >= MOST_POLLS_OF_RUN
    })
    .await;
}

#[tokio::test]
async fn node_open_takes_up_what_it_had_begun_to_take_up() {
    let (crashed, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
    let node_before = edge(&crashed, &forwarder).await;
    let recordings = [begin(&node_before, "kathmandu").await, begin(&node_before, "tokyo").await];
    assert!(cut(node_before.run(std::future::pending()), 1).await.is_none());
    drop((recordings, node_before));
    at_every_poll(async |polls| {
        let folder = tempdir().unwrap();
        let recording = folder.path().join(HIMALAYA).join("recording");
        fs::create_dir_all(&recording).unwrap();
        for file in files(&crashed.path().join(HIMALAYA).join("recording")) {
            fs::copy(&file, recording.join(file.file_name().unwrap())).unwrap();
        }
        let open = || node(HIMALAYA, folder.path()).forwarder(forwarder.clone()).clock(clock()).open();
        let done = cut(open(), polls).await.is_some();
        let node = open().await.unwrap();
        assert_eq!((node.spool().waiting().len(), files(&recording).len()), (2, 0), "after {polls} polls");
        done
    })
    .await;
}

#[tokio::test]
async fn spool_open_lets_go_of_its_lock() {
    let folder = tempdir().unwrap();
    let open = || Spool::builder(folder.path().join("spool")).open();
    at_every_poll(async |polls| {
        let done = cut(open(), polls).await.is_some();
        drop(open().await.unwrap());
        done
    })
    .await;
    let _held = open().await.unwrap();
    assert!(matches!(open().await, Err(SpoolError::InUse(_))));
}

#[tokio::test]
async fn spool_park_and_release_move_a_message_once() {
    let folder = tempdir().unwrap();
    let node = edge(&folder, &MemoryForwarder::new()).await;
    let kept = node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), wav(1_000, 1).into()).await.unwrap();
    let (spool, owner) = (node.spool(), mailbox("2001"));
    let (queue, parked) = (folder.path().join(HIMALAYA).join("queue"), folder.path().join(HIMALAYA).join("parked"));
    at_every_poll(async |polls| {
        let park_done = cut(spool.park(kept.id, &owner, "x"), polls).await.is_some();
        let again = spool.park(kept.id, &owner, "x").await;
        assert!(matches!(again, Ok(()) | Err(SpoolError::NotWaiting { .. })), "{again:?}");
        until(|| messages_in(&parked) == 1 && messages_in(&queue) == 0).await;
        assert_eq!((spool.waiting().len(), files(&parked).len()), (0, 2));
        assert_eq!(spool.parked().await.unwrap().len(), 1);

        let release_done = cut(spool.release(kept.id, &owner), polls).await.is_some();
        let again = spool.release(kept.id, &owner).await;
        assert!(matches!(again, Ok(()) | Err(SpoolError::NotParked { .. })), "{again:?}");
        until(|| files(&parked).is_empty() && spool.waiting().len() == 1).await;
        park_done && release_done
    })
    .await;
}

#[tokio::test]
async fn spool_parked_and_export_change_nothing() {
    let folder = tempdir().unwrap();
    let node = edge(&folder, &MemoryForwarder::new()).await;
    let kept = node.deposit_wav(&site("tokyo"), CallFacts::to(mailbox("2001")), wav(1_000, 1).into()).await.unwrap();
    let before = files(folder.path());
    at_every_poll(async |polls| {
        let exported = cut(node.spool().export(kept.id, &mailbox("2001")), polls).await;
        let parked = cut(node.spool().parked(), polls).await;
        assert!(node.spool().export(kept.id, &mailbox("2001")).await.unwrap().audio().bytes()[..] == wav(1_000, 1)[..]);
        assert_eq!((node.spool().parked().await.unwrap(), files(folder.path())), (Vec::new(), before.clone()));
        exported.is_some() && parked.is_some()
    })
    .await;
}

/// Deposits, marks and expunges in a mailbox of `store`, each call dropped after `polls` polls and made again.
async fn store_settles(store: &dyn MessageStore, polls: usize) -> bool {
    let (owner, message) = (mailbox("2001"), message());
    let mut done = true;
    let deposited = cut(store.deposit(&owner, &Origin::Here, &message), polls).await;
    done &= deposited.is_some();
    let again = store.deposit(&owner, &Origin::Here, &message).await.unwrap();
    if deposited.is_some() {
        assert_eq!(again, Deposit::Duplicate);
    }
    assert_eq!(store.deposit(&owner, &Origin::Here, &message).await.unwrap(), Deposit::Duplicate);
    done &= cut(store.list(&owner), polls).await.is_some();
    let [entry] = &store.list(&owner).await.unwrap()[..] else { panic!("one message, not two, after {polls} polls") };
    let id = entry.head.id;
    done &= cut(store.retrieve(&owner, id), polls).await.is_some();
    assert!(store.retrieve(&owner, id).await.unwrap().audio().bytes() == message.audio().bytes());
    for status in [Status::Old, Status::New, Status::Removed] {
        done &= cut(store.mark(&owner, id, status), polls).await.is_some();
        store.mark(&owner, id, status).await.unwrap();
        assert_eq!(store.list(&owner).await.unwrap()[0].status, status);
    }
    done &= cut(store.summary(&owner), polls).await.is_some();
    assert_eq!(store.summary(&owner).await.unwrap(), Summary::default());
    done &= cut(store.expunge(&owner), polls).await.is_some();
    store.expunge(&owner).await.unwrap();
    assert_eq!(store.list(&owner).await.unwrap(), []);
    assert_eq!(store.deposit(&owner, &Origin::Here, &message).await.unwrap(), Deposit::Duplicate);
    done
}

#[tokio::test]
async fn every_method_of_the_memory_store() {
    let store = MemoryStore::new(mailboxes());
    at_every_poll(async |polls| store_settles(&store, polls).await).await;
}

#[tokio::test]
async fn every_method_of_the_maildir_store() {
    let folder = tempdir().unwrap();
    let directory = Arc::new(network().directory());
    let store = MaildirStore::builder(folder.path().join("store")).directory(directory).open().await.unwrap();
    at_every_poll(async |polls| store_settles(&store, polls).await).await;
    let in_tmp = || files(folder.path()).into_iter().filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tmp")));
    until(|| in_tmp().count() == 0).await;
}

/// Forwards a message, dropped after `polls` polls, and then again.
async fn forwarder_settles(forwarder: &dyn Forwarder, store: &dyn MessageStore, polls: usize) -> bool {
    let (message, to) = (message(), [mailbox("2001"), mailbox("2002")]);
    let before = store.list(&to[0]).await.unwrap().len();
    let done = cut(forwarder.forward(&message, &to), polls).await.is_some();
    let receipt = soon(forwarder.forward(&message, &to)).await.unwrap();
    assert_eq!(receipt.outcomes, [Outcome::Accepted, Outcome::Accepted]);
    for mailbox in &to {
        assert_eq!(store.list(mailbox).await.unwrap().len(), before + 1, "once, after {polls} polls");
    }
    done
}

#[tokio::test]
async fn forwarders_in_memory_and_those_around_others() {
    let store = Arc::new(MemoryStore::new(mailboxes()));
    let memory = MemoryForwarder::into_store(Arc::clone(&store), Origin::Unproven);
    let limited = TimeLimited::new(memory.clone(), Duration::from_secs(20));
    let failover = Failover::new(memory.clone()).or(memory.clone());
    for forwarder in [&memory as &dyn Forwarder, &limited, &failover] {
        at_every_poll(async |polls| forwarder_settles(forwarder, &store, polls).await).await;
    }
}

fn intake(store: &Arc<MemoryStore>) -> Intake {
    let network = network();
    let store = Arc::clone(store) as Arc<dyn MessageStore>;
    Intake::builder(network.domain(), store, network.directory()).node(CENTRAL).build()
}

fn smtp_to(listener: &TcpListener) -> SmtpForwarder {
    SmtpForwarder::builder(listener.local_addr().unwrap().to_string(), network().domain())
        .node(HIMALAYA)
        .security(Security::PlainText)
        .build()
        .unwrap()
}

#[tokio::test]
async fn smtp_forwarder_against_an_intake() {
    let store = Arc::new(MemoryStore::new(mailboxes()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let smtp = smtp_to(&listener);
    let intake = intake(&store);
    let serving = tokio::spawn(async move { intake.serve(listener, ListenMode::StartTls, std::future::pending()).await });
    at_every_poll(async |polls| forwarder_settles(&smtp, &*store, polls).await).await;
    serving.abort();
}

#[tokio::test]
async fn outbox_open_and_send_keep_a_mail_whole_or_not_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    at_every_poll(async |polls| {
        let folder = tempdir().unwrap();
        let open = || Outbox::builder(folder.path(), smtp_to(&listener)).open();
        let opened = cut(open(), polls).await.is_some();
        let call = async {
            let to = "anna@example.com".parse().unwrap();
            let outbox = open().await.unwrap();
            cut(outbox.send(Sender::Null, &to, &"Subject: heard\r\n\r\n".into()), polls).await.is_some()
        };
        let sent = to_the_end(call);
        let waiting = open().await.unwrap().waiting().await.unwrap();
        assert!(waiting == 1 || (waiting == 0 && !sent), "{waiting} after {polls} polls");
        assert_eq!(files(folder.path()).len(), waiting);
        opened && sent
    })
    .await;
}

#[tokio::test]
async fn pin_folder_counts_dropped_attempts_and_keeps_the_new_pin() {
    at_every_poll(async |polls| {
        let folder = tempdir().unwrap();
        let (owner, now) = (mailbox("2001"), "2026-11-22T18:00:00Z".parse().unwrap());
        let [old, new] = ["480913", "719305"].map(|pin| PinHash::new(&pin.parse().unwrap()));
        let opened = cut(PinFolder::open(OsDisk, folder.path()), polls).await.is_some();
        let pins = PinFolder::open(OsDisk, folder.path()).await.unwrap();
        pins.set(owner.clone(), old).await.unwrap();
        let set = cut(pins.set(owner.clone(), new.clone()), polls).await.is_some();
        pins.set(owner.clone(), new).await.unwrap();

        let mut checked = true;
        for _ in 0..5 {
            let verdict = cut(pins.check(&owner, None, "480913", now), polls).await;
            checked &= verdict.is_some();
            assert!(matches!(verdict, None | Some(PinVerdict::Wrong)), "{verdict:?} after {polls} polls");
        }
        if polls > 0 {
            until(|| fs::read_to_string(folder.path().join("2001.pin")).unwrap().contains("5 wrong")).await;
        }
        let verdict = pins.check(&owner, None, "719305", now).await;
        assert_eq!(matches!(verdict, PinVerdict::Locked(_)), polls > 0, "{verdict:?} after {polls} polls");
        opened && set && checked
    })
    .await;
}

#[tokio::test]
async fn node_greet_and_clear_greeting_keep_the_old_or_the_new() {
    at_every_poll(async |polls| {
        let (folder, store) = (tempdir().unwrap(), Arc::new(MemoryStore::new(mailboxes())));
        let (owner, kind, node) = (mailbox("2001"), GreetingKind::Busy, central(&folder, &store).await);
        let [old, new] = [800, 1_600].map(|samples| Audio::new(AudioType::Wav, wav(samples, 3)));
        let first = node.greet(&owner, kind, old.clone()).await.unwrap();

        let greeted = cut(node.greet(&owner, kind, new.clone()), polls).await.is_some();
        let heard = node.greeting(&owner, kind).await.unwrap();
        assert!(heard.as_ref() == Some(&new) || (heard.as_ref() == Some(&old) && !greeted), "after {polls} polls");
        let second = node.greet(&owner, kind, new.clone()).await.unwrap();
        assert!(second > first);

        let cleared = cut(node.clear_greeting(&owner, kind), polls).await.is_some();
        let heard = node.greeting(&owner, kind).await.unwrap();
        assert!(heard.is_none() || (heard.as_ref() == Some(&new) && !cleared), "after {polls} polls");
        assert!(node.clear_greeting(&owner, kind).await.unwrap() > second);
        drop(node);
        assert_eq!(central(&folder, &store).await.greeting(&owner, kind).await.unwrap(), None, "after {polls} polls");
        greeted && cleared
    })
    .await;
}

#[tokio::test]
async fn dropping_intake_serve_cuts_connections_and_mail_comes_again() {
    at_every_poll(async |polls| {
        let store = Arc::new(MemoryStore::new(mailboxes()));
        let (message, to) = (message(), [mailbox("2001")]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = smtp_to(&listener);
        let sending = tokio::spawn({
            let (message, to) = (message.clone(), to.clone());
            async move { smtp.forward(&message, &to).await }
        });
        let stop = until(|| sending.is_finished());
        let intake = intake(&store);
        let done = cut(intake.serve(listener, ListenMode::StartTls, stop), polls).await.is_some();
        drop(soon(sending).await);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp = smtp_to(&listener);
        tokio::select! {
            served = intake.serve(listener, ListenMode::StartTls, std::future::pending()) => panic!("{served:?}"),
            receipt = soon(smtp.forward(&message, &to)) => assert_eq!(receipt.unwrap().outcomes, [Outcome::Accepted]),
        }
        assert_eq!(store.list(&to[0]).await.unwrap().len(), 1, "once, after {polls} polls");
        done || polls >= MOST_POLLS_OF_RUN
    })
    .await;
}

#[tokio::test]
async fn mwi_sinks_show_the_newest_state() {
    let (channel, mut shown) = ChannelSink::new(1);
    let state = |version| {
        let as_of = "2025-07-14T09:05:12Z".parse().unwrap();
        MwiState::new(mailbox("2001"), Summary::default(), version).counted_at(as_of)
    };
    at_every_poll(async |polls| {
        let version = polls as u64 + 1;
        let done = cut(channel.show(&state(version)), polls).await.is_some();
        let again = async {
            channel.show(&state(version)).await.unwrap();
            channel.show(&state(version)).await.unwrap();
        };
        let read = async {
            let mut last = 0;
            for _ in 0..2 + usize::from(done) {
                last = shown.recv().await.unwrap().version;
            }
            last
        };
        assert_eq!(soon(futures::future::join(again, read)).await.1, version);
        let log = cut(LogSink.show(&state(version)), polls).await.is_some();
        LogSink.show(&state(version)).await.unwrap();
        done && log
    })
    .await;
}

/// Calls that wait for what happens have no certain number of polls.
const MOST_POLLS_OF_RUN: usize = 40;
