//! The warnings of owners, on a store in memory.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::directory::{MailboxLimits, Owner, StaticDirectory, WarningThresholds};
use crate::message::{Audio, AudioType, ClockQuality, ClockSource, Message, MessageId, Origin, RecordedAt};
use crate::store::{MemoryStore, MessageStore as _};

const DAY: Duration = Duration::from_secs(86_400);

struct Fixture {
    service: MailboxService,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    mailbox: MailboxId,
}

impl Fixture {
    fn of(change: impl FnOnce(&mut Owner)) -> Self {
        let mailbox: MailboxId = "2041".parse().unwrap();
        let mut owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
        change(&mut owner);
        let directory: StaticDirectory = [(mailbox.clone(), owner)].into_iter().collect();
        let clock = Arc::new(ManualClock::at("2026-03-25T12:00:00Z".parse().unwrap()));
        let store = MemoryStore::new([mailbox.clone()]).directory(directory.clone()).clock(Arc::clone(&clock));
        let store = Arc::new(store);
        let service = MailboxService::builder("example.com", Arc::clone(&store), directory).clock(Arc::clone(&clock)).build();
        Self { service, store, clock, mailbox }
    }

    /// Puts a message of so many minutes into the mailbox that was recorded so many hours ago.
    async fn deposit(&self, minutes: u64, hours_ago: i64) -> MessageId {
        let now = crate::clock::Clock::now(&self.clock).instant;
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt::new(now - TimeDelta::hours(hours_ago), chrono_tz::UTC, quality);
        let message = Message::builder(Audio::new(AudioType::Wav, &b"RIFF.."[..]), recorded_at);
        let message = message.length(Duration::from_secs(60 * minutes)).build();
        self.store.deposit(&self.mailbox, &Origin::Here, &message).await.unwrap();
        message.id()
    }

    async fn warnings(&self) -> MailboxWarnings {
        self.service.warnings(&self.mailbox).await.unwrap()
    }

    async fn mark(&self, id: MessageId, status: Status) {
        self.store.mark(&self.mailbox, id, status).await.unwrap();
    }
}

#[tokio::test]
async fn a_mailbox_is_nearly_full_from_90_percent_on() {
    let fixture = Fixture::of(|owner| owner.holding = MailboxLimits { messages: Some(10), ..MailboxLimits::default() });
    let mut rooms = vec![fixture.warnings().await.room];
    let mut first = None;
    for _ in 0..10 {
        let id = fixture.deposit(1, 0).await;
        first.get_or_insert(id);
        rooms.push(fixture.warnings().await.room);
    }
    assert!(rooms[..9].iter().all(|room| *room == MailboxRoom::Enough), "{rooms:?}");
    assert_eq!(rooms[9..], [MailboxRoom::Little, MailboxRoom::None]);
    fixture.mark(first.unwrap(), Status::Removed).await;
    assert_eq!(fixture.warnings().await.room, MailboxRoom::Little, "a removed message leaves room");
}

#[tokio::test]
async fn the_minutes_count_by_the_owners_threshold() {
    let fixture = Fixture::of(|owner| {
        owner.holding = MailboxLimits { length: Some(Duration::from_secs(600)), ..MailboxLimits::default() };
        owner.warnings = WarningThresholds::default().with_percent(50);
    });
    fixture.deposit(4, 0).await;
    assert_eq!(fixture.warnings().await.room, MailboxRoom::Enough);
    fixture.deposit(1, 0).await;
    assert_eq!(fixture.warnings().await.room, MailboxRoom::Little);
    fixture.deposit(9, 0).await;
    assert_eq!(fixture.warnings().await.room, MailboxRoom::None);
}

#[tokio::test]
async fn messages_are_announced_before_their_age_removes_them() {
    let fixture = Fixture::of(|owner| owner.retention = Retention::default().new_for(30 * DAY).old_for(10 * DAY));
    let old = fixture.deposit(1, 8 * 24).await;
    let heard = fixture.deposit(1, 6 * 24).await;
    let new = fixture.deposit(1, 28 * 24).await;
    for id in [old, heard] {
        fixture.mark(id, Status::Old).await;
    }
    let expiring = async || {
        let warnings = fixture.warnings().await;
        (warnings.expiring, warnings.days)
    };
    assert_eq!(expiring().await, (2, 3), "one old and one new message");
    fixture.clock.advance(TimeDelta::hours(25));
    assert_eq!(expiring().await, (3, 3));
    fixture.mark(new, Status::Removed).await;
    assert_eq!(expiring().await, (2, 3), "an owner who has removed a message needs no warning");
    fixture.clock.advance(TimeDelta::days(1));
    fixture.store.housekeep().await.unwrap();
    assert_eq!(expiring().await, (1, 3), "the oldest is removed by now");
}

#[tokio::test]
async fn nobody_is_warned_of_what_the_store_does_not_do() {
    let fixture = Fixture::of(|owner| {
        owner.retention = Retention::default().removed_for(DAY);
        owner.warnings = WarningThresholds::default().with_days(0);
    });
    for _ in 0..5 {
        fixture.deposit(1000, 10_000).await;
    }
    assert_eq!(fixture.warnings().await, MailboxWarnings::default());
}

#[tokio::test]
async fn many_messages_are_counted_page_by_page() {
    let fixture = Fixture::of(|owner| owner.retention = Retention::default().new_for(30 * DAY));
    for _ in 0..250 {
        fixture.deposit(1, 29 * 24).await;
    }
    fixture.deposit(1, 0).await;
    assert_eq!(fixture.warnings().await.expiring, 250);
}
