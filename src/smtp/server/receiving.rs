//! How a dialogue takes in a message, with DATA or in chunks, and hands it on.

use std::mem;
use std::time::{Duration, Instant};

use bytes::buf::Limit;
use bytes::{Buf as _, Bytes, BytesMut};
use chrono::{DateTime, Utc};

use super::body::{Body, BodySink, DotReader};
use super::limits::Limits;
use super::reply::{self, Reply};
use super::trace::Trace;
use super::transaction::Chunks;
use super::{Action, Delivery, Dialogue, DialogueState, MemoryGrant, Spill};

/// A message, or one chunk of it, that is arriving.
#[derive(Debug)]
pub(super) struct Receiving {
    framing: Framing,
    sink: BodySink,
    began: Instant,
    heard: Instant,
    received: u64,
}

/// What a message needs to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    /// More memory.
    Memory,
    /// That what is in memory goes where it does not need any.
    Spill,
}

/// How its end is known.
#[derive(Debug)]
pub(super) enum Framing {
    /// By a dot, RFC 5321 §4.1.1.4.
    Dots(DotReader),
    /// By its length, RFC 3030 §2.
    Chunk { left: u64, last: bool },
}

impl Receiving {
    pub(super) fn new(framing: Framing, sink: BodySink, now: Instant) -> Self {
        Self { framing, sink, began: now, heard: now, received: 0 }
    }

    /// When it is too slow: after a pause that is too long, or when it falls behind the least rate.
    pub(super) fn deadline(&self, limits: &Limits) -> Instant {
        let at_least_rate = Duration::from_secs(self.received / u64::from(limits.least_rate.max(1)));
        let too_slow = self.began.checked_add(RATE_GRACE + at_least_rate);
        let too_long = self.heard + limits.command_time;
        too_slow.map_or(too_long, |too_slow| too_slow.min(too_long))
    }

    /// Until when what has come is worth the place that it takes: long for a message that comes at a good rate.
    pub(super) fn worth_until(&self) -> Instant {
        let worth = Duration::from_millis(self.received.saturating_mul(1000) / GOOD_RATE);
        self.began.checked_add(worth).unwrap_or(self.heard)
    }

    /// What has to be done before what `input` adds can be taken in, if `room` steps are set aside.
    fn need(&self, input: &[u8], room: usize) -> Need {
        let BodySink::Keep(body) = &self.sink else { return Need::Nothing };
        let due = match &self.framing {
            Framing::Dots(_) => input.len(),
            Framing::Chunk { left, .. } => usize::try_from(*left).map_or(input.len(), |left| left.min(input.len())),
        };
        let room = room * Dialogue::MEMORY_STEP;
        match body.is_open() {
            true if body.must_spill(due, room) => Need::Spill,
            true if body.is_long() || body.held() + due <= room => Need::Nothing,
            _ => Need::Memory,
        }
    }

    /// Takes out what can be spilled, if anything can; a text that must not go on so is refused.
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

    /// Takes in what belongs to the message; answers how many bytes of `input` that were, and whether it ends with them.
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
            self.heard = now;
            self.received += taken as u64;
        }
        (taken, ended)
    }

    /// What has arrived, once it ended, and whether it ends the message; a body that is not as it should be is refused.
    fn finish(self, text_line: usize) -> (Result<Body, Reply>, bool) {
        let last = match &self.framing {
            Framing::Dots(_) => true,
            Framing::Chunk { last, .. } => *last,
        };
        let body = match (self.sink, self.framing) {
            (BodySink::Discard { refusal, .. }, _) => Err(refusal),
            (BodySink::Keep(_), Framing::Dots(reader)) if reader.is_ambiguous() => Err(reply::BARE_ENDS_IN_MESSAGE),
            (BodySink::Keep(body), Framing::Dots(_)) => body.check_lines(text_line).map(|()| body),
            (BodySink::Keep(body), Framing::Chunk { .. }) => Ok(body),
        };
        (body, last)
    }
}

impl Dialogue {
    /// Reads on in the message; answers whether its end was reached.
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
            // What is discarded costs bandwidth only, but not without end.
            if *discarded > self.policy.limits.message.saturating_mul(MESSAGE_DISCARD_FACTOR) {
                let refusal = refusal.clone();
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

    /// Where the next bytes of a chunk can be read to, when there is no input left: it saves a copy.
    ///
    /// It ends where the chunk does, or where more room must be asked for; `None` when bytes have to come by way of
    /// [`handle_input`](Self::handle_input). Bytes that were put there are told to [`handle_filled`](Self::handle_filled).
    pub fn poll_space(&mut self) -> Option<Limit<&mut BytesMut>> {
        let DialogueState::Receiving(Receiving { framing: Framing::Chunk { left, .. }, sink: BodySink::Keep(body), .. }) =
            &mut self.state
        else {
            return None;
        };
        let room = (self.memory_steps * Self::MEMORY_STEP).saturating_sub(body.held());
        body.space(usize::try_from(*left).map_or(room, |left| left.min(room)))
    }

    /// The next `len` bytes of a chunk are where [`poll_space`](Self::poll_space) wanted them.
    pub fn handle_filled(&mut self, len: usize, now: Instant) {
        let DialogueState::Receiving(receiving) = &mut self.state else { return };
        if let Framing::Chunk { left, .. } = &mut receiving.framing {
            *left = left.saturating_sub(len as u64);
            receiving.heard = now;
            receiving.received += len as u64;
        }
    }

    /// Memory was set aside, or there is none.
    ///
    /// A message that gets none is put off: one sent with DATA at once if it has not begun, any other when its end has come.
    pub fn handle_memory_grant(&mut self, grant: MemoryGrant, now: Instant) {
        let mut receiving = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::AwaitingMemory(receiving) => receiving,
            other => return self.state = other,
        };
        let starts_data =
            matches!((&receiving.framing, &receiving.sink), (Framing::Dots(_), BodySink::Keep(body)) if !body.is_open());
        receiving.heard = now;
        match grant {
            MemoryGrant::Granted { at } => {
                self.memory_steps += 1;
                self.open(&mut receiving.sink, at);
                if starts_data {
                    reply::GO_AHEAD.write_to(self.replies());
                }
            }
            MemoryGrant::Denied if starts_data => {
                self.deadline = now + self.policy.limits.command_time;
                return self.say(&reply::NO_ROOM);
            }
            MemoryGrant::Denied => {
                receiving.sink.refuse(reply::NO_ROOM);
                self.memory_steps = 0;
            }
        }
        self.state = DialogueState::Receiving(receiving);
    }

    /// Whether a piece of a message was spilled is known.
    ///
    /// One that could not be is refused when its end has come; where there is no place, it is held in memory from now on.
    pub fn handle_spill(&mut self, spill: Spill, now: Instant) {
        let mut receiving = match mem::replace(&mut self.state, DialogueState::Commands) {
            DialogueState::Spilling(receiving) => receiving,
            other => return self.state = other,
        };
        receiving.heard = now;
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

    /// Puts the trace before a message that begins.
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

    /// A message or a chunk has ended: hands the message on, waits for the next chunk, or says why it is refused.
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
                let (spilled, origin) = (body.spilled(), self.peer.origin.clone());
                self.action = Some(Action::Store(Delivery { spilled, mail: body.freeze(), mailboxes, postmaster, origin }));
                self.stores.begin(self.commands);
                self.end_transaction();
            }
            (Ok(body), Some(transaction)) => {
                transaction.chunks = Chunks::Some(body);
                self.say(&reply::CHUNK_OK);
            }
            (Err(refusal), Some(transaction)) if !last => {
                transaction.chunks = Chunks::Refused(refusal.clone());
                self.say(&refusal);
            }
            (Err(refusal), _) => {
                self.say(&refusal);
                self.end_transaction();
            }
            // A body is kept for a transaction only.
            (Ok(_), None) => self.end_transaction(),
        }
    }
}

/// A message that comes with fewer bytes a second has to leave when places are needed: half of what a telephone speaks in.
const GOOD_RATE: u64 = 4000;

/// How long a message may begin slowly.
const RATE_GRACE: Duration = Duration::from_secs(60);

/// How many times as long as allowed a message may be before the peer is taken for lost.
const MESSAGE_DISCARD_FACTOR: usize = 2;
