//! [`PendingStores`]: the messages that are being stored, and the replies that wait behind theirs.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::{Dialogue, DialogueState, LEAST_STAY};
use crate::smtp::Reply;

/// The messages that are being stored, in the order of their arrival.
///
/// The dialogue continues meanwhile. RFC 2920 §3.2: replies are sent in the order of their commands, so the replies to later commands
/// wait here.
#[derive(Debug, Default)]
pub(super) struct PendingStores {
    under_way: VecDeque<PendingStore>,
    /// Whether the next command waits.
    held: bool,
}

#[derive(Debug)]
struct PendingStore {
    /// The number of commands up to the end of the message.
    commands: usize,
    /// The replies to the commands after the message.
    after: BytesMut,
}

impl PendingStores {
    /// Adds a message, after this number of commands.
    pub(super) fn begin(&mut self, commands: usize) {
        self.under_way.push_back(PendingStore { commands, after: BytesMut::new() });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.under_way.len() >= Dialogue::MAX_PENDING_STORES
    }

    /// Lets the next command wait until the store has answered for one more message.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    pub(super) fn blocks_commands(&self) -> bool {
        self.held
    }

    /// Returns the buffer for the next reply: behind the last message, or `output` if no message is being stored.
    pub(super) fn replies<'a>(&'a mut self, output: &'a mut BytesMut) -> &'a mut BytesMut {
        self.under_way.back_mut().map_or(output, |last| &mut last.after)
    }
}

impl Dialogue {
    /// The number of messages of one connection that may be stored at the same time.
    pub const MAX_PENDING_STORES: usize = 4;

    /// Handles the answer to the oldest [`Action::Store`](super::Action::Store): `reply` is the reply to the message.
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
