//! [`RepliesDue`]: the replies that the end of a message gets.

use bytes::BytesMut;

#[cfg(doc)]
use super::Dialogue;
use super::{Protocol, replies};
use crate::smtp::Reply;

/// The replies that the end of a message gets: one for the message, or in LMTP one for each RCPT that was accepted.
///
/// # Source
///
/// RFC 2033 §4.2: also for an RCPT that names a recipient again.
#[derive(Debug, Clone, Default)]
pub(super) enum RepliesDue {
    #[default]
    OfMessage,
    /// For each accepted RCPT, the place of its mailbox among those of the transaction; `None` for a recipient without mailbox.
    OfRecipients(Vec<Option<usize>>),
}

impl RepliesDue {
    pub(super) fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Smtp => Self::OfMessage,
            Protocol::Lmtp => Self::OfRecipients(Vec::new()),
        }
    }

    /// Returns how many replies are due because of recipients.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::OfMessage => 0,
            Self::OfRecipients(places) => places.len(),
        }
    }

    /// Writes the replies to a message, of which the store gave `replies` as in [`Dialogue::handle_stored_each`]. Returns whether any of them is no refusal.
    pub(super) fn write(&self, replies: &[Reply], output: &mut BytesMut) -> bool {
        let Some(last) = replies.last() else {
            return self.write(&[replies::NO_ANSWER], output);
        };
        match self {
            Self::OfMessage => {
                let worst = replies.iter().find(|reply| (400..500).contains(&reply.code));
                worst.or_else(|| replies.iter().find(|reply| reply.is_refusal())).unwrap_or(last).write_to(output);
            }
            Self::OfRecipients(places) => {
                let reply_at = |place: &Option<usize>| place.and_then(|place| replies.get(place)).unwrap_or(last);
                for place in places {
                    reply_at(place).write_to(output);
                }
            }
        }
        replies.iter().any(|reply| !reply.is_refusal())
    }
}
