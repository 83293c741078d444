//! [`ExpectedReplies`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::MessageNumber;
use super::step::ProtocolStep;
use super::timeouts::ReplyTimeouts;

/// The replies that are to come, in the order of their commands, and when the next one is due.
#[derive(Debug)]
pub(super) struct ExpectedReplies {
    replies: VecDeque<ExpectedReply>,
    /// So many of the last ones are for commands that the transport does not have yet.
    unsent: usize,
    /// Since when the first one is the next to come.
    since: Instant,
    /// When the transport last took a byte.
    sent_at: Instant,
    /// Whether it has taken all.
    all_sent: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedReply {
    pub(super) step: ProtocolStep,
    pub(super) owner: ReplyOwner,
}

/// Whom a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyOwner {
    Connection,
    Message(MessageNumber),
}

impl ExpectedReplies {
    pub(super) fn new(now: Instant) -> Self {
        Self { replies: VecDeque::new(), unsent: 0, since: now, sent_at: now, all_sent: true }
    }

    /// The server speaks first.
    pub(super) fn expect_greeting(&mut self) {
        self.replies.push_back(ExpectedReply { step: ProtocolStep::Greeting, owner: ReplyOwner::Connection });
    }

    /// Commands are to be sent that ask for these replies.
    pub(super) fn expect(&mut self, steps: &[ProtocolStep], owner: ReplyOwner, now: Instant) {
        if self.replies.is_empty() {
            self.since = now;
        }
        self.all_sent = false;
        self.unsent += steps.len();
        self.replies.extend(steps.iter().map(|step| ExpectedReply { step: *step, owner }));
    }

    /// The transport has the commands that ask for the next so many replies.
    pub(super) fn handle_handed_out(&mut self, replies: usize) {
        self.unsent = self.unsent.saturating_sub(replies);
    }

    /// The transport took bytes, and has more to take or not.
    pub(super) fn handle_sent(&mut self, all: bool, now: Instant) {
        (self.sent_at, self.all_sent) = (now, all);
    }

    /// Nothing can be sent any more.
    pub(super) fn handle_write_failure(&mut self, now: Instant) {
        (self.since, self.all_sent) = (now, true);
    }

    /// Takes off the first one, which has come; `None` if nothing was sent that asks for a reply.
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

    /// When the first one is due: `patience.block` after the last byte that was taken while there are more, else `patience.reply` after it,
    /// and in all `patience.total`. `sent_at` says when what it answers was taken whole: bytes of other messages behind that give it no more
    /// time.
    pub(super) fn due(&self, patience: ReplyTimeouts, sent_at: Option<Instant>) -> Instant {
        let wait = if sent_at.is_some() || self.all_sent { patience.reply } else { patience.block };
        (self.since.max(sent_at.unwrap_or(self.sent_at)) + wait).min(self.since + patience.total)
    }

    /// The same with a fixed wait.
    pub(super) fn due_after(&self, wait: Duration) -> Instant {
        self.since + wait
    }
}
