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

/// A connection that several messages share: where the peer allows it, the next one is sent while replies to earlier ones are missing.
///
/// It has no task. Any caller that is polled moves the bytes of all messages, and wakes the callers whose messages have ended. A message
/// that was begun is sent to its end even if its caller is dropped, so that the messages beside it are not disturbed. When no caller is
/// left, the connection is not driven any more.
pub(super) struct SharedConnection {
    extensions: Extensions,
    transport_security: TransportSecurity,
    opened_at: Instant,
    state: Lock<ConnectionState>,
}

struct ConnectionState {
    connection: Connection,
    callers: HashMap<MessageNumber, WaitingCaller>,
    /// The caller that was polled last, which the byte stream wakes.
    driver: Option<MessageNumber>,
    /// The callers that wait for the reply to NOOP, in order.
    probing: VecDeque<MessageNumber>,
    last_number: MessageNumber,
    /// The number of messages that have a slot here.
    under_way: usize,
    messages: u32,
    idle_since: Instant,
}

/// A caller that waits for the end of a message.
#[derive(Default)]
struct WaitingCaller {
    waker: Option<Waker>,
    end: Option<CallEnd>,
}

enum CallEnd {
    Message(SendResult),
    /// Whether the peer is still there.
    Alive(bool),
}

/// A call to [`SharedConnection::send`], until it is dropped.
struct PendingCall<'a> {
    connection: &'a SharedConnection,
    number: MessageNumber,
}

impl SharedConnection {
    /// A connection on which one message has a slot.
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

    /// The extensions that the peer offers.
    pub(super) fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// How messages on it are protected.
    pub(super) fn transport_security(&self) -> TransportSecurity {
        self.transport_security
    }

    /// How many messages have a slot here.
    pub(super) fn under_way(&self) -> usize {
        self.state().under_way
    }

    /// How many messages may have a slot here at once.
    ///
    /// A message that was sent and has no reply when this process dies is sent again. So several are under way only to a peer that stores
    /// each message once.
    pub(super) fn window(&self) -> usize {
        if self.extensions.once && self.state().connection.client.can_pipeline() { WINDOW } else { 1 }
    }

    /// How long it has been idle; `None` while it is in use.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let state = self.state();
        (state.under_way == 0).then(|| now.saturating_duration_since(state.idle_since))
    }

    /// Whether another message may have a slot, now or after one has left.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        let state = self.state();
        let client = &state.connection.client;
        let idle = state.under_way == 0;
        let rested = idle && now.saturating_duration_since(state.idle_since) >= MAX_IDLE;
        let old = now.saturating_duration_since(self.opened_at) >= MAX_AGE || state.messages >= MAX_MESSAGES;
        client.is_open() && !old && !rested && (!idle || state.connection.is_quiet())
    }

    /// Whether nothing unexpected was received, and the connection is not known to have ended. Does not wait.
    pub(super) fn is_quiet(&self) -> bool {
        let mut state = self.state();
        state.connection.drive_unattended();
        state.connection.is_quiet()
    }

    /// Gives one more message a slot.
    pub(super) fn enter(&self) {
        let mut state = self.state();
        state.under_way += 1;
        state.messages = state.messages.saturating_add(1);
    }

    /// Gives one slot back.
    pub(super) fn leave(&self, now: Instant) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        state.idle_since = now;
    }

    /// Begins no message any more: the path may be dead, and the messages under way will find out.
    pub(super) fn retire(&self) {
        self.state().connection.client.close();
    }

    /// Sends QUIT without waiting for the reply.
    pub(super) fn quit(&self) {
        let mut state = self.state();
        if state.connection.is_quiet() {
            state.connection.client.quit(now());
            // If it does not arrive, the peer sees the connection end.
            state.connection.drive_unattended();
        }
    }

    /// Asks the peer by NOOP whether it is still there, after an idle time.
    pub(super) async fn is_alive(&self) -> bool {
        let call = self.call(|state, number| {
            state.connection.client.probe(now());
            state.probing.push_back(number);
        });
        matches!(call.end().await, CallEnd::Alive(true))
    }

    /// Sends a message, beside others if the peer allows it.
    pub(super) async fn send(
        &self,
        envelope: Envelope,
        mail: Payload,
        progress: Option<Progress>,
        extensions: Extensions,
        pipelining: Pipelining,
    ) -> SendResult {
        let call = self.call(|state, number| {
            // Bytes that came while no call was made are no reply to this message.
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

    /// Hands the client's events to the callers; returns whether there were any.
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

    /// Wakes another caller to move the bytes; if that one is dropped before it does, its drop wakes the next.
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

/// The most messages under way on one connection: enough for 300 messages a second on a path of 100 ms.
const WINDOW: usize = 32;
/// Shorter than the idle timeout of servers, so that a connection seldom ends while idle.
const MAX_IDLE: Duration = Duration::from_secs(30);
/// Limited, so that a new address or a new certificate of the peer is noticed.
const MAX_AGE: Duration = Duration::from_secs(300);
/// Some servers close a connection after 100 messages.
const MAX_MESSAGES: u32 = 100;
