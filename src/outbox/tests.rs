//! Mails in the outbox, with a server that is away, refuses, or is not there at all; and with the power cut.

use chrono::TimeDelta;
use tokio::sync::broadcast;

use std::path::Path;
use std::sync::Mutex;

use super::*;
use crate::clock::ManualClock;
use crate::disk::{self, Disk, PowerCutDisk, Unsynced};
use crate::event::Occurrence;
use crate::forward::Reply;
use crate::message::{DeliveryFailure, MessageId};
use crate::retry::{Backoff, RetryPolicy};

/// A server that gives the scripted answer, and keeps what it accepted.
#[derive(Debug)]
struct Server {
    answers: Mutex<Outcome>,
    taken: Mutex<Vec<(Sender, String, Bytes)>>,
}

impl Server {
    fn answering(outcome: Outcome) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(outcome), taken: Mutex::default() })
    }

    fn answer(&self, outcome: Outcome) {
        *self.answers.lock().unwrap() = outcome;
    }

    fn taken(&self) -> usize {
        self.taken.lock().unwrap().len()
    }
}

#[async_trait]
impl MailOut for Server {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        let answer = self.answers.lock().unwrap().clone();
        if answer == Outcome::Accepted {
            self.taken.lock().unwrap().push((sender, to.to_string(), mail.clone()));
        }
        Ok(answer)
    }
}

/// Breaks the contract of a transport: it panics.
#[derive(Debug)]
struct Panics;

#[async_trait]
impl MailOut for Panics {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        std::panic::resume_unwind(Box::new("a fault of its own"))
    }
}

/// Breaks the contract of a transport: it never answers.
#[derive(Debug)]
struct NeverAnswers;

#[async_trait]
impl MailOut for NeverAnswers {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        std::future::pending().await
    }
}

fn reply(code: u16) -> Reply {
    Reply::new(code, "said")
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at("2026-11-22T18:00:00Z".parse().unwrap()))
}

async fn opened(disk: &PowerCutDisk, transport: impl MailOut, clock: &Arc<ManualClock>) -> Result<Outbox, JobError> {
    Outbox::builder("/node/outbox", transport).disk(disk.clone()).clock(Arc::clone(clock)).open().await
}

async fn send(outbox: &Outbox, n: u32) -> Result<Outcome, ForwardError> {
    let mail = format!("Message-ID: <{n}.played@vm.example>\r\n\r\nheard\r\n");
    outbox.send(Sender::Null, &"anna@example.com".parse().unwrap(), &mail.into()).await
}

/// The next event of the mail `<1.played@vm.example>`.
async fn next_event(events: &mut broadcast::Receiver<Occurrence>) -> &'static str {
    let (what, mail) = match events.recv().await.unwrap().event {
        Event::MailSent { mail, .. } => ("sent", mail),
        Event::MailDeferred { mail, .. } => ("deferred", mail),
        Event::MailGivenUp { mail, .. } => ("given up", mail),
        other => panic!("{other:?}"),
    };
    assert_eq!(mail, "<1.played@vm.example>");
    what
}

fn files(disk: &PowerCutDisk) -> Vec<String> {
    disk.list(Path::new("/node/outbox")).unwrap()
}

/// Runs `outbox` beside `script`, until that ends.
async fn while_running<T>(outbox: &Outbox, script: impl Future<Output = T>) -> T {
    tokio::select! {
        () = outbox.run(std::future::pending()) => unreachable!("it runs until it is stopped"),
        done = script => done,
    }
}

/// Runs `outbox` until there was an event of each mail that waits now.
async fn each_is_reported(outbox: &Outbox) {
    let (mut events, waiting) = (outbox.shared.events.subscribe(), outbox.waiting().await.unwrap());
    while_running(outbox, async {
        for _ in 0..waiting {
            events.recv().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_tried_until_it_is_accepted_and_then_removed() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Deferred(reply(451))), clock());
    let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    assert_eq!(send(&outbox, 1).await.unwrap(), Outcome::Accepted);
    while_running(&outbox, async {
        for _ in 0..3 {
            assert_eq!(next_event(&mut events).await, "deferred");
        }
        assert_eq!((outbox.waiting().await.unwrap(), files(&disk).len(), server.taken()), (1, 1, 0));
        server.answer(Outcome::Accepted);
        assert_eq!(next_event(&mut events).await, "sent");
    })
    .await;
    let taken = server.taken.lock().unwrap()[0].clone();
    assert_eq!((taken.0, taken.1.as_str(), taken.2.ends_with(b"heard\r\n")), (Sender::Null, "anna@example.com", true));
    assert_eq!((outbox.waiting().await.unwrap(), files(&disk)), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_refused_or_five_day_old_mail_is_given_up_and_reported() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Refused(reply(550))), clock());
    let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    while_running(&outbox, async {
        send(&outbox, 1).await.unwrap();
        assert_eq!(next_event(&mut events).await, "given up");
        server.answer(Outcome::Deferred(reply(450)));
        send(&outbox, 1).await.unwrap();
        assert_eq!(next_event(&mut events).await, "deferred");
        clock.advance(TimeDelta::days(5) - TimeDelta::seconds(1));
        for _ in 0..40 {
            assert_eq!(next_event(&mut events).await, "deferred");
        }
        clock.advance(TimeDelta::seconds(1));
        assert_eq!(next_event(&mut events).await, "given up");
    })
    .await;
    assert_eq!((outbox.waiting().await.unwrap(), files(&disk)), (0, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_years_gives_no_mail_up() {
    for years in [-56, 56] {
        let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Deferred(reply(450))), clock());
        let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
        let mut events = outbox.shared.events.subscribe();
        while_running(&outbox, async {
            send(&outbox, 1).await.unwrap();
            clock.advance(TimeDelta::days(years * 365));
            for _ in 0..20 {
                assert_eq!(next_event(&mut events).await, "deferred", "{years} years");
            }
            server.answer(Outcome::Accepted);
            assert_eq!(next_event(&mut events).await, "sent", "{years} years");
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_mail_is_retried_and_given_up_as_the_policy_says() {
    let (disk, clock, server) = (PowerCutDisk::new(), clock(), Server::answering(Outcome::Deferred(reply(451))));
    let wait = Duration::from_secs(7);
    let policy = RetryPolicy::default().mail_deferred(Backoff::new(wait, wait).unwrap()).mail_lifetime(Duration::from_secs(60));
    let outbox = Outbox::builder("/node/outbox", server).disk(disk.clone()).clock(Arc::clone(&clock)).retry(policy);
    let outbox = outbox.open().await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    send(&outbox, 1).await.unwrap();
    while_running(&outbox, async {
        for _ in 0..5 {
            let Event::MailDeferred { retry_in, .. } = events.recv().await.unwrap().event else { panic!("it is deferred") };
            assert!(retry_in <= wait && retry_in >= wait.mul_f64(0.749), "{retry_in:?}");
        }
        clock.advance(TimeDelta::seconds(60));
        assert_eq!(next_event(&mut events).await, "given up");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_is_tried_again() {
    let (disk, clock) = (PowerCutDisk::new(), clock());
    let outbox = opened(&disk, Panics, &clock).await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    send(&outbox, 1).await.unwrap();
    while_running(&outbox, async {
        assert_eq!((next_event(&mut events).await, next_event(&mut events).await), ("deferred", "deferred"));
    })
    .await;
    assert_eq!(files(&disk).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_never_answers_blocks_no_other_mail_for_ever() {
    let (disk, clock) = (PowerCutDisk::new(), clock());
    let outbox = opened(&disk, NeverAnswers, &clock).await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    let mails = u32::try_from(MAX_UNDER_WAY).unwrap() + 1;
    for mail in 1..=mails {
        send(&outbox, mail).await.unwrap();
    }
    let last = format!("<{mails}.played@vm.example>");
    while_running(&outbox, async {
        let of_last = |event| matches!(event, Event::MailDeferred { mail, .. } if mail == last);
        while !of_last(events.recv().await.unwrap().event) {}
    })
    .await;
    assert_eq!(files(&disk).len(), MAX_UNDER_WAY + 1);
}

#[tokio::test]
async fn a_file_that_is_no_mail_is_set_aside_and_delays_nothing() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Accepted), clock());
    drop(opened(&disk, Arc::clone(&server), &clock).await.unwrap());
    let name = Job::new(JobKind::MAIL, JobKey::random(), clock.now().instant).to_string();
    let file = disk.create(&Path::new("/node/outbox").join(&name)).unwrap();
    file.write_all_at(b"none of ours", 0).unwrap();
    let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    while_running(&outbox, async {
        let event = events.recv().await.unwrap().event;
        assert!(matches!(event, Event::Unreadable { file, .. } if file == name));
        send(&outbox, 1).await.unwrap();
        assert_eq!(next_event(&mut events).await, "sent");
    })
    .await;
    assert_eq!(files(&disk), [name.replace(".mail", ".unreadable")]);
}

#[tokio::test]
async fn a_stop_lets_mails_under_way_finish() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Accepted), clock());
    let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
    for n in 0..20 {
        send(&outbox, n).await.unwrap();
    }
    outbox.run(std::future::ready(())).await;
    assert_eq!(server.taken() + outbox.waiting().await.unwrap(), 20, "what was begun is done, and the rest waits");
    assert_eq!(files(&disk).len(), outbox.waiting().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_folder_whose_creator_died_holds_mail_after_a_power_cut() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Deferred(reply(450))), clock());
    disk::create_dirs(&disk, Path::new("/node")).unwrap();
    disk.create_dir(Path::new("/node/outbox")).unwrap(); // and its name was never flushed
    let outbox = opened(&disk, server, &clock).await.unwrap();
    assert_eq!(send(&outbox, 1).await.unwrap(), Outcome::Accepted);
    disk.power_cut(Unsynced::Forgotten);
    assert_eq!(files(&disk).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_mail_is_sent_whenever_the_power_is_cut() {
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        let mut operations = 0;
        loop {
            let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Deferred(reply(450))), clock());
            disk.power_off_after(operations);
            let mut kept = 0;
            if let Ok(outbox) = opened(&disk, Arc::clone(&server), &clock).await {
                for n in 0..3 {
                    kept += usize::from(send(&outbox, n).await.is_ok());
                }
                server.answer(Outcome::Accepted);
                // With the power off, what is sent may not be removed, and is sent again.
                each_is_reported(&outbox).await;
            }
            let was_off = disk.power_cut(unsynced);
            let before: std::collections::HashSet<Bytes> = mails(&server);
            let outbox = opened(&disk, Arc::clone(&server), &clock).await.unwrap();
            each_is_reported(&outbox).await;
            let arrived = mails(&server).union(&before).count();
            assert!((kept..=3).contains(&arrived), "{arrived} of {kept} after {operations} operations, {unsynced:?}");
            assert_eq!(
                (outbox.waiting().await.unwrap(), files(&disk)),
                (0, Vec::new()),
                "nothing is left behind after {operations} operations"
            );
            if !was_off {
                break;
            }
            operations += 1;
        }
        assert!(operations > 20, "the cut came often enough: {operations}");
    }
}

fn mails(server: &Server) -> std::collections::HashSet<Bytes> {
    server.taken.lock().unwrap().iter().map(|(_, _, mail)| mail.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_mail_of_a_node_that_died_is_sent_by_another() {
    let (disk, server, clock) = (PowerCutDisk::new(), Server::answering(Outcome::Accepted), clock());
    let jobs = crate::jobs::FolderJobs::open(disk.clone(), "/node/outbox").await.unwrap();
    let shared = |transport: Arc<dyn MailOut>| {
        let outbox = Outbox::builder("/unused", transport).jobs(jobs.clone()).clock(Arc::clone(&clock));
        async { outbox.open().await.unwrap() }
    };
    let (one, other) = (shared(Arc::new(NeverAnswers)).await, shared(Arc::clone(&server) as _).await);
    send(&one, 1).await.unwrap();
    // Longer than a claim: the node that is at work keeps the mail.
    assert!(
        timeout(CLAIM * 5, async { tokio::join!(one.run(std::future::pending()), other.run(std::future::pending())) })
            .await
            .is_err()
    );
    assert_eq!((server.taken(), other.waiting().await.unwrap()), (0, 1));
    // The first one is dead now.
    let mut events = other.shared.events.subscribe();
    let died = tokio::time::Instant::now();
    while_running(&other, async { assert_eq!(next_event(&mut events).await, "sent") }).await;
    assert!(died.elapsed() <= CLAIM + Duration::from_secs(1), "{:?}", died.elapsed());
    assert_eq!((server.taken(), files(&disk)), (1, Vec::new()));
}

/// Keeps what it gets, after it has failed so many times.
#[derive(Debug, Default)]
struct Notices {
    failures: Mutex<u32>,
    kept: Mutex<Vec<(MessageId, DeliveryFailure)>>,
}

#[async_trait]
impl GiveUpHandler for Notices {
    async fn handle(&self, id: MessageId, failure: DeliveryFailure) -> Result<(), String> {
        let mut failures = self.failures.lock().unwrap();
        if *failures > 0 {
            *failures -= 1;
            return Err("the store is away".to_owned());
        }
        self.kept.lock().unwrap().push((id, failure));
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn the_sender_of_a_message_is_informed_before_it_is_given_up() {
    let (disk, clock) = (PowerCutDisk::new(), clock());
    let server = Server::answering(Outcome::Refused(Reply::new(550, "5.1.1 nobody here")));
    let notices = Arc::new(Notices { failures: Mutex::new(2), ..Notices::default() });
    let outbox = Outbox::builder("/node/outbox", Arc::clone(&server)).disk(disk.clone()).clock(Arc::clone(&clock));
    let outbox = outbox.give_up_handler(Arc::clone(&notices) as _).open().await.unwrap();
    let mut events = outbox.shared.events.subscribe();
    let id = MessageId::from_bytes([7; 16]);
    let send = async |sender| {
        let mail = Bytes::from_static(b"Message-ID: <1.played@vm.example>\r\n\r\nheard\r\n");
        outbox.send(sender, &"anna@example.com".parse().unwrap(), &mail).await.unwrap();
    };
    while_running(&outbox, async {
        send(Sender::Message(id)).await;
        for expected in ["deferred", "deferred", "given up"] {
            assert_eq!(next_event(&mut events).await, expected);
        }
        assert_eq!(notices.kept.lock().unwrap()[..], [(id, DeliveryFailure::NoSuchMailbox)]);
        server.answer(Outcome::Deferred(reply(450)));
        send(Sender::Message(id)).await;
        for _ in 0..40 {
            assert_eq!(next_event(&mut events).await, "deferred");
        }
        clock.advance(TimeDelta::days(5));
        assert_eq!(next_event(&mut events).await, "given up");
        server.answer(Outcome::Refused(reply(550)));
        send(Sender::Null).await;
        assert_eq!(next_event(&mut events).await, "given up", "a receipt has nobody to inform");
    })
    .await;
    assert_eq!(notices.kept.lock().unwrap()[1..], [(id, DeliveryFailure::NotReached)]);
    assert_eq!((outbox.waiting().await.unwrap(), files(&disk)), (0, Vec::new()));
}
