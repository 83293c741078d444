//! Relayed messages: receipts, refusals, waits, restarts and power cuts.

use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::broadcast;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::disk::{PowerCutDisk, Unsynced};
use crate::event::{Events, Occurrence};
use crate::forward::{MemoryForwarder, Outcome, Reply, Script};
use crate::message::{ClockQuality, ClockSource, Head, RecordedAt};
use crate::spool::{FileHead, SoundSource, deliver};

const CENTRAL: &str = "central.example";
const SOUND: &[u8] = b"a sound";

struct Fixture {
    disk: Arc<PowerCutDisk>,
    clock: Arc<ManualClock>,
    spool: Spool,
    events: broadcast::Receiver<Occurrence>,
    relay: MemoryForwarder,
}

impl Fixture {
    async fn new() -> Self {
        let clock = ManualClock::at("2026-11-29T18:30:00Z".parse().unwrap());
        Self::on(Arc::new(PowerCutDisk::new()), Arc::new(clock)).await
    }

    async fn on(disk: Arc<PowerCutDisk>, clock: Arc<ManualClock>) -> Self {
        let reporter = Events::new();
        let events = reporter.subscribe();
        let spool = Spool::builder("/spool").disk(Arc::clone(&disk)).clock(Arc::clone(&clock)).events(reporter);
        let relay = MemoryForwarder::new();
        for mailbox in ["2001", "2002"] {
            relay.answer(mailbox.parse().unwrap(), Outcome::Relayed);
        }
        Self { disk, clock, spool: spool.open().await.unwrap(), events, relay }
    }

    async fn reopen(self) -> Self {
        let Self { disk, clock, spool, .. } = self;
        drop(spool);
        Self::on(disk, clock).await
    }

    fn put(&self, mailboxes: &[&str]) -> io::Result<MessageId> {
        let quality = ClockQuality::unknown(ClockSource::System);
        let head = Head::new(RecordedAt { instant: self.clock.now().instant, zone: chrono_tz::UTC, quality });
        let (id, to): (_, Vec<MailboxId>) = (head.id, mailboxes.iter().map(|number| number.parse().unwrap()).collect());
        let mut file = self.spool.begin_whole(FileHead::new(SoundSource::File, head, to.clone()), &SOUND.into())?;
        let to: Vec<_> = to.into_iter().map(|mailbox| (Arc::from(CENTRAL), mailbox)).collect();
        self.spool.enqueue(&mut file, &to, || {})?;
        Ok(id)
    }

    /// Sends all that waits.
    async fn send(&self) {
        self.send_to(CENTRAL).await;
    }

    /// Sends all that waits for a destination.
    async fn send_to(&self, destination: &str) {
        let sent = async {
            while self.spool.state().iter().any(|state| state.destination == *destination && state.depth > 0) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let sent = async { drop(tokio::time::timeout(Duration::from_secs(60), sent).await) };
        deliver(&self.spool, destination, &self.relay, std::future::pending(), sent).await;
    }

    /// Puts one message, and sends it.
    async fn relayed(&self, mailboxes: &[&str]) -> MessageId {
        let id = self.put(mailboxes).unwrap();
        self.send().await;
        id
    }

    async fn look_after(&self, time: TimeDelta) {
        tokio::time::advance(time.to_std().unwrap()).await;
        self.clock.advance(time);
        self.spool.look_at_relayed().await;
    }

    async fn confirm(&self, id: MessageId) -> Settled {
        self.spool.confirm(id, &mailbox(), ContentDigest::of(SOUND)).await.unwrap()
    }

    /// How many messages wait, and how many are relayed.
    fn state(&self) -> (usize, usize) {
        self.spool.state().first().map_or((0, 0), |state| (state.depth, state.relayed))
    }

    /// The names of the events since the last call, without those of the backlog.
    fn happened(&mut self) -> Vec<&'static str> {
        let events = std::iter::from_fn(|| self.events.try_recv().ok());
        events.map(|occurrence| occurrence.event.name()).filter(|name| *name != "backlog").collect()
    }

    /// The files in a folder of the spool.
    fn files(&self, folder: &str) -> Vec<String> {
        self.disk.list(&Path::new("/spool").join(folder)).unwrap_or_default()
    }
}

fn mailbox() -> MailboxId {
    "2001".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_relayed_message_stays_until_its_receipt() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    assert_eq!((fixture.state(), fixture.happened()), ((0, 1), vec!["relayed"]));
    let relayed_at = "2026-11-29T18:00:00Z".parse().unwrap();
    let expected = RelayedMessage { id, mailbox: mailbox(), destination: CENTRAL.to_owned(), relayed_at };
    assert_eq!(fixture.spool.relayed().await.unwrap(), [expected]);
    assert_eq!(fixture.spool.export(id, &mailbox()).await.unwrap().audio().bytes(), SOUND);

    let other = fixture.spool.confirm(id, &mailbox(), ContentDigest::of(b"other")).await.unwrap();
    assert_eq!(other, Settled::OtherSound);
    let digest = ContentDigest::of(SOUND);
    assert_eq!(fixture.spool.confirm(id, &"2002".parse().unwrap(), digest).await.unwrap(), Settled::Unknown);
    assert_eq!(fixture.confirm(MessageId::random()).await, Settled::Unknown);
    assert_eq!((fixture.state(), fixture.happened().len()), ((0, 1), 0));

    assert_eq!(fixture.confirm(id).await, Settled::Done);
    assert_eq!((fixture.state(), fixture.happened()), ((0, 0), vec!["confirmed"]));
    assert_eq!((fixture.confirm(id).await, fixture.happened().len()), (Settled::Unknown, 0), "each receipt counts once");
    assert_eq!(fixture.spool.relayed().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_relayed_message_is_found_after_a_restart() {
    let fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001", "2002"]).await;
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.state(), (0, 2));
    assert_eq!(fixture.confirm(id).await, Settled::Done);
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.state(), (0, 1));
    assert_eq!(fixture.spool.relayed().await.unwrap()[0].mailbox.as_str(), "2002");
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_parked_with_the_reason() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    let reason = "5.1.1 550 no such mailbox (reported by relay.example)";
    assert_eq!(fixture.spool.refuse(id, &mailbox(), 0, reason).await.unwrap(), Settled::Done);
    assert_eq!((fixture.state(), fixture.happened()), ((0, 0), vec!["relayed", "parked"]));
    let parked = fixture.spool.parked().await.unwrap();
    assert_eq!((parked[0].id, &*parked[0].reason, &*parked[0].destination), (id, reason, CENTRAL));
    assert_eq!(fixture.spool.refuse(id, &mailbox(), 0, reason).await.unwrap(), Settled::Unknown);
    fixture.spool.release(id, &mailbox()).await.unwrap();
    fixture.send().await;
    assert_eq!((fixture.state(), fixture.relay.taken(&mailbox()).len()), ((0, 1), 2));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_comes_after_a_refusal_counts() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    fixture.spool.refuse(id, &mailbox(), 0, "as scripted").await.unwrap();
    assert_eq!(fixture.confirm(id).await, Settled::Done);
    assert_eq!(fixture.happened(), ["relayed", "parked", "confirmed"]);
    assert_eq!((fixture.spool.parked().await.unwrap(), fixture.files("parked").len()), (vec![], 0));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_before_the_relays_answer_settles_or_comes_again() {
    let fixture = Fixture::new().await;
    let id = fixture.put(&["2001"]).unwrap();
    let destination = fixture.spool.destination(CENTRAL);
    let batch = destination.queue().poll_send(now()).unwrap();
    assert_eq!(fixture.confirm(id).await, Settled::UnderWay);
    assert_eq!(fixture.spool.refuse(id, &mailbox(), 0, "x").await.unwrap(), Settled::UnderWay);
    // The answer is lost, so the message waits.
    destination.queue().handle_returned();
    destination.queue().handle_deferred(&batch[0], now(), 0.0);
    assert_eq!(fixture.spool.refuse(id, &mailbox(), 0, "x").await.unwrap(), Settled::UnderWay, "it is sent again anyway");
    assert_eq!(fixture.confirm(id).await, Settled::Done);
    assert_eq!((fixture.state(), fixture.files("queue/central.example").len()), ((0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn silence_is_reported_then_offered_again_then_parked() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    fixture.look_after(TimeDelta::zero()).await;
    assert_eq!(fixture.happened(), ["relayed"]);
    fixture.look_after(TimeDelta::hours(4)).await;
    fixture.look_after(TimeDelta::hours(1)).await;
    assert_eq!(fixture.happened(), ["unconfirmed"]);
    let mut fixture = fixture.reopen().await;
    fixture.look_after(TimeDelta::hours(1)).await;
    assert_eq!(fixture.happened(), [""; 0], "a restart does nothing twice");
    for again in 1..=4 {
        fixture.look_after(TimeDelta::days(6)).await;
        assert_eq!((fixture.happened(), fixture.state()), (vec!["offered_again"], (1, 1)), "{again}");
        fixture.send().await;
        assert_eq!((fixture.happened(), fixture.state()), (vec!["relayed"], (0, 1)), "{again}");
    }
    let relayed = fixture.spool.relayed().await.unwrap();
    assert_eq!(relayed[0].relayed_at.to_rfc3339(), "2026-11-29T18:00:00+00:00", "the first time stays");
    fixture.look_after(TimeDelta::days(6)).await;
    assert_eq!((fixture.happened(), fixture.state()), (vec!["parked"], (0, 0)));
    assert!(fixture.spool.parked().await.unwrap()[0].reason.starts_with("no receipt came"));
    assert_eq!(fixture.confirm(id).await, Settled::Done, "even now");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_by_years_parks_no_message() {
    for years in [-56, 56] {
        let mut fixture = Fixture::new().await;
        fixture.look_after(TimeDelta::zero()).await;
        fixture.relayed(&["2001"]).await;
        fixture.clock.advance(TimeDelta::days(years * 365));
        fixture.look_after(TimeDelta::zero()).await;
        assert_eq!((fixture.happened(), fixture.state()), (vec!["relayed"], (0, 1)), "{years} years");
        let relayed_at = fixture.spool.relayed().await.unwrap()[0].relayed_at;
        assert!((fixture.clock.now().instant - relayed_at).abs() <= TimeDelta::hours(2), "{years} years: {relayed_at}");
        // Its waits go on from there, also after a restart.
        let mut fixture = fixture.reopen().await;
        fixture.look_after(TimeDelta::hours(5)).await;
        assert_eq!(fixture.happened(), ["unconfirmed"], "{years} years");
        fixture.look_after(TimeDelta::days(30)).await;
        assert_eq!((fixture.happened(), fixture.state()), (vec!["parked"], (0, 0)), "{years} years");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_offered_again_needs_one_answer_only() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    fixture.look_after(TimeDelta::zero()).await;
    fixture.look_after(TimeDelta::days(6)).await;
    assert_eq!((fixture.confirm(id).await, fixture.state()), (Settled::Done, (0, 0)), "the late receipt");
    assert_eq!(fixture.files("queue/central.example"), [""; 0]);

    let id = fixture.relayed(&["2001"]).await;
    fixture.look_after(TimeDelta::days(6)).await;
    fixture.relay.answer(mailbox(), Outcome::Accepted);
    fixture.send().await;
    assert_eq!((fixture.state(), fixture.confirm(id).await), ((0, 0), Settled::Unknown), "the node itself has it");

    fixture.relay.answer(mailbox(), Outcome::Relayed);
    let id = fixture.relayed(&["2001"]).await;
    fixture.look_after(TimeDelta::days(6)).await;
    fixture.relay.next(Script::Refuse(Reply::new(550, "5.1.1 unknown")));
    fixture.send().await;
    assert_eq!((fixture.spool.parked().await.unwrap().len(), fixture.confirm(id).await), (1, Settled::Done));
    fixture.happened();
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_an_earlier_sending_parks_nothing() {
    let fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    fixture.look_after(TimeDelta::zero()).await;
    fixture.look_after(TimeDelta::days(6)).await;
    let refuse = async |days_ago| fixture.spool.refuse(id, &mailbox(), days_ago, "too long in the queue").await.unwrap();
    assert_eq!((refuse(6).await, fixture.state()), (Settled::SentAgain, (1, 1)), "the second sending is waiting");
    let queue = fixture.spool.destination(CENTRAL);
    let batch = queue.queue().poll_send(now()).unwrap();
    assert_eq!((refuse(6).await, refuse(0).await), (Settled::SentAgain, Settled::UnderWay), "it is being sent");
    queue.queue().handle_returned();
    queue.queue().handle_deferred(&batch[0], now(), 0.0);
    fixture.send().await;
    assert_eq!((refuse(6).await, fixture.state()), (Settled::SentAgain, (0, 1)), "a relay has it");
    assert_eq!(fixture.spool.parked().await.unwrap(), []);
    assert_eq!(refuse(0).await, Settled::Done, "the last sending was refused");
    assert_eq!(fixture.spool.parked().await.unwrap().len(), 1);

    // An operator sends it once more, and an old report comes.
    fixture.look_after(TimeDelta::days(3)).await;
    fixture.spool.release(id, &mailbox()).await.unwrap();
    fixture.send().await;
    let refuse = async |days_ago| fixture.spool.refuse(id, &mailbox(), days_ago, "too late").await.unwrap();
    assert_eq!((refuse(9).await, refuse(3).await), (Settled::SentAgain, Settled::SentAgain));
    assert_eq!((fixture.confirm(id).await, fixture.spool.parked().await.unwrap()), (Settled::Done, vec![]));
}

#[tokio::test(start_paused = true)]
async fn one_receipt_settles_what_was_offered_to_another_node() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    fixture.spool.set_destination("other.example");
    fixture.look_after(TimeDelta::zero()).await;
    fixture.look_after(TimeDelta::days(6)).await;
    fixture.send_to("other.example").await;
    assert_eq!(fixture.happened(), ["relayed", "offered_again", "relayed"]);
    assert_eq!(fixture.spool.relayed().await.unwrap().len(), 1, "under its first name");
    assert_eq!(fixture.confirm(id).await, Settled::Done);
    assert_eq!((fixture.spool.relayed().await.unwrap(), fixture.confirm(id).await), (vec![], Settled::Unknown));
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_at_any_step_loses_no_relayed_message() {
    for unsynced in [Unsynced::Forgotten, Unsynced::NamesKept] {
        let mut operations = 0;
        loop {
            let fixture = Fixture::new().await;
            let id = fixture.put(&["2001", "2002"]).unwrap();
            fixture.disk.power_off_after(operations);
            fixture.send().await;
            let _ = fixture.spool.keep_said(id, None, "delayed".into()).await;
            if operations % 2 == 0 {
                let _ = fixture.spool.refuse(id, &mailbox(), 0, "as scripted").await;
            } else {
                fixture.look_after(TimeDelta::days(31)).await;
            }
            let was_off = fixture.disk.power_cut(unsynced);
            let fixture = fixture.reopen().await;
            for mailbox in ["2001", "2002"] {
                let found = fixture.spool.export(id, &mailbox.parse().unwrap()).await;
                assert!(found.is_ok_and(|found| found.audio().bytes() == SOUND), "{mailbox} after {operations}, {unsynced:?}");
            }
            if !was_off {
                break;
            }
            operations += 1;
        }
        assert!(operations > 5, "the cut came often enough: {operations}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_relayed_file_that_is_no_message_is_put_aside() {
    let mut fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001"]).await;
    let [name] = &fixture.files("relayed/central.example")[..] else { panic!("one file") };
    fixture.disk.open(&Path::new("/spool/relayed/central.example").join(name)).unwrap().set_len(3).unwrap();
    assert_eq!((fixture.confirm(id).await, fixture.state()), (Settled::Unknown, (0, 0)));
    assert_eq!((fixture.files("unreadable").len(), fixture.happened()), (1, vec!["relayed", "unreadable"]));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_stays_beside_the_message_until_its_receipt() {
    let fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001", "2002"]).await;
    let spool = &fixture.spool;
    let said = format!("{id}.said");
    let has_said = |folder| fixture.files(folder).contains(&said);
    assert_eq!(spool.said(id).await.unwrap(), None);
    for (mailbox, mail) in [(None, "the first"), (Some(mailbox()), "delayed")] {
        assert!(spool.keep_said(id, mailbox.as_ref(), mail.into()).await.unwrap());
        assert_eq!(spool.said(id).await.unwrap().unwrap(), mail, "the newest");
    }
    let other = MessageId::random();
    for (id, mailbox) in [(other, None), (other, Some("2001")), (id, Some("2009"))] {
        let mailbox = mailbox.map(|number| number.parse().unwrap());
        assert!(!spool.keep_said(id, mailbox.as_ref(), "of no message".into()).await.unwrap());
    }
    assert_eq!(spool.said(id).await.unwrap().unwrap(), "delayed");
    assert!(spool.keep_said(id, None, vec![b'x'; 100_000].into()).await.unwrap());
    assert_eq!(spool.said(id).await.unwrap().unwrap().len(), 65_536);

    assert_eq!((fixture.confirm(id).await, has_said("relayed/central.example")), (Settled::Done, true), "one mailbox is left");
    spool.confirm(id, &"2002".parse().unwrap(), ContentDigest::of(SOUND)).await.unwrap();
    assert_eq!(fixture.files("relayed/central.example"), [""; 0]);
    assert!(!spool.keep_said(id, None, "too late".into()).await.unwrap());
    assert_eq!(spool.said(id).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_is_parked_with_the_message() {
    let fixture = Fixture::new().await;
    let id = fixture.relayed(&["2001", "2002"]).await;
    fixture.spool.keep_said(id, None, "delayed".into()).await.unwrap();
    fixture.spool.refuse(id, &mailbox(), 0, "as scripted").await.unwrap();
    let said = format!("{id}.said");
    for folder in ["parked", "relayed/central.example"] {
        assert!(fixture.files(folder).contains(&said), "{folder}");
    }
    fixture.confirm(id).await;
    assert_eq!(fixture.files("parked"), [""; 0], "a receipt ends all");
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.spool.said(id).await.unwrap().unwrap(), "delayed");
    fixture.spool.refuse(id, &"2002".parse().unwrap(), 0, "as scripted").await.unwrap();
    let fixture = fixture.reopen().await;
    assert_eq!(fixture.files("relayed/central.example"), [""; 0]);
    assert_eq!(fixture.spool.said(id).await.unwrap().unwrap(), "delayed");
    fixture.spool.release(id, &"2002".parse().unwrap()).await.unwrap();
    assert_eq!(fixture.files("parked"), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_start_removes_what_was_said_of_no_message() {
    let fixture = Fixture::new().await;
    let (kept, gone) = (fixture.relayed(&["2001"]).await, MessageId::random());
    fixture.spool.keep_said(kept, None, "kept".into()).await.unwrap();
    for path in ["relayed/central.example", "parked"] {
        let folder = Path::new("/spool").join(path);
        for name in [format!("{gone}.said"), "x.said".to_owned()] {
            fixture.disk.create(&folder.join(name)).unwrap();
        }
    }
    let fixture = fixture.reopen().await;
    assert_eq!((fixture.files("parked"), fixture.state()), (vec!["x.said".to_owned()], (0, 1)));
    assert_eq!(fixture.spool.said(gone).await.unwrap(), None);
    assert_eq!(fixture.spool.said(kept).await.unwrap().unwrap(), "kept");
}
