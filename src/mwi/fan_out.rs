//! [`FanOutSink`]: shows each state by several sinks, which do not wait for each other.

mod pending;
#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt as _;
use futures::future::{join_all, select_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use self::pending::{Outcome, Pending};
use super::{LampPermit, MwiError, MwiSink, MwiState};
use crate::error_chain;
use crate::lock::Lock;
use crate::retry::{Backoff, RetryPolicy, now, wait_until};

/// Shows each state by several sinks, for example at a PBX and on a web page, so that one that does not answer delays no other.
///
/// Each sink gets the newest state of a mailbox as soon as it can take it. A sink that has failed is tried again with the newest state
/// after the waits of [`retry`](Self::retry), mailbox by mailbox. [`run`](Self::run) does all this and must be driven as long as states
/// are shown; without it, [`show`](MwiSink::show) does not end.
///
/// # The meaning of `Ok`
///
/// A sink has shown the state. Every other one has shown it or has refused it for good; or it has failed, or has kept any state waiting for
/// more than two seconds, and this state is kept and tried again until it or a newer one is shown. The states that are kept are in memory
/// only: after a restart, a node shows every lamp again.
///
/// A state that waits when its [`LampPermit`] ends is dropped, except for sinks that need none.
///
/// If no sink has shown the state, `show` fails, with [`MwiError::Unavailable`] if one may still do so.
///
/// ```
/// # #[cfg(feature = "memory")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use voicemail::message::Summary;
/// use voicemail::mwi::{ChannelSink, FanOutSink, LogSink, MwiSink, MwiState};
///
/// let (page, mut states) = ChannelSink::new(8);
/// let sink = FanOutSink::new().with(LogSink).with(page);
/// let state = MwiState::new("2041".parse()?, Summary::new(1, 0), 1);
/// tokio::select! {
///     () = sink.run() => {}
///     shown = sink.show(&state) => shown?,
/// }
/// assert_eq!(states.try_recv()?, state);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "memory"))]
/// # fn main() {}
/// ```
#[derive(Debug)]
pub struct FanOutSink {
    branches: Vec<Branch>,
    backoff: Backoff,
    running: Mutex<()>,
}

/// One of the sinks, with the states that it has not shown yet.
#[derive(Debug)]
struct Branch {
    sink: Arc<dyn MwiSink>,
    pending: Lock<Pending>,
    added: Notify,
}

impl Default for FanOutSink {
    fn default() -> Self {
        Self { branches: Vec::new(), backoff: RetryPolicy::default().lamp_failed, running: Mutex::new(()) }
    }
}

impl FanOutSink {
    /// A sink that shows nothing yet, because it has no sinks.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sink.
    #[must_use]
    pub fn with(mut self, sink: impl MwiSink) -> Self {
        self.branches.push(Branch { sink: Arc::new(sink), pending: Lock::default(), added: Notify::new() });
        self
    }

    /// Sets the waits between the attempts to show the state of one mailbox by one sink. The default is that of
    /// [`RetryPolicy::lamp_failed`].
    #[must_use]
    pub fn retry(self, backoff: Backoff) -> Self {
        Self { backoff, ..self }
    }

    /// Passes states to the sinks; it never ends. A second call waits until the first one is dropped.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has shown a state or not. The next call shows those that were not.
    pub async fn run(&self) {
        let _running = self.running.lock().await;
        join_all(self.branches.iter().enumerate().map(|(index, branch)| branch.run(index + 1, self.backoff))).await;
        std::future::pending::<()>().await;
    }
}

impl Branch {
    /// Passes states to this sink; it never ends.
    async fn run(&self, number: usize, backoff: Backoff) {
        self.pending.lock().handle_restart();
        let mut attempts = FuturesUnordered::new();
        loop {
            while attempts.len() < MOST_AT_ONCE {
                let Some((state, permit)) = self.pending.lock().poll_attempt(now()) else { break };
                attempts.push(self.attempt(number, state, permit));
            }
            let due = self.pending.lock().poll_timeout().filter(|_| attempts.len() < MOST_AT_ONCE);
            tokio::select! {
                Some((state, outcome)) = attempts.next() => {
                    self.pending.lock().handle_outcome(&state, outcome, backoff, now());
                }
                () = self.added.notified() => {}
                () = wait_until(due), if due.is_some() => {}
            }
        }
    }

    async fn attempt(&self, number: usize, state: MwiState, permit: LampPermit) -> (MwiState, Outcome) {
        let outcome = {
            let mut shown = std::pin::pin!(AssertUnwindSafe(self.sink.show_permitted(&state, &permit)).catch_unwind());
            let shown = match timeout(PATIENCE, &mut shown).await {
                Ok(shown) => Ok(shown),
                Err(_elapsed) => {
                    self.pending.lock().handle_slow();
                    timeout(LONGEST, shown).await
                }
            };
            let mailbox = &state.mailbox;
            match shown {
                Ok(Ok(Ok(()))) => Outcome::Shown,
                Ok(Ok(Err(MwiError::NoSuchMailbox(_)))) => Outcome::NoSuchMailbox,
                Ok(Ok(Err(MwiError::NotPermitted))) => Outcome::NotPermitted,
                Ok(Ok(Err(error))) if error.is_transient() => {
                    tracing::warn!(%mailbox, sink = number, reason = error_chain(&error), "a lamp was not updated; it is tried again");
                    Outcome::Failed
                }
                Ok(Ok(Err(error))) => {
                    tracing::warn!(%mailbox, sink = number, reason = error_chain(&error), "a lamp is refused");
                    Outcome::Refused
                }
                Ok(Err(_panic)) => {
                    tracing::error!(%mailbox, sink = number, "a sink panicked; its lamp is tried again");
                    Outcome::Failed
                }
                Err(_elapsed) => {
                    tracing::warn!(%mailbox, sink = number, "a sink does not answer; its lamp is tried again");
                    Outcome::NoAnswer
                }
            }
        };
        (state, outcome)
    }

    /// Waits until this sink may have lost its lamps; a sink that panics is taken as one that loses nothing.
    async fn lost(&self) {
        if AssertUnwindSafe(self.sink.lost()).catch_unwind().await.is_err() {
            tracing::error!("a sink panicked when asked whether lamps lost their state");
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl MwiSink for FanOutSink {
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.show_permitted(state, &LampPermit::unlimited()).await
    }

    async fn show_permitted(&self, state: &MwiState, permit: &LampPermit) -> Result<(), MwiError> {
        let answers = self.branches.iter().map(|branch| {
            let answer = branch.pending.lock().handle_state(state, permit);
            branch.added.notify_one();
            answer
        });
        let answers: Vec<Outcome> = join_all(answers).await.into_iter().map(|answer| answer.unwrap_or(Outcome::Failed)).collect();
        if answers.contains(&Outcome::Shown) {
            Ok(())
        } else if answers.iter().any(|answer| matches!(answer, Outcome::Failed | Outcome::NoAnswer)) {
            Err(MwiError::Unavailable("no sink has shown the state yet".into()))
        } else if answers.contains(&Outcome::NotPermitted) {
            Err(MwiError::NotPermitted)
        } else if answers.contains(&Outcome::Refused) {
            Err(MwiError::Refused("every sink that has the mailbox refuses its state".into()))
        } else {
            Err(MwiError::NoSuchMailbox(state.mailbox.clone()))
        }
    }

    async fn lost(&self) {
        if self.branches.is_empty() {
            return std::future::pending().await;
        }
        select_all(self.branches.iter().map(|branch| Box::pin(branch.lost()))).await;
    }
}

/// How long `show` waits for a sink.
const PATIENCE: Duration = Duration::from_secs(2);
/// How much longer a sink may take before its attempt is given up.
const LONGEST: Duration = Duration::from_secs(8);
/// The most attempts at one sink at the same time.
const MOST_AT_ONCE: usize = 64;
