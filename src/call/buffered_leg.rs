//! [`BufferedLeg`]: the leg of a call, with the events that came while the driver waited for something else.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::facts::CallEndReason;
use super::timers::after;
use super::{CallLeg, CallRefusal, CallTimers, LegClosed, LegEvent, Playback, TransferError, TransferTarget};
use crate::audio::Format;
use crate::telephone::Digit;

/// The leg of a call. It is heard all the time: events that come while the driver waits for a disk or a store are kept in their
/// order, except sound, of which nothing is recorded then.
pub(super) struct BufferedLeg<'a> {
    leg: Box<dyn CallLeg + 'a>,
    no_sound: Option<Duration>,
    /// The events that the driver has not taken in yet.
    queue: VecDeque<LegEvent>,
    held: bool,
    /// When anything arrived from the other end.
    last_heard: Instant,
    /// When the longest call is over.
    over_at: Instant,
    ended: Option<CallEndReason>,
}

/// The next thing that happens on a leg.
pub(super) enum BufferedEvent {
    /// An event of the leg, except a hang-up.
    Leg(LegEvent),
    /// The given time has come.
    Elapsed,
    /// The call has ended; [`BufferedLeg::ended`] says why.
    Ended,
}

impl<'a> BufferedLeg<'a> {
    pub(super) fn new(leg: Box<dyn CallLeg + 'a>, timers: &CallTimers) -> Self {
        let now = Instant::now();
        let no_sound = timers.no_sound.filter(|_| leg.hears_live());
        let over_at = after(now, timers.longest_call);
        Self { leg, no_sound, queue: VecDeque::new(), held: false, last_heard: now, over_at, ended: None }
    }

    pub(super) fn format(&self) -> Format {
        self.leg.format()
    }

    pub(super) fn hears_live(&self) -> bool {
        self.leg.hears_live()
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Why the call has ended, if it has.
    pub(super) fn ended(&self) -> Option<CallEndReason> {
        self.ended
    }

    /// Whether a digit was pressed that the driver has not taken in yet, or the call has ended: nothing more need be said.
    pub(super) fn is_interrupted(&self) -> bool {
        self.ended.is_some() || self.queue.iter().any(|event| matches!(event, LegEvent::Digit(_)))
    }

    /// Takes the digits that were pressed while the driver waited for the result of an action.
    pub(super) fn take_digits(&mut self) -> Vec<Digit> {
        let mut digits = Vec::new();
        self.queue.retain(|event| {
            if let LegEvent::Digit(digit) = event {
                digits.push(*digit);
            }
            !matches!(event, LegEvent::Digit(_))
        });
        digits
    }

    /// Answers the call. Sound that is heard live is wanted from now on, also to notice when it stops.
    pub(super) async fn answer(&mut self) -> Result<(), LegClosed> {
        let answered = timeout(ANSWER, self.leg.answer()).await.unwrap_or_else(|_| {
            tracing::warn!("a leg was not answered within {ANSWER:?}; it is dropped");
            Err(LegClosed)
        });
        self.last_heard = Instant::now();
        match answered {
            Ok(()) if self.leg.hears_live() => self.leg.listen(true),
            Ok(()) => {}
            Err(LegClosed) => self.ended = Some(CallEndReason::HungUp),
        }
        answered
    }

    pub(super) async fn refuse(mut self, refusal: CallRefusal) {
        if timeout(ANSWER, self.leg.refuse(refusal)).await.is_err() {
            tracing::warn!("a leg was not refused within {ANSWER:?}; it is dropped");
        }
    }

    /// Sets whether a leg that records to files records.
    pub(super) fn record_to_file(&mut self, on: bool) {
        if !self.leg.hears_live() {
            self.leg.listen(on);
        }
    }

    pub(super) fn play(&mut self, playback: Playback) {
        self.leg.play(playback);
    }

    pub(super) fn stop(&mut self) {
        self.leg.stop();
    }

    /// Ends the call, unless the other end has hung up.
    pub(super) async fn hang_up(&mut self) {
        if self.ended != Some(CallEndReason::HungUp) && timeout(HANG_UP, self.leg.hang_up()).await.is_err() {
            tracing::warn!("a leg did not hang up within {HANG_UP:?}; it is dropped");
        }
    }

    /// Transfers the call; a transfer that takes longer than `limit` has failed.
    pub(super) async fn transfer(&mut self, to: &TransferTarget, limit: Duration) -> Result<(), TransferError> {
        let transferred = timeout(limit, self.leg.transfer(to)).await.unwrap_or(Err(TransferError::NotConnected));
        self.last_heard = Instant::now();
        transferred
    }

    /// Waits for the next event of the call, or until a time.
    pub(super) async fn next(&mut self, until: Option<Instant>) -> BufferedEvent {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return BufferedEvent::Leg(event);
            }
            if self.ended.is_some() {
                return BufferedEvent::Ended;
            }
            let no_sound = self.no_sound.filter(|_| !self.held).map(|limit| after(self.last_heard, limit));
            let wake = [until, no_sound].into_iter().flatten().fold(self.over_at, Instant::min);
            // The time is looked at first: a leg that is never quiet must not keep the call from ending.
            let now = Instant::now();
            if now >= self.over_at {
                self.ended = Some(CallEndReason::TooLong);
            } else if no_sound.is_some_and(|at| now >= at) {
                self.ended = Some(CallEndReason::NoSound);
            } else if until.is_some_and(|at| now >= at) {
                return BufferedEvent::Elapsed;
            } else {
                tokio::select! {
                    event = self.leg.next() => self.take_in(event, true),
                    () = sleep_until(wake) => {}
                }
            }
        }
    }

    /// Waits for the file that the leg has recorded, at most for `limit`. Other events that come meanwhile are kept.
    pub(super) async fn file(&mut self, limit: Duration) -> Option<LegEvent> {
        let until = Instant::now() + limit;
        loop {
            if let Some(at) = self.queue.iter().position(|event| matches!(event, LegEvent::Wav(_))) {
                return self.queue.remove(at);
            }
            if self.ended == Some(CallEndReason::HungUp) || Instant::now() >= until {
                return None;
            }
            tokio::select! {
                event = self.leg.next() => self.take_in(event, false),
                () = sleep_until(until) => {}
            }
        }
    }

    /// Waits for `work`, at most for `limit`, while the call goes on.
    pub(super) async fn wait<T>(&mut self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.wait_while(limit, work, |_| true).await
    }

    /// The same, but only as long as no digit is pressed and the call goes on.
    pub(super) async fn wait_uninterrupted<T>(&mut self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.wait_while(limit, work, |leg| !leg.is_interrupted()).await
    }

    /// The same, but only until the call ends.
    pub(super) async fn wait_unless_ended<T>(&mut self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        self.wait_while(limit, work, |leg| leg.ended.is_none()).await
    }

    async fn wait_while<T>(
        &mut self,
        limit: Duration,
        work: impl Future<Output = T>,
        goes_on: impl Fn(&Self) -> bool,
    ) -> Option<T> {
        let (mut work, mut limit) = (pin!(work), pin!(sleep(limit)));
        while goes_on(self) {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = &mut limit => return None,
                event = self.leg.next(), if self.ended.is_none() => self.take_in(event, false),
            }
        }
        None
    }

    /// Puts an event into the queue, unless it concerns the leg itself.
    fn take_in(&mut self, event: LegEvent, sound: bool) {
        // The end of a playback says nothing about the other end.
        if !matches!(event, LegEvent::Ended(_)) {
            self.last_heard = Instant::now();
        }
        match event {
            LegEvent::HungUp => self.ended = Some(CallEndReason::HungUp),
            LegEvent::Held(held) => {
                self.held = held;
                self.push(LegEvent::Held(held));
            }
            LegEvent::Alive => {}
            LegEvent::Payload { .. } | LegEvent::Samples(_) if !sound => {}
            other @ (LegEvent::Payload { .. }
            | LegEvent::Samples(_)
            | LegEvent::Digit(_)
            | LegEvent::Wav(_)
            | LegEvent::Ended(_)) => self.push(other),
        }
    }

    fn push(&mut self, event: LegEvent) {
        if self.queue.len() < MAX_QUEUED {
            self.queue.push_back(event);
        }
    }
}

/// How many events other than sound are kept while the driver waits; more are thrown away.
const MAX_QUEUED: usize = 1000;
/// How long a leg may take to answer or refuse: longer than SIP repeats a response that is not acknowledged, 64 times T1 (RFC 3261 section
/// 13.3.1.4).
const ANSWER: Duration = Duration::from_secs(40);
/// How long a leg may take to hang up.
const HANG_UP: Duration = Duration::from_secs(5);
