//! [`SharedConnection`]: one connection, and the messages that are under way on it.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::{Connection, Timer, now};
use super::payload::Payload;
use super::progress::Progress;
use crate::forward::TransportSecurity;
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
    shared: Mutex<Shared>,
}

struct Shared {
    connection: Connection,
    callers: HashMap<MessageNumber, Caller>,
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
struct Caller {
    waker: Option<Waker>,
    end: Option<End>,
}

enum End {
    Message(SendResult),
    /// The peer is there, or not.
    Alive(bool),
}

/// A call to [`SharedConnection::send`], until it is dropped.
struct Call<'a> {
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
        let shared = Shared {
            connection,
            callers: HashMap::new(),
            driver: None,
            probing: VecDeque::new(),
            last_number: 0,
            under_way: 1,
            messages: 1,
            idle_since: now,
        };
        Self { extensions, transport_security, opened_at: now, shared: Mutex::new(shared) }
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
        self.shared().under_way
    }

    /// How many messages may have a place here at once.
    ///
    /// A message that was sent and not answered when this process dies is sent again. So several are under way only to a peer that keeps a
    /// message once.
    pub(super) fn window(&self) -> usize {
        if self.extensions.once && self.shared().connection.client.can_pipeline() { WINDOW } else { 1 }
    }

    /// How long nobody used it; `None` if somebody does.
    pub(super) fn idle(&self, now: Instant) -> Option<Duration> {
        let shared = self.shared();
        (shared.under_way == 0).then(|| now.saturating_duration_since(shared.idle_since))
    }

    /// Whether another message may have a place, now or once one has left.
    pub(super) fn is_fit(&self, now: Instant) -> bool {
        let shared = self.shared();
        let client = &shared.connection.client;
        let idle = shared.under_way == 0;
        let rested = idle && now.saturating_duration_since(shared.idle_since) >= MAX_IDLE;
        let old = now.saturating_duration_since(self.opened_at) >= MAX_AGE || shared.messages >= MAX_MESSAGES;
        client.is_open() && !old && !rested && (!idle || shared.connection.is_quiet())
    }

    /// Whether nothing was received that was not asked for, and the connection is not known to have ended. Waits for nothing.
    pub(super) fn is_quiet(&self) -> bool {
        let mut shared = self.shared();
        shared.connection.drive_unattended();
        shared.connection.is_quiet()
    }

    /// One message more has a place.
    pub(super) fn enter(&self) {
        let mut shared = self.shared();
        shared.under_way += 1;
        shared.messages = shared.messages.saturating_add(1);
    }

    /// One message has left.
    pub(super) fn leave(&self, now: Instant) {
        let mut shared = self.shared();
        shared.under_way = shared.under_way.saturating_sub(1);
        shared.idle_since = now;
    }

    /// No message is begun any more: its path may be dead, which those under way find out for themselves.
    pub(super) fn retire(&self) {
        self.shared().connection.client.close();
    }

    /// Says QUIT without waiting for an answer.
    pub(super) fn farewell(&self) {
        let mut shared = self.shared();
        if shared.connection.is_quiet() {
            shared.connection.client.quit(now());
            // A peer that does not hear it sees the connection end.
            shared.connection.drive_unattended();
        }
    }

    /// Whether the peer is still there, to be asked after an idle time.
    pub(super) async fn is_alive(&self) -> bool {
        let call = self.call(|shared, number| {
            shared.connection.client.probe(now());
            shared.probing.push_back(number);
        });
        matches!(call.end().await, End::Alive(true))
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
        let call = self.call(|shared, number| {
            // What came while nobody was here is no reply to this message.
            shared.connection.drive_unattended();
            shared.connection.keep(number, mail, progress);
            shared.connection.client.send(number, envelope, extensions, pipelining, now());
        });
        match call.end().await {
            End::Message(ended) => ended,
            End::Alive(_) => unreachable!("a message's number is never among those that probe"),
        }
    }

    fn call(&self, begin: impl FnOnce(&mut Shared, MessageNumber)) -> Call<'_> {
        let mut shared = self.shared();
        shared.last_number += 1;
        let number = shared.last_number;
        shared.callers.insert(number, Caller::default());
        begin(&mut shared, number);
        Call { connection: self, number }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    async fn end(&self) -> End {
        let mut timer = Timer::default();
        poll_fn(|cx| self.connection.shared().poll_end(self.number, &mut timer, cx)).await
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut shared = self.connection.shared();
        shared.callers.remove(&self.number);
        shared.probing.retain(|probing| *probing != self.number);
        shared.connection.abandon(self.number);
        if shared.driver == Some(self.number) {
            shared.driver = None;
            shared.wake_another();
        }
    }
}

impl Shared {
    fn poll_end(&mut self, number: MessageNumber, timer: &mut Timer, cx: &mut Context<'_>) -> Poll<End> {
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
                Event::Done(number, ended) => self.end(number, End::Message(ended), by),
                Event::Alive => {
                    if let Some(probing) = self.probing.pop_front() {
                        self.end(probing, End::Alive(true), by);
                    }
                }
                Event::Opened(_) | Event::TlsReady | Event::NoStartTls(_) | Event::Authenticated | Event::Failed(_) => {}
            }
        }
        if self.connection.client.is_closed() {
            for probing in std::mem::take(&mut self.probing) {
                happened = true;
                self.end(probing, End::Alive(false), by);
            }
        }
        happened
    }

    fn end(&mut self, number: MessageNumber, end: End, by: MessageNumber) {
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
