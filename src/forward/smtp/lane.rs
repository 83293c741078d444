//! [`Lane`]: one connection, and the messages that are under way on it.

use std::fmt;
use std::pin::pin;
use std::sync::{Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::poll;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::capabilities::Capabilities;
use super::connection::{Condition, Connection};
use super::fault::Fault;
use super::flight::Flight;
use super::stream::Stream;
use super::timeouts::Timeouts;
use super::transaction::{Eagerness, Letter, Transaction};
use crate::forward::{Outcome, Travelled};

/// A connection that several messages share: the next one is said while the last ones are not answered yet.
///
/// Replies come in the order of what was said, so each message has its turn to hear. A message whose caller gives up before it was
/// answered ends the lane, because nobody could tell whose the next reply is; those behind it are sent again elsewhere.
pub(super) struct Lane {
    /// Held by whoever says something.
    speaking: Mutex<()>,
    /// Held by whoever hears replies; it is given in the order in which it was asked for, which is that of speaking.
    hearing: Mutex<Connection>,
    stream: Stream,
    capabilities: Capabilities,
    travelled: Travelled,
    opened_at: Instant,
    state: StdMutex<State>,
}

/// How a message fared on a lane.
#[derive(Debug)]
pub(super) struct Fared {
    pub(super) outcomes: Result<Vec<Outcome>, Fault>,
    /// Whether the peer said anything to it.
    pub(super) heard: bool,
}

#[derive(Debug)]
struct State {
    /// Messages that have a place here.
    under_way: usize,
    /// Messages that were said, and not answered to the end.
    unanswered: usize,
    /// Whether the peer must be told to forget the last message.
    needs_reset: bool,
    messages: u32,
    idle_since: Instant,
    openness: Openness,
    /// Whether the peer's replies tell what they are about, so that one too many is noticed.
    exact: bool,
}

/// What can still be done with a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Openness {
    /// Messages may join.
    Open,
    /// Nobody more may join; those under way go on.
    Retired,
    /// Nothing more can be said or heard.
    Spent,
}

impl Lane {
    /// A lane on which one message has a place.
    pub(super) fn new(connection: Connection, now: Instant) -> Self {
        let (stream, capabilities, travelled) = (connection.stream(), connection.capabilities(), connection.travelled());
        let state = State {
            under_way: 1,
            unanswered: 0,
            needs_reset: false,
            messages: 1,
            idle_since: now,
            openness: Openness::Open,
            exact: false,
        };
        let (hearing, state) = (Mutex::new(connection), StdMutex::new(state));
        Self { speaking: Mutex::default(), hearing, stream, capabilities, travelled, opened_at: now, state }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    pub(super) fn travelled(&self) -> Travelled {
        self.travelled
    }

    /// How many messages have a place here.
    pub(super) fn under_way(&self) -> usize {
        self.state().under_way
    }

    /// How many messages may have a place here at once.
    pub(super) fn window(&self) -> usize {
        if self.state().exact { WINDOW } else { 1 }
    }

    /// How long nobody used it; `None` if somebody does.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        (state.under_way == 0).then(|| now.saturating_duration_since(state.idle_since))
    }

    /// Whether another message may have a place, now or once one has left.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        let state = self.state();
        let rested = state.under_way == 0 && now.saturating_duration_since(state.idle_since) >= MAX_IDLE;
        let old = now.saturating_duration_since(self.opened_at) >= MAX_AGE || state.messages >= MAX_MESSAGES;
        state.openness == Openness::Open && !old && !rested
    }

    /// Whether nothing was received that nobody asked for, and the connection is not known to have ended. Waits for nothing.
    pub(super) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// One message more has a place.
    pub(super) fn enter(&self) {
        let mut state = self.state();
        state.under_way += 1;
        state.messages = state.messages.saturating_add(1);
    }

    /// One message has left.
    pub(super) fn leave(&self, now: Instant) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        state.idle_since = now;
    }

    /// Nobody more may join: its path may be dead, which those under way find out for themselves.
    pub(super) fn retire(&self) {
        let mut state = self.state();
        if state.openness == Openness::Open {
            state.openness = Openness::Retired;
        }
    }

    /// Nothing more can be said or heard on it.
    pub(super) fn spend(&self) {
        self.state().openness = Openness::Spent;
    }

    fn is_spent(&self) -> bool {
        self.state().openness == Openness::Spent
    }

    /// Takes leave without waiting for an answer.
    pub(super) fn farewell(&self) {
        self.stream.farewell();
    }

    /// Whether the peer is still there, to be asked after an idle time.
    pub(super) async fn is_alive(&self) -> bool {
        let mut unsure = Unsure::about(self);
        let (_speaking, mut connection) = self.alone().await;
        let alive = connection.is_alive().await;
        unsure.settled(alive);
        alive
    }

    /// Sends a message: with others in flight where the peer's replies can be told apart, else alone.
    pub(super) async fn send(&self, letter: Letter<'_>, eagerness: Eagerness, timeouts: &Timeouts) -> Fared {
        let exact = self.state().exact;
        if exact && eagerness == Eagerness::Eager && letter.fits(self.capabilities) {
            self.send_among_others(&letter, timeouts).await
        } else {
            self.send_alone(letter, eagerness, timeouts).await
        }
    }

    async fn send_among_others(&self, letter: &Letter<'_>, timeouts: &Timeouts) -> Fared {
        let speaking = self.speaking.lock().await;
        // Asked for now, it is given after the messages in front and before those behind.
        let mut hearing = pin!(self.hearing.lock());
        let ready = poll!(hearing.as_mut());
        if self.is_spent() {
            return Fared::unheard();
        }
        let mut unsure = Unsure::about(self);
        let reset = {
            let mut state = self.state();
            let reset = state.unanswered > 0 || std::mem::take(&mut state.needs_reset);
            state.unanswered += 1;
            reset
        };
        let flight = Flight::new(letter, self.capabilities, reset, timeouts);
        let said = flight.say(&self.stream).await;
        match (&said, &letter.notice) {
            (Ok(()), Some(notice)) => notice.sent(),
            (Ok(()), None) => {}
            // Nobody can say more; those in front may still hear.
            (Err(_), _) => self.stream.silence(),
        }
        drop(speaking);
        let mut connection = match ready {
            Poll::Ready(connection) => connection,
            Poll::Pending => hearing.await,
        };
        if self.is_spent() {
            return Fared::unheard();
        }
        connection.begin();
        let outcomes = match said {
            Ok(()) => flight.hear(&mut connection).await,
            Err(fault) => Err(connection.last_words("message").await.unwrap_or(fault)),
        };
        let accepted = matches!(&outcomes, Ok(outcomes) if outcomes.contains(&Outcome::Accepted));
        let known = matches!(&outcomes, Ok(_) | Err(Fault::Refused { .. }));
        {
            let mut state = self.state();
            state.unanswered = state.unanswered.saturating_sub(1);
            state.needs_reset |= !accepted;
        }
        unsure.settled(known);
        Fared { outcomes, heard: connection.heard() }
    }

    async fn send_alone(&self, letter: Letter<'_>, eagerness: Eagerness, timeouts: &Timeouts) -> Fared {
        let (_speaking, mut connection) = self.alone().await;
        if self.is_spent() {
            return Fared::unheard();
        }
        let mut unsure = Unsure::about(self);
        if std::mem::take(&mut self.state().needs_reset) {
            connection.set_condition(Condition::NeedsReset);
            if !connection.tidy(timeouts).await {
                return Fared { outcomes: Err(Fault::Lost("RSET was not answered".into())), heard: false };
            }
        }
        let outcomes = Transaction::new(&mut connection, letter, timeouts).run(eagerness).await;
        let heard = connection.heard();
        let fit = connection.tidy(timeouts).await;
        self.state().exact |= connection.is_exact();
        unsure.settled(fit);
        Fared { outcomes, heard }
    }

    /// The right to speak and to hear, once all that was said is answered.
    async fn alone(&self) -> (MutexGuard<'_, ()>, MutexGuard<'_, Connection>) {
        let speaking = self.speaking.lock().await;
        let hearing = self.hearing.lock().await;
        (speaking, hearing)
    }

    fn state(&self) -> StdMutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fared {
    /// What becomes of a message behind one that ended the lane.
    fn unheard() -> Self {
        Self { outcomes: Err(Fault::Lost("the connection ended with a message before this one".into())), heard: false }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane").field("travelled", &self.travelled).field("state", &*self.state()).finish_non_exhaustive()
    }
}

/// Ends the lane when dropped, unless it was settled that it can go on: so a call that is dropped half-way ends it.
struct Unsure<'a> {
    lane: &'a Lane,
    fit: bool,
}

impl<'a> Unsure<'a> {
    fn about(lane: &'a Lane) -> Self {
        Self { lane, fit: false }
    }

    fn settled(&mut self, fit: bool) {
        self.fit = fit;
    }
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        if !self.fit {
            self.lane.spend();
        }
    }
}

/// How many messages are under way on one connection at once: what a path of 100 ms needs for 300 messages a second.
const WINDOW: usize = 32;
/// Shorter than any server's patience, so that a connection seldom ends while idle.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// So that a peer that moved to another address, or has a new certificate, is noticed.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Some servers end a connection after a hundred.
const MAX_MESSAGES: u32 = 100;
