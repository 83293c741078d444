//! [`PendingStores`]: the messages that are being stored, and the replies that wait behind theirs.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use super::replies_due::RepliesDue;
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
    replies_due: RepliesDue,
    /// The replies to the commands after the message.
    after: BytesMut,
}

impl PendingStores {
    /// Adds a message, after this number of commands.
    pub(super) fn begin(&mut self, commands: usize, replies_due: RepliesDue) {
        self.under_way.push_back(PendingStore { commands, replies_due, after: BytesMut::new() });
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

    /// Handles the answer to the oldest [`Action::Store`](super::Action::Store): `reply` is the reply to the message. In LMTP it is
    /// sent for each of its recipients; [`handle_stored_each`](Self::handle_stored_each) takes one for each.
    pub fn handle_stored(&mut self, reply: &Reply, now: Instant) {
        self.handle_stored_each(std::slice::from_ref(reply), now);
    }

    /// Handles the answer to the oldest [`Action::Store`](super::Action::Store), with a reply for each recipient: `replies` has one for each of
    /// the delivery's mailboxes in their order, then one for the postmaster if it is a recipient.
    ///
    /// LMTP sends each to its recipient; if there are too few, the last one stands for the rest. SMTP sends one: the first that asks to try
    /// again, otherwise the first that refuses, otherwise the last. Without any reply, the peer is asked to try again.
    ///
    /// # Source
    ///
    /// RFC 2033 §4.2 and §4.3.
    pub fn handle_stored_each(&mut self, replies: &[Reply], now: Instant) {
        let Some(PendingStore { commands, replies_due, after }) = self.stores.under_way.pop_front() else { return };
        self.stores.held = false;
        if replies_due.write(replies, &mut self.output) {
            self.commands -= commands;
            self.stores.under_way.iter_mut().for_each(|later| later.commands -= commands);
            self.useful_until = now + LEAST_STAY;
        }
        if matches!(self.state, DialogueState::Commands) {
            self.deadline = now + self.policy.limits.command_time;
        }
        self.output.unsplit(after);
    }
}
