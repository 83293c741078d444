//! [`Lamps`]: keeps every lamp at what the store says.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::time::timeout;
use tracing::Span;

use super::agenda::{Agenda, Errand, Outcome};
use super::changes::Changes;
use super::counter::Counter;
use super::standing::Standing;
use crate::error_chain;
use crate::event::{Event, Events};
use crate::message::{MailboxId, MessageId, Summary};
use crate::mwi::{MwiError, MwiSink};
use crate::retry::{Rate, now, wait_until};
use crate::store::MessageStore;

/// Keeps every lamp at what the store says: counts a mailbox when it may have changed, and tells the sink.
///
/// A mailbox that cannot be counted is not shown at all: not knowing is neither "waiting" nor "none". A sink or a store that hangs
/// or panics costs its own lamp a try, and nobody else anything.
#[derive(Debug)]
pub(super) struct Lamps<'a> {
    pub(super) store: Arc<dyn MessageStore>,
    pub(super) counter: &'a Counter,
    pub(super) sink: Arc<dyn MwiSink>,
    pub(super) events: Events,
    pub(super) changes: Arc<Changes>,
    pub(super) standing: &'a Standing,
    /// How many lamps are told a second that have not just changed.
    pub(super) a_second: u32,
}

impl Lamps<'_> {
    /// Tells lamps until `stop` is ready; then tells once what has changed and not been told.
    ///
    /// It begins with telling each mailbox of the network, so that every lamp is right after a restart; and so it does when another
    /// network is in force, or the sink says that lamps may have lost what they were shown.
    pub(super) async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut agenda = Agenda::new(MOST_AT_ONCE, self.a_second);
        let mut known = HashMap::new();
        self.tell_all(&mut agenda, &mut known);
        let mut losses = std::pin::pin!(self.losses());
        let mut doubts = std::pin::pin!(self.doubts());
        let mut errands = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            agenda.handle_changes(self.changes.take());
            while let Some((mailbox, errand)) = agenda.poll_errand(now()) {
                let before = known.get(&mailbox).copied();
                errands.push(self.run_errand(mailbox, errand, before));
            }
            tokio::select! {
                () = &mut stop => break,
                Some(done) = errands.next() => note(done, &mut agenda, &mut known),
                () = self.changes.noted() => {}
                Some(mailboxes) = doubts.next() => agenda.handle_doubts(self.changes.without_own(mailboxes)),
                () = self.standing.changed() => self.tell_all(&mut agenda, &mut known),
                Some(()) = losses.next() => self.tell_all(&mut agenda, &mut known),
                () = wait_until(agenda.poll_timeout()) => {}
            }
        }
        while let Some(done) = errands.next().await {
            note(done, &mut agenda, &mut known);
        }
        agenda.handle_changes(self.changes.take());
        let latest = now() + LONGEST_PAUSE;
        let last = stream::iter(agenda.into_untold()).map(|(mailbox, due)| async move {
            wait_until(due.map(|due| due.min(latest))).await;
            self.run_errand(mailbox, Errand::Tell, None).await
        });
        // What is not told by then is told after the next start.
        let _ = timeout(LONGEST, last.buffer_unordered(MOST_AT_ONCE).for_each(|_| std::future::ready(()))).await;
    }

    /// Has every lamp told what it is.
    fn tell_all(&self, agenda: &mut Agenda, known: &mut HashMap<MailboxId, Summary>) {
        known.clear();
        let network = self.standing.network();
        network.mailboxes().for_each(|(_, mailbox)| agenda.handle_restart(mailbox.number.clone()));
    }

    /// Each time that lamps may have lost what they were shown; at most once a second, whatever the sink says.
    fn losses(&self) -> impl Stream<Item = ()> {
        let next = move |not_before: Option<Instant>| async move {
            wait_until(not_before).await;
            if AssertUnwindSafe(self.sink.lost()).catch_unwind().await.is_err() {
                tracing::error!("the sink panicked when asked whether lamps were lost; it is not asked again");
                return None;
            }
            Some(((), Some(now() + LOSS_PAUSE)))
        };
        stream::unfold(Some(now()), next).fuse()
    }

    /// Each time that somebody else may have changed mailboxes; so often and no more, whatever the store says.
    fn doubts(&self) -> impl Stream<Item = Vec<MailboxId>> {
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
        stream::unfold(Rate::new(DOUBTS_A_SECOND), next).fuse()
    }

    /// Runs an errand for a mailbox whose lamp shows `before`, as far as is known.
    async fn run_errand(&self, mailbox: MailboxId, errand: Errand, before: Option<Summary>) -> Done {
        if !self.standing.is_central() {
            // Another node has the mailboxes, and tells.
            return Done { mailbox, outcome: Outcome::Told, summary: None };
        }
        if errand == Errand::Count {
            let counted = timeout(LONGEST, AssertUnwindSafe(self.store.summary(&mailbox)).catch_unwind()).await;
            // What cannot be counted now may be counted when it is told.
            let new = matches!(counted, Ok(Ok(Ok(summary))) if summary.new > 0);
            return Done { mailbox, outcome: Outcome::Counted { new }, summary: None };
        }
        let arrived = self.changes.arrived(&mailbox);
        // A message that has arrived is said to be shown, whatever the lamp shows.
        let same = before.filter(|_| errand == Errand::TellIfOther && arrived.messages().is_empty());
        let way = Way::of(&mailbox, arrived.messages());
        let told = timeout(LONGEST, AssertUnwindSafe(self.show(&mailbox, same, arrived.messages(), &way)).catch_unwind()).await;
        let shown = match told {
            Ok(Ok(shown)) => shown,
            Ok(Err(_panic)) => Err(Failure::passing("the sink or the store panicked")),
            Err(_elapsed) => Err(Failure::passing("no answer in time")),
        };
        let (outcome, summary) = match shown {
            Ok(Shown { event: Some(event), summary }) => {
                way.tell(&event);
                self.events.emit(event);
                (Outcome::Told, Some(summary))
            }
            Ok(Shown { event: None, summary }) => (Outcome::Same, Some(summary)),
            // What others keep beside the mailboxes is none.
            Err(Failure { again: false, .. }) if errand == Errand::TellIfOther => (Outcome::Told, None),
            Err(Failure { reason, again }) => {
                self.events.emit(Event::LampFailed { mailbox: mailbox.clone(), reason });
                (if again { Outcome::Failed } else { Outcome::Told }, None)
            }
        };
        if outcome != Outcome::Failed {
            arrived.shown();
        }
        Done { mailbox, outcome, summary }
    }

    /// Shows the newest state, unless that is `same`.
    async fn show(
        &self,
        mailbox: &MailboxId,
        same: Option<Summary>,
        arrived: &Arc<[MessageId]>,
        way: &Way,
    ) -> Result<Shown, Failure> {
        let counted = self.counter.count(mailbox).await;
        let state = counted.map_err(|error| Failure { reason: error_chain(&error), again: error.is_transient() })?;
        let (summary, version) = (state.summary, state.version);
        if same == Some(summary) {
            return Ok(Shown { event: None, summary });
        }
        let counted = Event::Counted { mailbox: mailbox.clone(), summary, arrived: Arc::clone(arrived) };
        way.tell(&counted);
        self.events.emit(counted);
        let shown = self.sink.show(&state).await;
        shown.map_err(|error: MwiError| Failure { reason: error_chain(&error), again: error.is_transient() })?;
        let event = Event::LampShown { mailbox: mailbox.clone(), summary, version, arrived: Arc::clone(arrived) };
        Ok(Shown { event: Some(event), summary })
    }
}

/// What became of an errand, and what the lamp shows by it, as far as is known.
struct Done {
    mailbox: MailboxId,
    outcome: Outcome,
    summary: Option<Summary>,
}

/// What a lamp shows; with the event that tells it, if it did not show that before.
struct Shown {
    event: Option<Event>,
    summary: Summary,
}

/// The spans of the messages that a lamp is about to show; none of them is the lamp's alone.
struct Way(Vec<Span>);

impl Way {
    fn of(mailbox: &MailboxId, messages: &[MessageId]) -> Self {
        Self(messages.iter().map(|id| tracing::info_span!(parent: None, "lamp", %id, %mailbox)).collect())
    }

    fn tell(&self, event: &Event) {
        for span in self.0.iter().filter(|span| !span.is_disabled()) {
            span.in_scope(|| event.trace_step());
        }
    }
}

/// Takes note of how an errand ended. What a lamp shows is known as long as nothing else may have happened to it.
fn note(done: Done, agenda: &mut Agenda, known: &mut HashMap<MailboxId, Summary>) {
    let Done { mailbox, outcome, summary } = done;
    match summary {
        Some(summary) => known.insert(mailbox.clone(), summary),
        None => known.remove(&mailbox),
    };
    agenda.handle_outcome(mailbox, outcome, now());
}

/// Why a lamp was not told.
struct Failure {
    reason: String,
    again: bool,
}

impl Failure {
    fn passing(reason: &str) -> Self {
        Self { reason: reason.to_owned(), again: true }
    }
}

/// How many lamps are told at the same time.
const MOST_AT_ONCE: usize = 64;
/// How long one lamp may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long after a loss the sink is asked for the next.
const LOSS_PAUSE: Duration = Duration::from_secs(1);
/// How often a second the store is asked what others have changed.
const DOUBTS_A_SECOND: u32 = 100;
/// How long a node that stops waits so that no lamp is told twice within a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
