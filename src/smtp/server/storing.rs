//! [`PendingStores`]: the messages that the store has, and the replies that wait behind theirs.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::reply::Reply;
use super::{Dialogue, DialogueState, LEAST_STAY};

/// The messages that the store has, in the order of their coming.
///
/// The dialogue goes on meanwhile. RFC 2920 §3.2: replies come in the order of what they answer, so what is said to later commands
/// waits here.
#[derive(Debug, Default)]
pub(super) struct PendingStores {
    under_way: VecDeque<PendingStore>,
    held: bool,
}

#[derive(Debug)]
struct PendingStore {
    /// How many commands had come by the message's end.
    commands: usize,
    /// The replies to what came after it.
    after: BytesMut,
}

impl PendingStores {
    /// The store gets one more, after so many commands.
    pub(super) fn begin(&mut self, commands: usize) {
        self.under_way.push_back(PendingStore { commands, after: BytesMut::new() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= Dialogue::MAX_PENDING_STORES
    }

    /// The next command waits until the store has answered once more.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    pub(super) fn blocks_commands(&self) -> bool {
        self.held
    }

    /// Where the next reply goes: behind that to the last message, or into `output`.
    pub(super) fn replies<'a>(&'a mut self, output: &'a mut BytesMut) -> &'a mut BytesMut {
        self.under_way.back_mut().map_or(output, |last| &mut last.after)
    }
}

impl Dialogue {
    /// How many messages of one connection the store may have at once.
    pub const MAX_PENDING_STORES: usize = 4;

    /// The store has answered for the oldest of the messages that it has; `reply` says what became of it.
    pub fn handle_stored(&mut self, reply: &Reply, now: Instant) {
        let Some(PendingStore { commands, after }) = self.stores.under_way.pop_front() else { return };
        self.stores.held = false;
        if !reply.is_refusal() {
            self.commands -= commands;
            self.stores.under_way.iter_mut().for_each(|later| later.commands -= commands);
            self.useful_until = now + LEAST_STAY;
        }
        if matches!(self.state, DialogueState::Commands) {
            self.deadline = now + self.policy.limits.command_time;
        }
        reply.write_to(&mut self.output);
        self.output.unsplit(after);
    }
}
