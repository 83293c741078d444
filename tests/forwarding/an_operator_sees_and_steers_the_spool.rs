//! The view of an operator: the spool seen by programs and by `ls` and `cat`, and its commands.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::support;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use support::{CENTRAL, HIMALAYA, clock, event, mailbox, node, run, site, soon, wav};
use tempfile::{TempDir, tempdir};
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep};
use voicemail::disk::{FaultyDisk, InjectedFault, Operation, OsDisk};
use voicemail::event::{Event, Events};
use voicemail::forward::{ForwardError, MemoryForwarder, Outcome, Reply, Script};
use voicemail::intake::ListenMode;
use voicemail::message::{Caller, CallerName, MessageId, Urgency};
use voicemail::node::{Node, NodeError};
use voicemail::record::CallFacts;
use voicemail::spool::{Spool, SpoolError};
use voicemail::store::MemoryStore;

/// A distributed node with this `forwarder`.
struct Place {
    folder: TempDir,
    forwarder: MemoryForwarder,
    node: Node,
}

impl Place {
    async fn open() -> Self {
        let (folder, forwarder) = (tempdir().unwrap(), MemoryForwarder::new());
        let node = node(HIMALAYA, folder.path()).forwarder(forwarder.clone()).clock(clock()).open().await.unwrap();
        Self { folder, forwarder, node }
    }

    /// The same node after a restart.
    async fn reopen(self) -> Self {
        let Self { folder, forwarder, node: stopped } = self;
        drop(stopped);
        let node = node(HIMALAYA, folder.path()).forwarder(forwarder.clone()).clock(clock()).open().await.unwrap();
        Self { folder, forwarder, node }
    }

    async fn keep(&self, number: &str, seed: u32) -> MessageId {
        self.keep_of(CallFacts::to(mailbox(number)), seed).await
    }

    async fn keep_of(&self, facts: CallFacts, seed: u32) -> MessageId {
        self.node.deposit_wav(&site("kathmandu"), facts, wav(1_000, seed).into()).await.unwrap().id
    }

    fn spool(&self) -> PathBuf {
        self.folder.path().join(HIMALAYA)
    }

    fn names(&self, folder: &str) -> Vec<String> {
        names(&self.spool().join(folder))
    }

    fn queue(&self) -> Vec<String> {
        self.names(&format!("queue/{CENTRAL}"))
    }

    fn depth(&self) -> usize {
        self.node.spool().state().iter().map(|state| state.depth).sum()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn output(program: &str, arguments: &[&str], file: &Path) -> Vec<u8> {
    let output = Command::new(program).args(arguments).arg(file).output().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn unreachable() -> Script {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
    Script::Fail(ForwardError::Unreachable { peer: CENTRAL.to_owned(), source })
}

fn reply(code: u16, text: &str) -> Reply {
    Reply::new(code, text)
}

fn nobody() -> MessageId {
    MessageId::from_bytes([0xEE; 16])
}

#[tokio::test]
async fn ls_shows_the_order_and_head_and_tail_show_the_message() {
    let place = Place::open().await;
    let normal = place.keep("2001", 5).await;
    let caller = Caller::new("+97714410000".parse().ok(), CallerName::cleaned("Mira Shah"));
    let urgent = place.keep_of(CallFacts::to(mailbox("2002")).urgent().caller(caller), 6).await;

    let names = place.queue();
    assert_eq!(names, [format!("0-20250714T090512.000Z-{urgent}-2002.vm"), format!("1-20250714T090512.000Z-{normal}-2001.vm"),]);
    let file = place.spool().join("queue").join(CENTRAL).join(&names[0]);
    let head = String::from_utf8_lossy(&output("head", &["-20"], &file)).into_owned();
    for line in [
        "voicemail spool 1 file",
        &format!("id: {urgent}"),
        "mailboxes: 2002",
        "site: kathmandu",
        "caller-number: +97714410000",
        "caller-name: Mira Shah",
        "recorded-at: 2025-07-14T14:50:12+05:45[Asia/Kathmandu]",
        "urgency: urgent",
        "length: 1.000000000",
    ] {
        assert!(head.lines().any(|shown| shown == line), "{line:?} in:\n{head}");
    }
    assert!(output("tail", &["-c", "+1025"], &file) == wav(1_000, 6), "byte for byte");
    assert!(names_of_root(&place).contains(&"README.txt".to_owned()));
}

fn names_of_root(place: &Place) -> Vec<String> {
    names(&place.spool())
}

#[tokio::test(start_paused = true)]
async fn the_state_has_depth_age_and_next_try_as_events_too() {
    let place = Place::open().await;
    let mut events = place.node.events();
    for _ in 0..1_000 {
        place.forwarder.next(unreachable());
    }
    let urgent = place.keep_of(CallFacts::to(mailbox("2001")).urgent().and_to(mailbox("2002")), 1).await;
    let normal = place.keep("2003", 2).await;
    let state = &place.node.spool().state()[0];
    assert_eq!((state.destination.as_str(), state.depth, state.next_try), (CENTRAL, 3, None));
    assert_eq!(state.oldest.unwrap().to_rfc3339(), "2025-07-14T09:05:12+00:00");

    let running = run(&place.node);
    let told = soon(event(&mut events, |event| match event {
        Event::Backlog(state) => Some(state),
        _ => None,
    }))
    .await;
    assert_eq!((told.destination.as_str(), told.depth), (CENTRAL, 3));
    let (reason, retry_in) = soon(event(&mut events, |event| match event {
        Event::Deferred { reason, retry_in, .. } => Some((reason, retry_in)),
        _ => None,
    }))
    .await;
    assert!(reason.contains("connection refused") && retry_in <= Duration::from_secs(3), "{reason}, {retry_in:?}");

    sleep(Duration::from_secs(60)).await;
    let next = place.node.spool().state()[0].next_try.unwrap();
    assert!(Instant::from_std(next) <= Instant::now() + Duration::from_secs(3));
    let waiting = place.node.spool().waiting();
    assert_eq!(waiting.iter().filter(|waiting| waiting.id == urgent && waiting.urgency == Urgency::Urgent).count(), 2);
    assert!(waiting.iter().any(|waiting| waiting.id == normal && waiting.attempts > 1));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn retry_now_waits_for_no_schedule() {
    let place = Place::open().await;
    place.forwarder.answer(mailbox("2001"), Outcome::Deferred(reply(452, "4.2.2 full")));
    let id = place.keep("2001", 1).await;
    let mut events = place.node.events();
    let running = run(&place.node);
    // At that time the attempts are minutes apart.
    sleep(Duration::from_secs(1_000)).await;
    let next_try = || place.node.spool().waiting()[0].next_try.map(Instant::from_std);
    while next_try().is_none_or(|due| due < Instant::now() + Duration::from_secs(10)) {
        sleep(Duration::from_secs(20)).await;
    }
    place.forwarder.answer(mailbox("2001"), Outcome::Accepted);
    let start = Instant::now();
    place.node.spool().retry_now();
    let forwarded = event(&mut events, |event| match event {
        Event::Forwarded { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(soon(forwarded).await, id);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((place.depth(), place.queue().len()), (0, 0));
    running.stop().await;
}

#[tokio::test]
async fn a_parked_message_and_its_note_stay_until_it_is_released() {
    let place = Place::open().await;
    let (one, other) = (place.keep("2001", 1).await, place.keep("2002", 2).await);
    let mut events = place.node.events();
    place.node.spool().park(one, &mailbox("2001"), "the owner left\nask the front desk").await.unwrap();
    assert!(matches!(events.recv().await.unwrap().event, Event::Parked { id, .. } if id == one));
    assert_eq!((place.depth(), place.queue().len()), (1, 1));

    let place = place.reopen().await;
    let [note, file] = &place.names("parked")[..] else { panic!("a file and its note: {:?}", place.names("parked")) };
    assert_eq!(note.strip_suffix(".txt"), file.strip_suffix(".vm"));
    let text = String::from_utf8(output("cat", &[], &place.spool().join("parked").join(note))).unwrap();
    assert_eq!(
        text,
        format!(
            "destination: {CENTRAL}\nparked-at: 2025-07-14T09:05:12+00:00\nattempts: 0\nparked-by: operator\nreason: the owner left ask the front desk\n"
        )
    );
    let parked = place.node.spool().parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!((parked[0].id, parked[0].reason.as_str(), parked[0].attempts), (one, "the owner left ask the front desk", 0));
    assert!(place.node.spool().export(one, &mailbox("2001")).await.unwrap().audio().bytes()[..] == wav(1_000, 1)[..]);
    assert!(place.node.spool().export(other, &mailbox("2002")).await.unwrap().audio().bytes()[..] == wav(1_000, 2)[..]);

    let mut events = place.node.events();
    place.node.spool().release(one, &mailbox("2001")).await.unwrap();
    assert!(matches!(events.recv().await.unwrap().event, Event::Released { id, .. } if id == one));
    assert_eq!((place.depth(), place.queue().len(), place.names("parked").len()), (2, 2, 0));
    let running = run(&place.node);
    for _ in 0..2 {
        soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    }
    assert_eq!((place.forwarder.taken(&mailbox("2001")).len(), place.forwarder.taken(&mailbox("2002")).len()), (1, 1));
    running.stop().await;
}

#[tokio::test]
async fn a_final_refusal_parks_a_message_and_delays_no_other() {
    let place = Place::open().await;
    place.forwarder.answer(mailbox("2001"), Outcome::Refused(reply(550, "5.1.1 no such mailbox")));
    let mut events = place.node.events();
    let running = run(&place.node);
    let refused = place.keep("2001", 1).await;
    place.keep("2002", 2).await;
    let mut ends = (0, 0);
    while ends != (1, 1) {
        match soon(events.recv()).await.unwrap().event {
            Event::Parked { id, reason, .. } => {
                assert_eq!((id, reason.as_str()), (refused, "550 5.1.1 no such mailbox"));
                ends.0 += 1;
            }
            Event::Forwarded { .. } => ends.1 += 1,
            _ => {}
        }
    }
    let parked = place.node.spool().parked().await.unwrap();
    assert_eq!((parked[0].attempts, parked[0].destination.as_str()), (1, CENTRAL));
    place.forwarder.answer(mailbox("2001"), Outcome::Accepted);
    place.node.spool().release(refused, &mailbox("2001")).await.unwrap();
    soon(event(&mut events, |event| matches!(event, Event::Forwarded { .. }).then_some(()))).await;
    running.stop().await;
    assert_eq!((place.depth(), place.names("parked").len()), (0, 0));
}

#[tokio::test]
async fn unknown_ids_are_errors_and_change_nothing() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    let spool = place.node.spool();
    for (id, number) in [(nobody(), "2001"), (id, "2002")] {
        let mailbox = mailbox(number);
        assert!(matches!(spool.park(id, &mailbox, "").await, Err(SpoolError::NotWaiting { .. })));
        assert!(matches!(spool.release(id, &mailbox).await, Err(SpoolError::NotParked { .. })));
        assert!(matches!(spool.export(id, &mailbox).await, Err(SpoolError::NotWaiting { .. })));
    }
    assert!(matches!(spool.release(id, &mailbox("2001")).await, Err(SpoolError::NotParked { .. })));
    spool.park(id, &mailbox("2001"), "twice").await.unwrap();
    assert!(matches!(spool.park(id, &mailbox("2001"), "twice").await, Err(SpoolError::NotWaiting { .. })));
    assert_eq!((place.depth(), place.names("parked").len()), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_message_under_way_can_be_seen_and_copied_not_parked() {
    let place = Place::open().await;
    place.forwarder.next(Script::NeverAnswer);
    let id = place.keep("2001", 1).await;
    let running = tokio::spawn({
        let node = place.node.clone();
        async move { node.run(std::future::pending()).await }
    });
    sleep(Duration::from_secs(1)).await;
    let spool = place.node.spool();
    assert!(matches!(spool.park(id, &mailbox("2001"), "").await, Err(SpoolError::NotWaiting { .. })));
    assert!(spool.export(id, &mailbox("2001")).await.is_ok());
    let waiting = spool.waiting();
    assert_eq!((waiting[0].id, waiting[0].attempts, waiting[0].next_try), (id, 0, None));
    assert_eq!((spool.state()[0].depth, spool.state()[0].next_try), (1, None));
    spool.retry_now();
    running.abort();
}

#[tokio::test]
async fn two_releases_of_one_message_release_it_once() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    let (spool, mailbox) = (place.node.spool(), mailbox("2001"));
    for _ in 0..20 {
        spool.park(id, &mailbox, "again").await.unwrap();
        let (one, other) = tokio::join!(spool.release(id, &mailbox), spool.release(id, &mailbox));
        let refused = one.and(other).unwrap_err();
        assert!(matches!(refused, SpoolError::NotParked { .. }), "{refused:?}");
        assert_eq!(place.depth(), 1);
    }
}

#[tokio::test]
async fn a_parked_file_without_a_note_goes_to_the_central_node() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    place.node.spool().park(id, &mailbox("2001"), "x").await.unwrap();
    // The note's name sorts first: .txt before .vm.
    let beside = place.spool().join("parked").join(&place.names("parked")[0]);

    // Without a running node, only the note shows it.
    let Place { folder, forwarder, node } = place;
    drop(node);
    let spool = Spool::builder(folder.path().join(HIMALAYA)).clock(clock()).open().await.unwrap();
    for text in ["reason: none", "destination: \n", "destination: ../recording\n"] {
        fs::write(&beside, text).unwrap();
        let error = spool.release(id, &mailbox("2001")).await.unwrap_err();
        assert!(matches!(error, SpoolError::NoDestination { .. }), "{text:?}: {error:?}");
        assert!(error.to_string().ends_with("stop this node and move its file to queue/NODE/"), "{error}");
    }
    fs::remove_file(&beside).unwrap();
    assert!(matches!(spool.release(id, &mailbox("2001")).await, Err(SpoolError::NoDestination { .. })));
    drop(spool);

    let node = support::node(HIMALAYA, folder.path()).forwarder(forwarder.clone()).open().await.unwrap();
    node.spool().release(id, &mailbox("2001")).await.unwrap();
    let place = Place { folder, forwarder, node };
    assert_eq!((place.depth(), place.queue().len(), place.names("parked").len()), (1, 1, 0));
}

#[tokio::test]
async fn messages_for_a_renamed_central_node_go_to_the_new_name() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    let queues = place.spool().join("queue");
    fs::rename(queues.join(CENTRAL), queues.join("central.old.example")).unwrap();
    let place = place.reopen().await;
    assert_eq!((place.queue().len(), place.node.spool().waiting()[0].destination.as_str()), (1, CENTRAL));
    let mut events = place.node.events();
    let running = run(&place.node);
    let forwarded = event(&mut events, |event| match event {
        Event::Forwarded { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(soon(forwarded).await, id);
    running.stop().await;
}

#[tokio::test]
async fn a_disk_that_fails_midway_leaves_a_message_where_it_was() {
    let (folder, line, disk) = (tempdir().unwrap(), MemoryForwarder::new(), FaultyDisk::new(Arc::new(OsDisk)));
    let node = node(HIMALAYA, folder.path()).forwarder(line.clone()).disk(disk.clone()).clock(clock());
    let place = Place { folder, forwarder: line, node: node.open().await.unwrap() };
    let (id, owner, spool) = (place.keep("2001", 1).await, mailbox("2001"), place.node.spool());
    let changes = |operation| {
        use Operation::{Create, Rename, Sync, SyncDir, WriteAllAt};
        matches!(operation, Create | Rename | Sync | SyncDir | WriteAllAt)
    };
    for step in 0.. {
        disk.fail(InjectedFault::after(step, ErrorKind::Other).only(changes));
        let parked = spool.park(id, &owner, "x").await;
        // After the message is parked durably, a failing flush undoes nothing.
        if disk.mend() == 0 || parked.is_ok() {
            parked.unwrap();
            assert!(step >= 5);
            break;
        }
        assert!(matches!(parked, Err(SpoolError::Disk { .. })), "step {step}: {parked:?}");
        assert_eq!((place.depth(), place.queue().len()), (1, 1), "step {step}");
        assert_eq!(spool.parked().await.unwrap(), [], "step {step}");
    }
    for step in 0.. {
        disk.fail(InjectedFault::after(step, ErrorKind::Other).only(changes));
        let released = spool.release(id, &owner).await;
        if disk.mend() == 0 || released.is_ok() {
            released.unwrap();
            assert!(step >= 1);
            break;
        }
        assert!(matches!(released, Err(SpoolError::Disk { .. })), "step {step}: {released:?}");
        assert_eq!((place.depth(), place.queue().len(), spool.parked().await.unwrap().len()), (0, 0, 1), "step {step}");
    }
    assert_eq!((place.depth(), place.queue().len(), place.names("parked").len()), (1, 1, 0));
}

#[tokio::test]
async fn a_listener_that_cannot_serve_ends_the_node_at_once() {
    let folder = tempdir().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = node(CENTRAL, folder.path()).store(MemoryStore::new([])).listen(listener, ListenMode::ImplicitTls);
    let node = node.open().await.unwrap();
    let ended = soon(node.run(std::future::pending())).await.unwrap_err();
    assert!(matches!(ended, NodeError::Intake { .. }), "{ended:?}");
    assert_eq!(ended.to_string(), format!("the listener at {address} cannot serve"));
    let again = soon(node.run(std::future::pending())).await.unwrap_err();
    assert_eq!(again.to_string(), format!("the node {CENTRAL} runs already, or has run; open another one to run again"));
}

#[tokio::test]
async fn foreign_files_do_not_stop_the_spool() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    for foreign in ["queue/.DS_Store", "queue/README", "parked/notes.doc", "recording/core", "unreadable/x", "0.vm"] {
        fs::write(place.spool().join(foreign), "not ours").unwrap();
    }
    let queue = place.spool().join("queue").join(CENTRAL);
    for foreign in ["1-20250714T090512.000Z-zz-2001.vm", "1-20250714T090512.0Z-00-2001.vm", ".nfs0001", "copy of x.vm"] {
        fs::write(queue.join(foreign), "not ours").unwrap();
    }
    let place = place.reopen().await;
    assert_eq!((place.depth(), place.node.spool().waiting()[0].id), (1, id));
    assert_eq!(place.node.spool().parked().await.unwrap(), []);
    assert!(place.node.spool().export(id, &mailbox("2001")).await.is_ok());
    // A file that may be a message with a damaged name would never be sent from its place.
    let damaged = ["1-20250714T090512.000Z-zz-2001.vm", "1-20250714T090512.0Z-00-2001.vm", "copy of x.vm", "x"];
    assert_eq!(place.names("unreadable"), damaged);
    assert!(queue.join(".nfs0001").exists());
}

#[tokio::test]
async fn one_file_under_two_names_is_one_message() {
    let place = Place::open().await;
    let id = place.keep("2001", 1).await;
    let queued = place.spool().join("queue").join(CENTRAL).join(&place.queue()[0]);
    // The states that power cuts leave: recorded and queued, or queued and parked.
    fs::hard_link(&queued, place.spool().join("recording").join(format!("{id}.vm"))).unwrap();
    let place = place.reopen().await;
    assert_eq!((place.depth(), place.names("recording").len()), (1, 0));
    fs::hard_link(&queued, place.spool().join("parked").join(&place.queue()[0])).unwrap();
    place.node.spool().park(id, &mailbox("2001"), "x").await.unwrap();
    assert_eq!((place.queue().len(), place.names("parked").len()), (0, 2));
    let parked = place.spool().join("parked").join(queued.file_name().unwrap());
    fs::hard_link(&parked, &queued).unwrap();
    place.node.spool().release(id, &mailbox("2001")).await.unwrap();
    assert_eq!((place.queue().len(), place.names("parked").len()), (1, 0));
}

#[tokio::test]
async fn an_event_receiver_that_never_reads_learns_what_it_missed() {
    let (folder, line, events) = (tempdir().unwrap(), MemoryForwarder::new(), Events::new());
    let node = node(HIMALAYA, folder.path()).forwarder(line.clone()).events(events.clone()).clock(clock());
    let place = Place { folder, forwarder: line, node: node.open().await.unwrap() };
    let (mut slow, mut quick) = (place.node.events(), place.node.events());
    let running = run(&place.node);
    for number in 0..9_000 {
        events.emit(Event::bad_entry(number.to_string(), "none"));
        let received = quick.recv().await.unwrap().event;
        assert!(matches!(received, Event::BadEntry { path, .. } if path.to_string_lossy() == number.to_string()));
    }
    let id = place.keep("2001", 1).await;
    let forwarded = event(&mut quick, |event| match event {
        Event::Forwarded { id, .. } => Some(id),
        _ => None,
    });
    assert_eq!(soon(forwarded).await, id);
    running.stop().await;
    let missed = slow.recv().await.unwrap_err();
    assert!(matches!(missed, RecvError::Lagged(808..)), "{missed}");
    let oldest = slow.recv().await.unwrap().event;
    let Event::BadEntry { path, .. } = oldest else { panic!("{oldest:?}") };
    assert!(path.to_str().unwrap().parse::<u32>().unwrap() >= 808, "{path:?}");
}
