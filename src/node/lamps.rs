//! [`Lamps`]: keeps every lamp at what the store says.

use std::error::Error as StdError;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use futures::stream::{self, FuturesUnordered, Stream, StreamExt as _};
use tokio::time::{sleep_until, timeout};
use tracing::Span;

use super::agenda::Agenda;
use super::changes::Changes;
use super::counter::Counter;
use super::standing::Standing;
use crate::event::{Event, Events};
use crate::message::{MailboxId, MessageId};
use crate::mwi::{MwiError, MwiSink};

/// Keeps every lamp at what the store says: counts a mailbox when it may have changed, and tells the sink.
///
/// A mailbox that cannot be counted is not shown at all: not knowing is neither "waiting" nor "none". A sink or a store that hangs
/// or panics costs its own lamp a try, and nobody else anything.
#[derive(Debug)]
pub(super) struct Lamps<'a> {
    pub(super) counter: &'a Counter,
    pub(super) sink: Arc<dyn MwiSink>,
    pub(super) events: Events,
    pub(super) changes: Arc<Changes>,
    pub(super) standing: &'a Standing,
}

impl Lamps<'_> {
    /// Tells lamps until `stop` is ready; then tells once what has changed and not been told.
    ///
    /// It begins with telling each mailbox of the network, so that every lamp is right after a restart; and so it does when another
    /// network is in force, or the sink says that lamps may have lost what they were shown.
    pub(super) async fn run(&self, stop: impl Future<Output = ()> + Send) {
        let mut agenda = Agenda::new(MOST_AT_ONCE);
        self.tell_all(&mut agenda);
        let mut losses = std::pin::pin!(self.losses());
        let mut telling = FuturesUnordered::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            agenda.handle_changes(self.changes.take());
            while let Some(mailbox) = agenda.poll_tell(now()) {
                telling.push(self.tell(mailbox));
            }
            tokio::select! {
                () = &mut stop => break,
                Some((mailbox, told)) = telling.next() => agenda.handle_told(mailbox, told, now()),
                () = self.changes.noted() => {}
                () = self.standing.changed() => self.tell_all(&mut agenda),
                Some(()) = losses.next() => self.tell_all(&mut agenda),
                () = wait_until(agenda.poll_timeout()) => {}
            }
        }
        while let Some((mailbox, told)) = telling.next().await {
            agenda.handle_told(mailbox, told, now());
        }
        agenda.handle_changes(self.changes.take());
        let latest = now() + LONGEST_PAUSE;
        let last = stream::iter(agenda.into_untold()).map(|(mailbox, due)| async move {
            wait_until(due.map(|due| due.min(latest))).await;
            self.tell(mailbox).await
        });
        // What is not told by then is told after the next start.
        let _ = timeout(LONGEST, last.buffer_unordered(MOST_AT_ONCE).for_each(|_| std::future::ready(()))).await;
    }

    /// Has every lamp told what it is.
    fn tell_all(&self, agenda: &mut Agenda) {
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

    /// Counts a mailbox and tells its lamp; answers whether that is done.
    async fn tell(&self, mailbox: MailboxId) -> (MailboxId, bool) {
        if !self.standing.is_central() {
            return (mailbox, true); // another node has the mailboxes, and tells
        }
        let arrived = self.changes.arrived(&mailbox);
        let way = Way::of(&mailbox, arrived.messages());
        let told = timeout(LONGEST, AssertUnwindSafe(self.show(&mailbox, arrived.messages(), &way)).catch_unwind()).await;
        let shown = match told {
            Ok(Ok(shown)) => shown,
            Ok(Err(_panic)) => Err(Failure::passing("the sink or the store panicked")),
            Err(_elapsed) => Err(Failure::passing("no answer in time")),
        };
        let done = match shown {
            Ok(event) => {
                way.tell(&event);
                self.events.emit(event);
                true
            }
            Err(Failure { reason, again }) => {
                self.events.emit(Event::LampFailed { mailbox: mailbox.clone(), reason });
                !again
            }
        };
        if done {
            arrived.shown();
        }
        (mailbox, done)
    }

    /// Shows the newest state.
    async fn show(&self, mailbox: &MailboxId, arrived: &Arc<[MessageId]>, way: &Way) -> Result<Event, Failure> {
        let counted = self.counter.count(mailbox).await;
        let state = counted.map_err(|error| Failure { reason: describe(&error), again: error.is_transient() })?;
        let (summary, version) = (state.summary, state.version);
        let counted = Event::Counted { mailbox: mailbox.clone(), summary, arrived: Arc::clone(arrived) };
        way.tell(&counted);
        self.events.emit(counted);
        let shown = self.sink.show(&state).await;
        shown.map_err(|error: MwiError| Failure { reason: describe(&error), again: error.is_transient() })?;
        Ok(Event::LampShown { mailbox: mailbox.clone(), summary, version, arrived: Arc::clone(arrived) })
    }
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

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

async fn wait_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant.into()).await,
        None => std::future::pending().await,
    }
}

/// An error with its cause, in one line.
fn describe(error: &dyn StdError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// How many lamps are told at the same time.
const MOST_AT_ONCE: usize = 64;
/// How long one lamp may take.
const LONGEST: Duration = Duration::from_secs(10);
/// How long after a loss the sink is asked for the next.
const LOSS_PAUSE: Duration = Duration::from_secs(1);
/// How long a node that stops waits so that no lamp is told twice within a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
