//! Warnings before a mailbox is full: an event, and one mail to the owner, each time that the mailbox becomes nearly full, or full.
//!
//! # How an owner is warned once
//!
//! A mailbox that is nearly full has a job of the kind [`JobKind::WARNING`], and a full one has a second job; the key of each follows from the mailbox. As
//! long as a job is kept, no other one with its key is added, by whichever node that shares the jobs. The node that adds it reports
//! [`Event::MailboxRoom`]. The job is due until its mails are in the outbox, under keys that follow from the job; then it is parked, and stands for the
//! warning that was given. Once a minute each parked one is compared with its mailbox, and removed when there is room again: so the next warning
//! comes after there was room, and a mailbox that goes to and fro within a minute causes no second one.
//!
//! If a node dies after the mails are in the outbox and before the job is parked, they are added again: as duplicates, or, if they were sent by
//! then, as mails with the same `Message-ID`.
//!
//! A mailbox is looked at when this node has put a message into it, or refused one because it is full. So a warning that a crash has
//! prevented comes with the next message.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::warning_jobs::{JOBS_AT_ONCE, ParkedJobs, key_of, text_of};
use super::warning_mails::WarningMails;
use crate::arrival::mail::{Envelope, room_warning};
use crate::clock::Clock;
use crate::directory::{Directory, Owner};
use crate::error_chain;
use crate::event::{Event, Events};
use crate::jobs::{Added, Job, JobError, JobKey, JobKind, JobStore, NewJob};
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::store::{MailboxRoom, MailboxUsage, MessageStore, StoreError};

/// The mailboxes that got a message, or could not take one.
#[derive(Debug, Default)]
pub(super) struct NotedMailboxes {
    mailboxes: Lock<BTreeSet<MailboxId>>,
    changed: Notify,
}

impl NotedMailboxes {
    pub(super) fn note(&self, mailbox: &MailboxId) {
        let mut mailboxes = self.mailboxes.lock();
        if !mailboxes.contains(mailbox) {
            mailboxes.insert(mailbox.clone());
            self.changed.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<MailboxId> {
        std::mem::take(&mut *self.mailboxes.lock())
    }
}

/// Warns owners before their mailboxes are full.
#[derive(Debug)]
pub(super) struct RoomWarnings {
    pub(super) noted: Arc<NotedMailboxes>,
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) jobs: Arc<dyn JobStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    /// Whether the store is known to have no limits itself: then a mailbox whose owner has none either is not looked at.
    pub(super) store_is_unlimited: AtomicBool,
    /// The mails; none if owners get none.
    pub(super) mails: Option<WarningMails>,
}

impl RoomWarnings {
    /// Works until it is dropped; nothing is lost then that the jobs do not have.
    pub(super) async fn run(&self) {
        let mut next_sweep = Instant::now();
        loop {
            let looked = self.check_noted().await;
            let mut works = self.work().await && looked;
            if next_sweep <= Instant::now() {
                next_sweep = Instant::now() + SWEEP_INTERVAL;
                works = self.sweep().await && works;
            }
            let pause = if works { LOOK_INTERVAL } else { FAILURE_INTERVAL };
            let look_at = Instant::now() + pause;
            tokio::select! {
                () = sleep_until(look_at.max(next_sweep)) => {}
                () = self.noted.changed.notified() => sleep_until(look_at).await,
                () = self.jobs.due(&JobKind::WARNING) => sleep_until(look_at).await,
            }
        }
    }

    /// Adds a job for each mailbox that has little room; returns whether all could be looked at. One that fails keeps no other from its warning.
    async fn check_noted(&self) -> bool {
        let mut all = true;
        for mailbox in self.noted.take() {
            if let Err(error) = self.check(&mailbox).await {
                tracing::warn!(reason = error, "the room of a mailbox could not be looked at; it is tried again");
                self.noted.note(&mailbox);
                all = false;
            }
        }
        all
    }

    async fn check(&self, mailbox: &MailboxId) -> Result<(), String> {
        let Some((_, room, _)) = self.room(mailbox).await? else { return Ok(()) };
        for level in LEVELS.into_iter().filter(|level| *level <= room) {
            let payload = format!("{} {mailbox}", name(level));
            let now = self.clock.now().instant;
            let added = self.jobs.add(&NewJob::new(&JobKind::WARNING, key(mailbox, level), now, payload.as_bytes())).await;
            if added.map_err(|error| error_chain(&error))? == Added::Stored && level == room {
                self.events.emit(Event::MailboxRoom { mailbox: mailbox.clone(), room });
            }
        }
        Ok(())
    }

    /// The owner, the room and the usage of a mailbox; `None` if there is no such mailbox any more, or it has no limits.
    async fn room(&self, mailbox: &MailboxId) -> Result<Option<(Owner, MailboxRoom, MailboxUsage)>, String> {
        let owner = self.directory.find(mailbox).await.map_err(|error| error_chain(&error))?;
        let Some(owner) = owner else { return Ok(None) };
        if owner.holding.is_unlimited() && self.store_is_unlimited.load(Ordering::Relaxed) {
            return Ok(None);
        }
        match self.store.usage(mailbox).await {
            Ok(usage) => {
                if usage.limits.is_unlimited() {
                    self.store_is_unlimited.store(true, Ordering::Relaxed);
                }
                let room = MailboxRoom::of(&usage, owner.warnings.percent());
                Ok(Some((owner, room, usage)))
            }
            Err(StoreError::NoSuchMailbox(_)) => Ok(None),
            Err(error) => Err(error_chain(&error)),
        }
    }

    /// Sends the mails of the jobs that are due; returns whether the jobs could be read.
    async fn work(&self) -> bool {
        match self.jobs.take(&JobKind::WARNING, JOBS_AT_ONCE, CLAIM).await {
            Ok(jobs) => {
                for job in jobs {
                    if let Err(reason) = self.warn(&job).await {
                        tracing::warn!(%job, reason, "an owner could not be warned yet of a mailbox with little room");
                        // With an error, it is due again when the claim has run out.
                        let _ = self.jobs.defer(&job, FAILURE_INTERVAL).await;
                    }
                }
                true
            }
            Err(error) => {
                tracing::warn!(reason = error_chain(&error), "the warnings of mailboxes with little room cannot be read");
                false
            }
        }
    }

    async fn warn(&self, job: &Job) -> Result<(), String> {
        let failed = |error: JobError| error_chain(&error);
        let Some((level, mailbox)) = self.payload(job).await? else { return self.jobs.done(job).await.map_err(failed) };
        let Some((owner, room, usage)) = self.room(&mailbox).await? else { return self.jobs.done(job).await.map_err(failed) };
        if room < level {
            return self.jobs.done(job).await.map_err(failed);
        }
        // The owner of a mailbox that is full by now is warned of that.
        if room == level {
            self.mail(job, &owner, &mailbox, (room, &usage)).await?;
        }
        self.jobs.park(job, "the owner is warned; removed when there is room").await.map_err(failed)
    }

    /// Puts a mail for each address of the owner's rules into the outbox.
    async fn mail(
        &self,
        job: &Job,
        owner: &Owner,
        mailbox: &MailboxId,
        (room, usage): (MailboxRoom, &MailboxUsage),
    ) -> Result<(), String> {
        let Some(mails) = &self.mails else { return Ok(()) };
        let mail = |envelope: Envelope<'_>| room_warning(envelope, owner, mailbox, (room, usage), job.queued_at);
        mails.send(job, mailbox, mail).await
    }

    /// Removes each job that is parked and whose mailbox has room again; returns whether all could be looked at. One that fails keeps no other.
    async fn sweep(&self) -> bool {
        let (mut all, mut parked) = (true, ParkedJobs::new(&*self.jobs, &JobKind::WARNING));
        loop {
            match parked.next().await {
                Ok(Some(job)) => {
                    if let Err(reason) = self.remove_if_settled(&parked, &job).await {
                        tracing::warn!(%job, reason, "the warning of a mailbox with little room cannot be compared with it");
                        all = false;
                    }
                }
                Ok(None) => return all,
                Err(reason) => {
                    tracing::warn!(reason, "the warnings of mailboxes with little room cannot be read");
                    return false;
                }
            }
        }
    }

    async fn remove_if_settled(&self, parked: &ParkedJobs<'_>, job: &Job) -> Result<(), String> {
        let lasts = match self.payload(job).await? {
            Some((level, mailbox)) => self.room(&mailbox).await?.is_some_and(|(_, room, _)| room >= level),
            None => false,
        };
        if lasts { Ok(()) } else { parked.remove(job).await }
    }

    /// The level and the mailbox of a job; `None` if it is gone, or is no warning.
    async fn payload(&self, job: &Job) -> Result<Option<(MailboxRoom, MailboxId)>, String> {
        let text = text_of(&*self.jobs, job).await?;
        Ok(text.and_then(|text| {
            let (level, mailbox) = text.split_once(' ')?;
            Some((LEVELS.into_iter().find(|known| name(*known) == level)?, mailbox.parse().ok()?))
        }))
    }
}

/// The key of the job: the same while the mailbox has as little room.
fn key(mailbox: &MailboxId, level: MailboxRoom) -> JobKey {
    key_of(&format!("{} {mailbox}", name(level)))
}

fn name(level: MailboxRoom) -> &'static str {
    match level {
        MailboxRoom::Enough => "enough",
        MailboxRoom::Little => "little",
        MailboxRoom::None => "none",
    }
}

const LEVELS: [MailboxRoom; 2] = [MailboxRoom::Little, MailboxRoom::None];
const CLAIM: Duration = Duration::from_secs(60);
/// The shortest time between two looks at the mailboxes, so that one that gets many messages is looked at once for all.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
const FAILURE_INTERVAL: Duration = Duration::from_secs(30);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
