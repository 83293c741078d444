//! Warnings before messages are removed because of their age: an event, and one mail to the owner.
//!
//! # How an owner is warned once
//!
//! Every six hours, each mailbox of the network is looked at. One with messages that will soon be removed has a job of the kind
//! [`JobKind::AGE_WARNING`], whose key follows from the mailbox; as long as it is kept, no other one is added, by whichever node that shares the
//! jobs. It is due until its mails are in the outbox; then it is parked, and stands for the warning that was given. It is removed when no message is about
//! to be removed any more, or after as many days as messages are announced before their removal: so an owner whose messages always grow old
//! gets one mail in that time.
//!
//! If a node dies after the mails are in the outbox and before the job is parked, they are added again: as duplicates, or, if they were sent by then, as
//! mails with the same `Message-ID`.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;

use super::current_network::CurrentNetwork;
use super::warning_jobs::{JOBS_AT_ONCE, ParkedJobs, key_of, text_of};
use super::warning_mails::WarningMails;
use crate::arrival::mail::{Envelope, age_warning};
use crate::clock::Clock;
use crate::directory::{Directory, Owner};
use crate::error_chain;
use crate::event::{Event, Events};
use crate::jobs::{Added, Job, JobError, JobKind, JobStore, NewJob};
use crate::message::MailboxId;
use crate::retrieval::{MailboxService, RetrievalError};
use crate::store::StoreError;

/// Warns owners before messages are removed because of their age.
#[derive(Debug)]
pub(super) struct AgeWarnings {
    pub(super) network: Arc<CurrentNetwork>,
    pub(super) service: MailboxService,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) jobs: Arc<dyn JobStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) events: Events,
    pub(super) mails: WarningMails,
}

impl AgeWarnings {
    /// Works until it is dropped; nothing is lost then that the jobs do not have.
    pub(super) async fn run(&self) {
        // A node that has just started has more urgent work.
        sleep(FIRST_LOOK).await;
        loop {
            let pause = match self.look().await {
                Ok(()) => LOOK_INTERVAL,
                Err(()) => FAILURE_INTERVAL,
            };
            sleep(pause).await;
        }
    }

    /// Looks at each mailbox once. One that fails keeps no other from its warning; the error says that there was one.
    async fn look(&self) -> Result<(), ()> {
        let mut result = self.remove_settled().await;
        let mailboxes: Vec<_> = self.network.network().mailboxes().map(|(_, mailbox)| mailbox.number.clone()).collect();
        for mailbox in &mailboxes {
            result = result.and(report(self.check(mailbox).await));
        }
        loop {
            let jobs = match self.jobs.take(&JobKind::AGE_WARNING, JOBS_AT_ONCE, CLAIM).await {
                Ok(jobs) if jobs.is_empty() => return result,
                Ok(jobs) => jobs,
                Err(error) => return report(Err(error_chain(&error))),
            };
            for job in jobs {
                let warned = report(self.warn(&job).await);
                if warned.is_err() {
                    // With an error, it is due again when the claim has run out.
                    let _ = self.jobs.defer(&job, FAILURE_INTERVAL).await;
                }
                result = result.and(warned);
            }
        }
    }

    /// Adds a job for a mailbox with messages that will soon be removed.
    async fn check(&self, mailbox: &MailboxId) -> Result<(), String> {
        let Some((_, messages, days)) = self.expiring(mailbox).await? else { return Ok(()) };
        let (key, now) = (key_of(&format!("age {mailbox}")), self.clock.now().instant);
        let added = self.jobs.add(&NewJob::new(&JobKind::AGE_WARNING, key, now, mailbox.as_str().as_bytes())).await;
        if added.map_err(|error| error_chain(&error))? == Added::Stored {
            self.events.emit(Event::MessagesExpire { mailbox: mailbox.clone(), messages, days });
        }
        Ok(())
    }

    /// The owner, how many messages will be removed, and within how many days; `None` if there are none.
    async fn expiring(&self, mailbox: &MailboxId) -> Result<Option<(Owner, usize, u16)>, String> {
        let owner = self.directory.find(mailbox).await.map_err(|error| error_chain(&error))?;
        let Some(owner) = owner.filter(|owner| owner.warnings.days() > 0) else { return Ok(None) };
        match self.service.warnings(mailbox).await {
            Ok(warnings) if warnings.expiring > 0 => Ok(Some((owner, warnings.expiring, warnings.days))),
            Ok(_)
            | Err(
                RetrievalError::NoSuchMailbox(_)
                | RetrievalError::Store(StoreError::NoSuchMailbox(_) | StoreError::Unsupported(_)),
            ) => Ok(None),
            Err(error) => Err(error_chain(&error)),
        }
    }

    /// Puts a mail for each address of the owner's rules into the outbox, and parks the job.
    async fn warn(&self, job: &Job) -> Result<(), String> {
        let failed = |error: JobError| error_chain(&error);
        let mailbox = self.mailbox(job).await?;
        let expiring = match &mailbox {
            Some(mailbox) => self.expiring(mailbox).await?,
            None => None,
        };
        let (Some(mailbox), Some((owner, messages, days))) = (mailbox, expiring) else {
            return self.jobs.done(job).await.map_err(failed);
        };
        let mail = |envelope: Envelope<'_>| age_warning(envelope, &owner, &mailbox, (messages, days), job.queued_at);
        self.mails.send(job, &mailbox, mail).await?;
        self.jobs.park(job, "the owner is warned; removed when the messages are gone").await.map_err(failed)
    }

    /// Removes each parked job whose owner may be warned again. One that cannot be looked at keeps no other.
    async fn remove_settled(&self) -> Result<(), ()> {
        let (mut result, mut parked) = (Ok(()), ParkedJobs::new(&*self.jobs, &JobKind::AGE_WARNING));
        loop {
            match parked.next().await {
                Ok(Some(job)) => result = result.and(report(self.remove_if_settled(&parked, &job).await)),
                Ok(None) => return result,
                Err(reason) => return report(Err(reason)),
            }
        }
    }

    async fn remove_if_settled(&self, parked: &ParkedJobs<'_>, job: &Job) -> Result<(), String> {
        let expiring = match self.mailbox(job).await? {
            Some(mailbox) => self.expiring(&mailbox).await?,
            None => None,
        };
        let lasts = |days: u16| job.queued_at + TimeDelta::days(days.into()) > self.clock.now().instant;
        if expiring.is_some_and(|(.., days)| lasts(days)) { Ok(()) } else { parked.remove(job).await }
    }

    /// The mailbox of a job; `None` if the job is gone, or is no warning.
    async fn mailbox(&self, job: &Job) -> Result<Option<MailboxId>, String> {
        Ok(text_of(&*self.jobs, job).await?.and_then(|text| text.parse().ok()))
    }
}

fn report(result: Result<(), String>) -> Result<(), ()> {
    result.map_err(|reason| tracing::warn!(reason, "an owner could not be warned yet of messages that grow too old"))
}

const CLAIM: Duration = Duration::from_secs(60);
const FIRST_LOOK: Duration = Duration::from_secs(5 * 60);
const LOOK_INTERVAL: Duration = Duration::from_secs(6 * 3600);
const FAILURE_INTERVAL: Duration = Duration::from_secs(5 * 60);
