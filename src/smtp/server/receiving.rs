//! Reception of messages by DATA and BDAT.

use std::mem;
use std::time::{Duration, Instant};

use bytes::buf::Limit;
use bytes::{Buf as _, Bytes, BytesMut};
use chrono::{DateTime, Utc};

use super::body::{Body, BodySink, DotReader};
use super::limits::Limits;
use super::replies;
use super::trace::Trace;
use super::transaction::Chunks;
use super::{Action, Delivery, Dialogue, DialogueState, MemoryGrant, Spill};
use crate::smtp::Reply;

/// A message, or one chunk of it, while it arrives.
#[derive(Debug)]
pub(super) struct Receiving {
    framing: Framing,
    sink: BodySink,
    began: Instant,
    /// When the last bytes arrived.
    last_input: Instant,
    received: u64,
}

/// The condition for reading more of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// More can be read now.
    Nothing,
    /// More memory must be reserved first.
    Memory,
    /// The bytes in memory must be spilled first.
    Spill,
}

/// The framing of a message, by which its end is known.
#[derive(Debug)]
pub(super) enum Framing {
    /// DATA: the message ends with a dot on a line by itself. RFC 5321 §4.1.1.4.
    Dots(DotReader),
    /// BDAT: the chunk has a declared length. RFC 3030 §2.
    Chunk { left: u64, last: bool },
}

impl Receiving {
    pub(super) fn new(framing: Framing, sink: BodySink, now: Instant) -> Self {
        Self { framing, sink, began: now, last_input: now, received: 0 }
    }

    /// Returns when the message is too slow: after a pause that is too long, or when it falls below the minimum rate.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let at_least_rate = Duration::from_secs(self.received / u64::from(limits.least_rate.max(1)));
        let too_slow = self.began.checked_add(RATE_GRACE + at_least_rate);
        let too_long = self.last_input + limits.command_time;
        too_slow.map_or(too_long, |too_slow| too_slow.min(too_long))
    }

    /// Returns until when the bytes that have arrived justify the connection: long for a message that arrives at a good rate.
    pub(super) fn worth_until(&self) -> Instant {
        let worth = Duration::from_millis(self.received.saturating_mul(1000) / GOOD_RATE);
        self.began.checked_add(worth).unwrap_or(self.last_input)
    }

    /// Returns what must be done before `input` can be read, if `steps` steps of memory are reserved.
    fn need(&self, input: &[u8], steps: usize) -> Need {
        let BodySink::Keep(body) = &self.sink else { return Need::Nothing };
        let due = match &self.framing {
            Framing::Dots(_) => input.len(),
            Framing::Chunk { left, .. } => usize::try_from(*left).map_or(input.len(), |left| left.min(input.len())),
        };
        let reserved = steps * Dialogue::MEMORY_STEP;
        match body.is_open() {
            true if body.must_spill(due, reserved) => Need::Spill,
            true if body.is_long() || body.held() + due <= reserved => Need::Nothing,
            _ => Need::Memory,
        }
    }

    /// Removes the bytes that can be spilled, if there are any. A text with a line that is too long is refused.
    fn split_off(&mut self, text_line: usize) -> Option<Bytes> {
        let BodySink::Keep(body) = &mut self.sink else { return None };
        let text_line = match &self.framing {
            Framing::Dots(_) => Some(text_line),
            Framing::Chunk { .. } => None,
        };
        body.split_off(text_line).unwrap_or_else(|refusal| {
            self.sink.refuse(refusal);
            None
        })
    }

    /// Reads the bytes of `input` that belong to the message; returns their number, and whether the message or chunk ends with them.
    fn take(&mut self, input: &[u8], now: Instant) -> (usize, bool) {
        let Self { framing, sink, .. } = self;
        let (taken, ended) = match framing {
            Framing::Dots(reader) => reader.read(input, |bytes| sink.take(bytes)),
            Framing::Chunk { left, .. } => {
                let taken = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                sink.take(&input[..taken]);
                *left -= taken as u64;
                (taken, *left == 0)
            }
        };
        if taken > 0 {
            self.last_input = now;
            self.received += taken as u64;
        }
        (taken, ended)
    }

    /// Returns the body that has arrived, or the reply that refuses it, and whether the message is complete.
    fn finish(self, text_line: usize) -> (Result<Body, Reply>, bool) {
        let last = match &self.framing {
            Framing::Dots(_) => true,
            Framing::Chunk { last, .. } => *last,
        };
        let body = match (self.sink, self.framing) {
            (BodySink::Discard { refusal, .. }, _) => Err(refusal),
            (BodySink::Keep(_), Framing::Dots(reader)) if reader.is_ambiguous() => Err(replies::BARE_ENDS_IN_MESSAGE),
            (BodySink::Keep(body), Framing::Dots(_)) => body.check_lines(text_line).map(|()| body),
            (BodySink::Keep(body), Framing::Chunk { .. }) => Ok(body),
        };
        (body, last)
    }
}

impl Dialogue {
    /// Continues to read the message; returns whether its end was reached.
    pub(super) fn read_message(&mut self, input: &mut BytesMut, now: Instant) -> bool {
        let DialogueState::Receiving(receiving) = &mut self.state else { return false };
        match receiving.need(input, self.memory_steps) {
            Need::Nothing => {}
            Need::Memory => {
                if let DialogueState::Receiving(receiving) = mem::replace(&mut self.state, DialogueState::Closed) {
                    self.ask_for_memory(receiving);
                }
                return false;
            }
            Need::Spill => {
                if let Some(bytes) = receiving.split_off(self.policy.limits.text_line) {
                    if let DialogueState::Receiving(receiving) = mem::replace(&mut self.state, DialogueState::Closed) {
                        self.state = DialogueState::Spilling(receiving);
                    }
                    self.action = Some(Action::Spill(bytes));
                    return false;
                }
            }
        }
        let (taken, ended) = receiving.take(input, now);
        input.advance(taken);
        if let BodySink::Discard { refusal, discarded } = &receiving.sink {
            self.memory_steps = 0;
            // Discarded bytes cost only bandwidth, but they must have a limit.
            if *discarded > self.policy.limits.message.saturating_mul(MESSAGE_DISCARD_FACTOR) {
                let refusal = refusal.clone();
                self.repeat_for_recipients(&refusal);
                self.close_with(&refusal);
                return false;
            }
        }
        if ended {
            self.finish_part(now);
        }
        ended
    }

    pub(super) fn ask_for_memory(&mut self, receiving: Receiving) {
        self.state = DialogueState::AwaitingMemory(receiving);
        self.action = Some(Action::Reserve);
    }

    /// Returns the buffer into which the next bytes of a chunk can be read directly, when there is no input left. This saves a copy.
    ///
    /// The buffer ends where the chunk ends, or where more memory must be reserved; `None` means that bytes must be passed to
    /// [`handle_input`](Self::handle_input). The driver reports the bytes that it has read with [`handle_filled`](Self::handle_filled).
    pub fn poll_space(&mut self) -> Option<Limit<&mut BytesMut>> {
        let DialogueState::Receiving(Receiving { framing: Framing::Chunk { left, .. }, sink: BodySink::Keep(body), .. }) =
            &mut self.state
        else {
            return None;
        };
        let free = (self.memory_steps * Self::MEMORY_STEP).saturating_sub(body.held());
        body.space(usize::try_from(*left).map_or(free, |left| left.min(free)))
    }

    /// Handles that the next `len` bytes of a chunk were read into the buffer of [`poll_space`](Self::poll_space).
    pub fn handle_filled(&mut self, len: usize, now: Instant) {
        let DialogueState::Receiving(receiving) = &mut self.state else { return };
        if let Framing::Chunk { left, .. } = &mut receiving.framing {
            *left = left.saturating_sub(len as u64);
            receiving.last_input = now;
            receiving.received += len as u64;
        }
    }

    /// Handles the answer to [`Action::Reserve`].
    ///
    /// A message without memory is deferred: at DATA if it has not begun, otherwise at its end.
    pub fn handle_memory_grant(&mut self, grant: MemoryGrant, now: Instant) {
        let mut receiving = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::AwaitingMemory(receiving) => receiving,
            other => return self.state = other,
        };
        let starts_data =
            matches!((&receiving.framing, &receiving.sink), (Framing::Dots(_), BodySink::Keep(body)) if !body.is_open());
        receiving.last_input = now;
        match grant {
            MemoryGrant::Granted { at } => {
                self.memory_steps += 1;
                self.open(&mut receiving.sink, at);
                if starts_data {
                    replies::GO_AHEAD.write_to(self.replies());
                }
            }
            MemoryGrant::Denied if starts_data => {
                self.deadline = now + self.policy.limits.command_time;
                return self.send_reply(&replies::NO_ROOM);
            }
            MemoryGrant::Denied => {
                receiving.sink.refuse(replies::NO_ROOM);
                self.memory_steps = 0;
            }
        }
        self.state = DialogueState::Receiving(receiving);
    }

    /// Handles the answer to [`Action::Spill`].
    ///
    /// After a failure, the message is refused at its end. If there is no place to spill it to, it stays in memory.
    pub fn handle_spill(&mut self, spill: Spill, now: Instant) {
        let mut receiving = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::Spilling(receiving) => receiving,
            other => return self.state = other,
        };
        receiving.last_input = now;
        match (spill, &mut receiving.sink) {
            (Spill::Done, _) => self.memory_steps = self.memory_steps.min(1),
            (Spill::NoPlace(bytes), BodySink::Keep(body)) => body.take_back(&bytes),
            (Spill::NoPlace(_), BodySink::Discard { .. }) => {}
            (Spill::Failed(refusal), sink) => {
                sink.refuse(refusal);
                self.memory_steps = 0;
            }
        }
        self.state = DialogueState::Receiving(receiving);
    }

    /// Begins a message with its trace.
    fn open(&mut self, sink: &mut BodySink, at: DateTime<Utc>) {
        let (BodySink::Keep(body), Some(transaction)) = (sink, &self.transaction) else { return };
        if body.is_open() {
            return;
        }
        self.messages += 1;
        let trace = Trace {
            name: self.name.as_ref().map_or("", |name| &name.text),
            extended: self.name.as_ref().is_some_and(|name| name.extended),
            address: self.peer.address,
            tls: self.peer.tls,
            logged_in: self.logged_in,
            protocol: self.policy.protocol,
            node: &self.policy.node,
            session: self.peer.session,
            message: self.messages,
            recipient: match &transaction.mailboxes[..] {
                [mailbox] if !transaction.postmaster => Some((mailbox, &self.policy.domain)),
                _ => None,
            },
            at,
        };
        body.open(&trace.to_string());
    }

    /// Ends a message or a chunk: stores the message, waits for the next chunk, or refuses it.
    fn finish_part(&mut self, now: Instant) {
        let receiving = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::Receiving(receiving) => receiving,
            other => return self.state = other,
        };
        self.deadline = now + self.policy.limits.command_time;
        let (outcome, last) = receiving.finish(self.policy.limits.text_line);
        match (outcome, &mut self.transaction) {
            (Ok(body), Some(transaction)) if last => {
                let (mailboxes, postmaster) = (mem::take(&mut transaction.mailboxes), transaction.postmaster);
                let replies_due = mem::take(&mut transaction.replies_due);
                let (report_to, sender) = (transaction.report_to.take(), transaction.sender.take());
                let reports = mem::take(&mut transaction.reports);
                let recipient_reports = mem::take(&mut transaction.recipient_reports);
                let (spilled, origin) = (body.spilled(), self.peer.origin.clone());
                self.action = Some(Action::Store(Delivery {
                    spilled,
                    mail: body.freeze(),
                    sender,
                    mailboxes,
                    reports,
                    recipient_reports,
                    postmaster,
                    report_to,
                    origin,
                }));
                self.stores.begin(self.commands, replies_due);
                self.end_transaction();
            }
            (Ok(body), Some(transaction)) => {
                transaction.chunks = Chunks::Some(body);
                self.send_reply(&replies::CHUNK_OK);
            }
            (Err(refusal), Some(transaction)) if !last => {
                transaction.chunks = Chunks::Refused(refusal.clone());
                self.send_reply(&refusal);
            }
            (Err(refusal), _) => {
                self.refuse_message(&refusal);
                self.end_transaction();
            }
            // There is no body without a transaction.
            (Ok(_), None) => self.end_transaction(),
        }
    }
}

/// A message that arrives with fewer bytes a second loses its connection at the connection limit. It is half the rate of telephone audio.
const GOOD_RATE: u64 = 4000;

/// How long the minimum rate does not apply to a new message.
const RATE_GRACE: Duration = Duration::from_secs(60);

/// A refused message that is this many times longer than allowed ends the session.
const MESSAGE_DISCARD_FACTOR: usize = 2;
