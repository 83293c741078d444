//! [`SharedConnection`]: one connection, and the messages that are under way on it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::MutexGuard;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Timer};
use super::payload::Payload;
use super::progress::Progress;
use crate::forward::TransportSecurity;
use crate::lock::Lock;
use crate::retry::now;
use crate::smtp::client::{Envelope, Event, MessageNumber, Pipelining, SendResult};
use crate::smtp::extensions::Extensions;

/// A connection that several messages share: where the peer allows it, the next one is sent while the last ones are not answered yet.
///
/// It has no task: whichever caller is polled moves the bytes of all, and wakes those whose message has ended. A message whose caller
/// gives up goes on if it was begun, so that those beside it are not disturbed; when nobody is left, the connection is given up.
pub(super) struct SharedConnection {
    extensions: Extensions,
    transport_security: TransportSecurity,
    opened_at: Instant,
    state: Lock<ConnectionState>,
}

struct ConnectionState {
    connection: Connection,
    callers: HashMap<MessageNumber, WaitingCaller>,
    /// The caller that was polled last: the transport wakes this one.
    driver: Option<MessageNumber>,
    /// Callers that wait for a sign of life.
    probing: VecDeque<MessageNumber>,
    last_number: MessageNumber,
    /// Messages that have a place here.
    under_way: usize,
    messages: u32,
    idle_since: Instant,
}

/// Who waits for the end of a message.
#[derive(Default)]
struct WaitingCaller {
    waker: Option<Waker>,
    end: Option<CallEnd>,
}

enum CallEnd {
    Message(SendResult),
    /// The peer is there, or not.
    Alive(bool),
}

/// A call to [`SharedConnection::send`], until it is dropped.
struct PendingCall<'a> {
    connection: &'a SharedConnection,
    number: MessageNumber,
}

impl SharedConnection {
    /// One on which one message has a place.
    pub(super) fn new(
        connection: Connection,
        extensions: Extensions,
        transport_security: TransportSecurity,
        now: Instant,
    ) -> Self {
        let state = ConnectionState {
            connection,
            callers: HashMap::new(),
            driver: None,
            probing: VecDeque::new(),
            last_number: 0,
            under_way: 1,
            messages: 1,
            idle_since: now,
        };
        Self { extensions, transport_security, opened_at: now, state: Lock::new(state) }
    }

    /// What the peer offers.
    pub(super) fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// How messages travel on it.
    pub(super) fn transport_security(&self) -> TransportSecurity {
        self.transport_security
    }

    /// How many messages have a place here.
    pub(super) fn under_way(&self) -> usize {
        self.state().under_way
    }

    /// How many messages may have a place here at once.
    ///
    /// A message that was sent and not answered when this process dies is sent again. So several are under way only to a peer that keeps a
    /// message once.
    pub(super) fn window(&self) -> usize {
        if self.extensions.once && self.state().connection.client.can_pipeline() { WINDOW } else { 1 }
    }

    /// How long nobody used it; `None` if somebody does.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        (state.under_way == 0).then(|| now.saturating_duration_since(state.idle_since))
    }

    /// Whether another message may have a place, now or once one has left.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        let state = self.state();
        let client = &state.connection.client;
        let idle = state.under_way == 0;
        let rested = idle && now.saturating_duration_since(state.idle_since) >= MAX_IDLE;
        let old = now.saturating_duration_since(self.opened_at) >= MAX_AGE || state.messages >= MAX_MESSAGES;
        client.is_open() && !old && !rested && (!idle || state.connection.is_quiet())
    }

    /// Whether nothing was received that was not asked for, and the connection is not known to have ended. Waits for nothing.
    pub(super) fn is_quiet(&self) -> bool {
        let mut state = self.state();
        state.connection.drive_unattended();
        state.connection.is_quiet()
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

    /// No message is begun any more: its path may be dead, which those under way find out for themselves.
    pub(super) fn retire(&self) {
        self.state().connection.client.close();
    }

    /// Says QUIT without waiting for an answer.
    pub(super) fn quit(&self) {
        let mut state = self.state();
        if state.connection.is_quiet() {
            state.connection.client.quit(now());
            // A peer that does not hear it sees the connection end.
            state.connection.drive_unattended();
        }
    }

    /// Whether the peer is still there, to be asked after an idle time.
    pub(super) async fn is_alive(&self) -> bool {
        let call = self.call(|state, number| {
            state.connection.client.probe(now());
            state.probing.push_back(number);
        });
        matches!(call.end().await, CallEnd::Alive(true))
    }

    /// Sends a message, beside others where the peer allows it.
    pub(super) async fn send(
        &self,
        envelope: Envelope,
        mail: Payload,
        progress: Option<Progress>,
        extensions: Extensions,
        pipelining: Pipelining,
    ) -> SendResult {
        let call = self.call(|state, number| {
            // What came while nobody was here is no reply to this message.
            state.connection.drive_unattended();
            state.connection.keep(number, mail, progress);
            state.connection.client.send(number, envelope, extensions, pipelining, now());
        });
        match call.end().await {
            CallEnd::Message(ended) => ended,
            CallEnd::Alive(_) => unreachable!("a message's number is never among those that probe"),
        }
    }

    fn call(&self, begin: impl FnOnce(&mut ConnectionState, MessageNumber)) -> PendingCall<'_> {
        let mut state = self.state();
        state.last_number += 1;
        let number = state.last_number;
        state.callers.insert(number, WaitingCaller::default());
        begin(&mut state, number);
        PendingCall { connection: self, number }
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.state.lock()
    }
}

impl PendingCall<'_> {
    async fn end(&self) -> CallEnd {
        let mut timer = Timer::default();
        poll_fn(|cx| self.connection.state().poll_end(self.number, &mut timer, cx)).await
    }
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        let mut state = self.connection.state();
        state.callers.remove(&self.number);
        state.probing.retain(|probing| *probing != self.number);
        state.connection.abandon(self.number);
        if state.driver == Some(self.number) {
            state.driver = None;
            state.wake_another();
        }
    }
}

impl ConnectionState {
    fn poll_end(&mut self, number: MessageNumber, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<CallEnd> {
        loop {
            if let Some(end) = self.callers.get_mut(&number).and_then(|caller| caller.end.take()) {
                return Poll::Ready(end);
            }
            self.driver = Some(number);
            self.connection.drive(cx);
            let happened = self.report(number);
            if happened {
                continue;
            }
            if timer.poll_due(&mut self.connection.client, cx).is_pending() {
                if let Some(caller) = self.callers.get_mut(&number) {
                    caller.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
        }
    }

    /// Hands what happened to the callers; answers whether anything did.
    fn report(&mut self, by: MessageNumber) -> bool {
        let mut happened = false;
        while let Some(event) = self.connection.client.poll_event() {
            happened = true;
            match event {
                Event::Done(number, ended) => self.end(number, CallEnd::Message(ended), by),
                Event::Alive => {
                    if let Some(probing) = self.probing.pop_front() {
                        self.end(probing, CallEnd::Alive(true), by);
                    }
                }
                Event::Opened(_) | Event::TlsReady | Event::NoStartTls(_) | Event::Authenticated | Event::Failed(_) => {}
            }
        }
        if self.connection.client.is_closed() {
            for probing in std::mem::take(&mut self.probing) {
                happened = true;
                self.end(probing, CallEnd::Alive(false), by);
            }
        }
        happened
    }

    fn end(&mut self, number: MessageNumber, end: CallEnd, by: MessageNumber) {
        if let Some(caller) = self.callers.get_mut(&number) {
            caller.end = Some(end);
            if let Some(waker) = caller.waker.take()
                && number != by
            {
                waker.wake();
            }
        }
    }

    /// Lets another caller move the bytes; if it is dropped before it does, it passes that on.
    fn wake_another(&mut self) {
        let mut waiting = self.callers.iter().filter_map(|(number, caller)| Some((*number, caller.waker.as_ref()?)));
        if let Some((number, waker)) = waiting.next() {
            waker.wake_by_ref();
            self.driver = Some(number);
        }
    }
}

impl fmt::Debug for SharedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedConnection").field("transport_security", &self.transport_security).finish_non_exhaustive()
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
