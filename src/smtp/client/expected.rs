//! [`ExpectedReplies`]: the replies that are expected, and when the next one is due.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::MessageNumber;
use super::step::ProtocolStep;
use super::timeouts::ReplyTimeouts;

/// The expected replies, in the order of their commands, and when the next one is due.
#[derive(Debug)]
pub(super) struct ExpectedReplies {
    replies: VecDeque<ExpectedReply>,
    /// How many of the last replies are to commands that the transport does not have yet.
    unsent: usize,
    /// Since when the first reply is the next one.
    since: Instant,
    /// When the transport last took bytes.
    sent_at: Instant,
    /// Whether the transport has taken all bytes.
    all_sent: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedReply {
    pub(super) step: ProtocolStep,
    pub(super) owner: ReplyOwner,
}

/// The recipient of a reply inside the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyOwner {
    /// The connection: the opening, NOOP or QUIT.
    Connection,
    /// The transaction of this message.
    Message(MessageNumber),
}

impl ExpectedReplies {
    pub(super) fn new(now: Instant) -> Self {
        Self { replies: VecDeque::new(), unsent: 0, since: now, sent_at: now, all_sent: true }
    }

    /// Expects the greeting, before any command.
    pub(super) fn expect_greeting(&mut self) {
        self.replies.push_back(ExpectedReply { step: ProtocolStep::Greeting, owner: ReplyOwner::Connection });
    }

    /// Expects the replies to these steps, whose commands are to be sent.
    pub(super) fn expect(&mut self, steps: &[ProtocolStep], owner: ReplyOwner, now: Instant) {
        if self.replies.is_empty() {
            self.since = now;
        }
        self.all_sent = false;
        self.unsent += steps.len();
        self.replies.extend(steps.iter().map(|step| ExpectedReply { step: *step, owner }));
    }

    /// The transport has the commands for the next `replies` replies.
    pub(super) fn handle_handed_out(&mut self, replies: usize) {
        self.unsent = self.unsent.saturating_sub(replies);
    }

    /// The transport has taken bytes; `all` says whether there are no more for it.
    pub(super) fn handle_sent(&mut self, all: bool, now: Instant) {
        (self.sent_at, self.all_sent) = (now, all);
    }

    /// Nothing can be sent any more.
    pub(super) fn handle_write_failure(&mut self, now: Instant) {
        (self.since, self.all_sent) = (now, true);
    }

    /// Removes the first reply, which has arrived. Returns `None` if no command was sent that asks for a reply.
    pub(super) fn pop(&mut self, now: Instant) -> Option<ExpectedReply> {
        if self.replies.len() <= self.unsent {
            return None;
        }
        self.since = now;
        self.replies.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.replies.clear();
        self.unsent = 0;
    }

    pub(super) fn first(&self) -> Option<ExpectedReply> {
        self.replies.front().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.replies.is_empty()
    }

    /// Returns when the first reply is due: `limits.block` after the last bytes that the transport took while it has more, otherwise
    /// `limits.reply` after them, and at most `limits.total`. `sent_at` is when the transport had taken the message that the reply is to:
    /// the bytes of later messages do not extend the time.
    pub(super) fn due(&self, limits: ReplyTimeouts, sent_at: Option<Instant>) -> Instant {
        let wait = if sent_at.is_some() || self.all_sent { limits.reply } else { limits.block };
        (self.since.max(sent_at.unwrap_or(self.sent_at)) + wait).min(self.since + limits.total)
    }

    /// Returns when the first reply is due if it may take this long.
    pub(super) fn due_after(&self, wait: Duration) -> Instant {
        self.since + wait
    }
}
