//! [`SentMessage`]: a message that an owner has sent, and what became of it in each mailbox.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::message::{Disposition, MailboxId, MessageId};

/// A message that an owner has sent, with what became of it in each mailbox that it was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentMessage {
    /// The id of the message.
    pub id: MessageId,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// The duration of the sound.
    pub length: Duration,
    /// The mailboxes that it was sent to, each once.
    pub copies: Vec<SentCopy>,
}

/// A sent message in one of the mailboxes that it was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SentCopy {
    /// The mailbox; of one at another voicemail system, the number by which owners reach it.
    pub mailbox: MailboxId,
    /// The id of the message in this mailbox; of a mail to another voicemail system, the one in its `Message-ID`.
    pub id: MessageId,
    /// Its state there.
    pub state: SentState,
}

/// The state of a sent message in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SentState {
    /// The message is being delivered. One that stays so for a mailbox here was cut off by a crash: it may be in the mailbox or not. A mail to another
    /// voicemail system stays so until a report comes.
    Sending,
    /// The message could not be delivered.
    NotDelivered,
    /// The message is in the mailbox, and its owner has not heard it.
    Delivered,
    /// Another system had reported the message as delivered, and then that it was not: a mailing list there had taken it, say.
    Returned,
    /// The owner has heard the message or removed it, or it has expired.
    Ended {
        /// The end of the message.
        disposition: Disposition,
        /// When it happened.
        at: DateTime<Utc>,
    },
}

impl SentMessage {
    /// The most messages that are kept for an owner; of more, the newest.
    pub const MAX_KEPT: usize = 500;
    /// How many days a message is kept.
    pub const MAX_DAYS: u32 = 90;

    /// A message that was sent at `sent_at`.
    pub const fn new(id: MessageId, sent_at: DateTime<Utc>, length: Duration, copies: Vec<SentCopy>) -> Self {
        Self { id, sent_at, length, copies }
    }

    /// Takes in what another record of the same message says: mailboxes that were missing, and states that are later ones.
    pub fn merge(&mut self, other: &Self) {
        for copy in &other.copies {
            match self.copies.iter_mut().find(|known| known.mailbox == copy.mailbox) {
                Some(known) => known.advance(copy),
                None => self.copies.push(copy.clone()),
            }
        }
    }

    /// Whether the message was sent so long before `now` that it is no longer kept.
    pub fn is_too_old(&self, now: DateTime<Utc>) -> bool {
        now - self.sent_at > TimeDelta::days(Self::MAX_DAYS.into())
    }
}

impl SentCopy {
    /// The message `id` in `mailbox`.
    pub const fn new(mailbox: MailboxId, id: MessageId, state: SentState) -> Self {
        Self { mailbox, id, state }
    }

    /// Takes in a later state, with the id that the message has then. An earlier one changes nothing, nor does a second end.
    fn advance(&mut self, other: &Self) {
        if other.state.rank() > self.state.rank() {
            (self.id, self.state) = (other.id, other.state);
        }
    }
}

impl SentState {
    /// The state of a message of which a receipt reports this `at` this time.
    pub const fn of(disposition: Disposition, at: DateTime<Utc>) -> Self {
        match disposition {
            Disposition::NotDelivered(_) => Self::NotDelivered,
            Disposition::Played | Disposition::RemovedUnheard | Disposition::Expired => Self::Ended { disposition, at },
        }
    }

    /// The place of the state in the life of a message. A delivery that failed may be tried again.
    const fn rank(self) -> u8 {
        match self {
            Self::Sending => 0,
            Self::NotDelivered => 1,
            Self::Delivered => 2,
            Self::Returned => 3,
            Self::Ended { .. } => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_goes_forward_and_never_back() {
        let (id, ben): (_, MailboxId) = (MessageId::from_bytes([1; 16]), "2002".parse().unwrap());
        let of = |state| SentMessage::new(id, DateTime::UNIX_EPOCH, Duration::ZERO, vec![SentCopy::new(ben.clone(), id, state)]);
        let heard = SentState::Ended { disposition: Disposition::Played, at: DateTime::UNIX_EPOCH };
        let later = SentState::Ended { disposition: Disposition::Expired, at: DateTime::UNIX_EPOCH };
        for (states, expected) in [
            (vec![SentState::Sending, SentState::NotDelivered, SentState::Delivered], SentState::Delivered),
            (vec![SentState::Delivered, SentState::NotDelivered], SentState::Delivered),
            (vec![SentState::Delivered, SentState::Returned, SentState::NotDelivered, SentState::Delivered], SentState::Returned),
            (vec![SentState::Returned, heard, SentState::Returned], heard),
            (vec![SentState::Sending, heard, SentState::Delivered, later], heard),
        ] {
            let mut message = of(states[0]);
            for state in &states[1..] {
                message.merge(&of(*state));
            }
            assert_eq!(message, of(expected));
        }
        let mut message = of(SentState::Sending);
        let other = SentCopy::new("2003".parse().unwrap(), id, SentState::Delivered);
        message.merge(&SentMessage { copies: vec![other.clone()], ..of(heard) });
        assert_eq!(message.copies[1..], [other], "a mailbox that was missing");
    }
}
