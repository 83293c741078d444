//! [`Lamps`]: updates every lamp to the state that the store reports.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::future::OptionFuture;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::time::timeout;
use tracing::Span;

use super::changes::Changes;
use super::counter::{Counted, Counter};
use super::current_network::CurrentNetwork;
use super::lamp_leases::LampLeases;
use super::lamp_scheduler::{LampScheduler, LampTask, TaskOutcome};
use crate::directory::Directory;
use crate::error_chain;
use crate::event::{Event, Events};
use crate::message::{MailboxId, MessageId, SiteId, Summary};
use crate::mwi::{LampLease, LampPermit, MwiError, MwiSink};
use crate::retry::{Backoff, Rate, now, wait_until};
use crate::store::MessageStore;

/// Updates every lamp to the state that the store reports: counts a mailbox when it may have changed, and passes the count to the sink.
///
/// The lamp of a mailbox that cannot be counted is not updated: an unknown state is neither "messages waiting" nor "none". When a sink
/// or a store hangs or panics, that lamp is tried again; other lamps are not affected.
#[derive(Debug)]
pub(super) struct Lamps<'a> {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) counter: &'a Counter,
    pub(super) sink: Arc<dyn MwiSink>,
    pub(super) events: Events,
    pub(super) changes: Arc<Changes>,
    pub(super) current: &'a CurrentNetwork,
    pub(super) directory: &'a dyn Directory,
    /// The rate limit for lamps of mailboxes that have not just changed.
    pub(super) max_per_sec: u32,
    /// The waits between the attempts of one lamp.
    pub(super) backoff: Backoff,
    /// The leases of the PBXs' lamps; without them, this is the only central node.
    pub(super) lease: Option<Arc<dyn LampLease>>,
}

impl Lamps<'_> {
    /// Updates lamps until `stop` is ready; then updates once those whose last change has not been shown, and gives up its leases.
    ///
    /// It begins with the lamps of all mailboxes of the network, so that every lamp is right after a restart. It does the same when
    /// another network comes into force, and when the sink reports that lamps may have lost their state. With leases, it does so for the mailboxes
    /// of the PBXs whose leases it holds, and for those of each PBX whose lease it gains.
    pub(super) async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut scheduler = LampScheduler::new(MOST_AT_ONCE, self.max_per_sec, self.backoff);
        let mut known = HashMap::new();
        let mut leases = self.lease.as_ref().map(|lease| LampLeases::new(lease.term(), now()));
        let mut renewal = OptionFuture::from(None);
        self.show_all(leases.as_ref(), &mut scheduler, &mut known);
        let mut losses = std::pin::pin!(self.losses());
        let mut possible_changes = std::pin::pin!(self.possible_changes());
        let mut tasks = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            if let Some(leases) = &mut leases
                && leases.poll_renewal(now())
            {
                renewal = OptionFuture::from(Some(Box::pin(self.renew())));
            }
            scheduler.handle_changes(self.changes.take());
            while let Some((mailbox, task)) = scheduler.poll_task(now()) {
                let before = known.get(&mailbox).copied();
                let permit = self.permit(leases.as_ref(), &mailbox);
                tasks.push(self.run_task(mailbox, task, before, permit));
            }
            let renew_at = leases.as_ref().and_then(LampLeases::poll_timeout);
            tokio::select! {
                () = &mut stop => break,
                Some(answer) = &mut renewal => {
                    renewal = OptionFuture::from(None);
                    if let Some(leases) = &mut leases {
                        let gained = handle_renewal(leases, answer);
                        self.show_sites(&gained, &mut scheduler, &mut known);
                    }
                }
                () = wait_until(renew_at) => {}
                Some(done) = tasks.next() => record_result(done, &mut scheduler, &mut known),
                () = self.changes.noted() => {}
                Some(mailboxes) = possible_changes.next() => scheduler.handle_possible_changes(self.changes.without_own(mailboxes)),
                () = self.current.changed() => self.show_all(leases.as_ref(), &mut scheduler, &mut known),
                Some(()) = losses.next() => self.show_all(leases.as_ref(), &mut scheduler, &mut known),
                () = wait_until(scheduler.poll_timeout()) => {}
            }
        }
        while let Some(done) = tasks.next().await {
            record_result(done, &mut scheduler, &mut known);
        }
        scheduler.handle_changes(self.changes.take());
        let last = async {
            self.show_last(scheduler.into_unshown(), leases.as_ref()).await;
            // The members of groups whose last change was shown just now.
            self.show_last(self.changes.take().into_iter().map(|mailbox| (mailbox, None)), leases.as_ref()).await;
        };
        // A lamp that was not updated by then is updated after the next start.
        let _ = timeout(LONGEST, last).await;
        self.release(leases.as_mut()).await;
    }

    /// Updates these lamps once, each at its time, but soon.
    async fn show_last(&self, mailboxes: impl IntoIterator<Item = (MailboxId, Option<Instant>)>, leases: Option<&LampLeases>) {
        let latest = now() + LONGEST_PAUSE;
        let last = stream::iter(mailboxes).map(|(mailbox, due)| {
            let permit = self.permit(leases, &mailbox);
            async move {
                if let Some(due) = due {
                    wait_until(Some(due.min(latest))).await;
                }
                self.run_task(mailbox, LampTask::Show, None, permit).await
            }
        });
        last.buffer_unordered(MOST_AT_ONCE).for_each(|_| std::future::ready(())).await;
    }

    /// Plans an update of every lamp that this node may update.
    fn show_all(&self, leases: Option<&LampLeases>, scheduler: &mut LampScheduler, known: &mut HashMap<MailboxId, Summary>) {
        known.clear();
        let network = self.current.network();
        let may_update = |site: &SiteId| leases.is_none_or(|leases| leases.permit(site).is_valid_at(now()));
        for site in network.sites().filter(|site| may_update(site.id())) {
            site.mailboxes().iter().for_each(|mailbox| scheduler.handle_restart(mailbox.number.clone()));
        }
    }

    /// Plans an update of every lamp of the PBXs `sites`.
    fn show_sites(&self, sites: &[SiteId], scheduler: &mut LampScheduler, known: &mut HashMap<MailboxId, Summary>) {
        let network = self.current.network();
        for site in sites.iter().filter_map(|site| network.site(site)) {
            tracing::info!(pbx = %site.id(), "this node updates the lamps of the PBX now");
            for mailbox in site.mailboxes() {
                known.remove(&mailbox.number);
                scheduler.handle_restart(mailbox.number.clone());
            }
        }
    }

    /// Returns the permit to update the lamp of `mailbox`: that of its home PBX, or of the central PBX if the network does not know the mailbox.
    fn permit(&self, leases: Option<&LampLeases>, mailbox: &MailboxId) -> LampPermit {
        let Some(leases) = leases else { return LampPermit::unlimited() };
        let network = self.current.network();
        let home = network.mailbox(mailbox).map_or_else(|| network.central(), |(home, _)| home);
        leases.permit(home.id())
    }

    /// Renews the leases of all PBXs while this node is a central one, and gives them up otherwise. Returns the time of the call with the leases that
    /// are held; `None` if the call failed.
    async fn renew(&self) -> (Instant, Option<Vec<SiteId>>) {
        let asked_at = now();
        let Some(lease) = &self.lease else { return (asked_at, None) };
        let call = async {
            if self.current.is_central() {
                let sites: Vec<SiteId> = self.current.network().sites().map(|site| site.id().clone()).collect();
                lease.renew(&sites).await
            } else {
                lease.release().await.map(|()| Vec::new())
            }
        };
        let held = match timeout(LONGEST_RENEWAL, AssertUnwindSafe(call).catch_unwind()).await {
            Ok(Ok(Ok(held))) => Some(held),
            Ok(Ok(Err(error))) => {
                tracing::warn!(
                    reason = error_chain(&error),
                    "the leases of the lamps are not renewed; another node may take them"
                );
                None
            }
            Ok(Err(_panic)) => {
                tracing::error!("the lease of the lamps panicked");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("the leases of the lamps were not renewed in time; another node may take them");
                None
            }
        };
        (asked_at, held)
    }

    /// Gives up the leases at a stop, so that another node updates the lamps at once.
    async fn release(&self, leases: Option<&mut LampLeases>) {
        let (Some(lease), Some(leases)) = (&self.lease, leases) else { return };
        leases.handle_released(now());
        let released = timeout(LONGEST_RENEWAL, AssertUnwindSafe(lease.release()).catch_unwind()).await;
        if !matches!(released, Ok(Ok(Ok(())))) {
            tracing::warn!("the leases of the lamps were not given up; they run out");
        }
    }

    /// One item each time the sink reports that lamps may have lost their state; at most one a second.
    fn losses(&self) -> impl Stream<Item = ()> {
        let next = move |not_before: Option<Instant>| async move {
            wait_until(not_before).await;
            if AssertUnwindSafe(self.sink.lost()).catch_unwind().await.is_err() {
                tracing::error!("the sink panicked when asked whether lamps lost their state; it is not asked again");
                return None;
            }
            Some(((), Some(now() + LOSS_PAUSE)))
        };
        stream::unfold(Some(now()), next).fuse()
    }

    /// One item each time the store reports mailboxes that others may have changed, at a limited rate.
    fn possible_changes(&self) -> impl Stream<Item = Vec<MailboxId>> {
        let next = move |mut rate: Rate| async move {
            wait_until(rate.poll_timeout().or(Some(now()))).await;
            rate.handle_gone(now());
            match AssertUnwindSafe(self.store.external_changes()).catch_unwind().await {
                Ok(mailboxes) => Some((mailboxes, rate)),
                Err(_panic) => {
                    tracing::error!("the store panicked when asked what others changed; it is not asked again");
                    None
                }
            }
        };
        stream::unfold(Rate::new(LOOKS_PER_SEC), next).fuse()
    }

    /// Runs a task for a mailbox whose lamp shows `before`, as far as is known.
    async fn run_task(&self, mailbox: MailboxId, task: LampTask, before: Option<Summary>, permit: LampPermit) -> TaskResult {
        if !self.current.is_central() {
            // Another node keeps the mailboxes and updates the lamps.
            return TaskResult { mailbox, outcome: TaskOutcome::Shown, summary: None };
        }
        if task == LampTask::Count {
            let counted = timeout(LONGEST, AssertUnwindSafe(self.counter.has_new(&mailbox)).catch_unwind()).await;
            // A mailbox that cannot be counted now is counted again before its lamp is updated.
            let new = matches!(counted, Ok(Ok(Ok(true))));
            return TaskResult { mailbox, outcome: TaskOutcome::Counted { new }, summary: None };
        }
        let arrived = self.changes.arrived(&mailbox);
        // A message that has arrived is reported as shown, even if the lamp does not change.
        let same = before.filter(|_| task == LampTask::ShowIfChanged && arrived.messages().is_empty());
        let spans = LampSpans::of(&mailbox, arrived.messages());
        let result =
            timeout(LONGEST, AssertUnwindSafe(self.show(&mailbox, same, arrived.messages(), &spans, &permit)).catch_unwind())
                .await;
        let shown = match result {
            Ok(Ok(shown)) => shown,
            Ok(Err(_panic)) => Err(LampFailure::passing("the sink or the store panicked")),
            Err(_elapsed) => Err(LampFailure::passing("no answer in time")),
        };
        let (outcome, summary) = match shown {
            Ok(Shown { event: Some(event), summary }) => {
                spans.trace(&event);
                self.events.emit(event);
                (TaskOutcome::Shown, summary)
            }
            Ok(Shown { event: None, summary }) => (TaskOutcome::Unchanged, summary),
            // A folder that others keep beside the mailboxes is no mailbox.
            Err(LampFailure { again: false, .. }) if task == LampTask::ShowIfChanged => (TaskOutcome::Shown, None),
            Err(LampFailure { reason, again }) => {
                self.events.emit(Event::LampFailed { mailbox: mailbox.clone(), reason });
                (if again { TaskOutcome::Failed } else { TaskOutcome::Shown }, None)
            }
        };
        if outcome != TaskOutcome::Failed {
            arrived.shown();
        }
        TaskResult { mailbox, outcome, summary }
    }

    /// Shows the newest state, unless that is `same`.
    async fn show(
        &self,
        mailbox: &MailboxId,
        same: Option<Summary>,
        arrived: &Arc<[MessageId]>,
        spans: &LampSpans,
        permit: &LampPermit,
    ) -> Result<Shown, LampFailure> {
        let counted = self.counter.count(mailbox).await;
        let Counted { state, own } =
            counted.map_err(|error| LampFailure { reason: error_chain(&error), again: error.is_transient() })?;
        let (summary, version) = (state.summary, state.version);
        self.note_members(mailbox, own).await?;
        if same == Some(summary) {
            return Ok(Shown { event: None, summary: Some(summary) });
        }
        let counted = Event::Counted { mailbox: mailbox.clone(), summary, arrived: Arc::clone(arrived) };
        spans.trace(&counted);
        self.events.emit(counted);
        match self.sink.show_permitted(&state, permit).await {
            Ok(()) => {}
            // The node that holds the lease of the PBX shows the state.
            Err(MwiError::NotPermitted) => return Ok(Shown { event: None, summary: None }),
            Err(error) => return Err(LampFailure { reason: error_chain(&error), again: error.is_transient() }),
        }
        let event = Event::LampShown { mailbox: mailbox.clone(), summary, version, arrived: Arc::clone(arrived) };
        Ok(Shown { event: Some(event), summary: Some(summary) })
    }

    /// Notes the members of a group whose lamps show another count of it than this one.
    async fn note_members(&self, group: &MailboxId, counted: Summary) -> Result<(), LampFailure> {
        let counts = self.changes.group_counts();
        if !counts.differs(group, counted) {
            return Ok(());
        }
        let found = self.directory.group(group).await;
        let found = found.map_err(|error| LampFailure { reason: error_chain(&error), again: error.is_transient() })?;
        // Before the members are noted: one that was given another count until now is counted again.
        counts.handle_noted(group, counted);
        found.into_iter().flat_map(|group| group.members).for_each(|member| self.changes.note(member));
        Ok(())
    }
}

/// How a task ended, and what the lamp shows then, as far as is known.
struct TaskResult {
    mailbox: MailboxId,
    outcome: TaskOutcome,
    summary: Option<Summary>,
}

/// The state that a lamp shows, unless another node updates it; and the event to report if it did not show that before.
struct Shown {
    event: Option<Event>,
    summary: Option<Summary>,
}

/// The `tracing` spans of the messages that a lamp is about to show, one for each message.
struct LampSpans(Vec<Span>);

impl LampSpans {
    fn of(mailbox: &MailboxId, messages: &[MessageId]) -> Self {
        Self(messages.iter().map(|id| tracing::info_span!(parent: None, "lamp", %id, %mailbox)).collect())
    }

    fn trace(&self, event: &Event) {
        for span in self.0.iter().filter(|span| !span.is_disabled()) {
            span.in_scope(|| event.trace_step());
        }
    }
}

/// Handles the answer to a renewal; returns the PBXs whose leases were gained.
fn handle_renewal(leases: &mut LampLeases, (asked_at, held): (Instant, Option<Vec<SiteId>>)) -> Vec<SiteId> {
    if let Some(held) = held {
        return leases.handle_renewed(held, asked_at, now());
    }
    leases.handle_failure(asked_at, now());
    Vec::new()
}

/// Records how a task ended. The state that a lamp shows is known until it may have changed in another way.
fn record_result(done: TaskResult, scheduler: &mut LampScheduler, known: &mut HashMap<MailboxId, Summary>) {
    let TaskResult { mailbox, outcome, summary } = done;
    match summary {
        Some(summary) => known.insert(mailbox.clone(), summary),
        None => known.remove(&mailbox),
    };
    scheduler.handle_outcome(mailbox, outcome, now());
}

/// Why a lamp was not updated, and whether to try again.
struct LampFailure {
    reason: String,
    again: bool,
}

impl LampFailure {
    fn passing(reason: &str) -> Self {
        Self { reason: reason.to_owned(), again: true }
    }
}

/// The most lamps that are updated at the same time.
const MOST_AT_ONCE: usize = 64;
/// The longest time for one lamp.
const LONGEST: Duration = Duration::from_secs(10);
/// The pause between two reports of lost lamps.
const LOSS_PAUSE: Duration = Duration::from_secs(1);
/// How often a second the store is asked for changes by others, at most.
const LOOKS_PER_SEC: u32 = 100;
/// The longest time for a renewal of leases: what comes later is too late to be of use.
const LONGEST_RENEWAL: Duration = Duration::from_secs(2);
/// The longest wait of a node that stops, so that no lamp is updated twice within a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
