//! The replies to a message and to its recipients. In SMTP, one reply to a message stands for all its mailboxes.

use std::io;

use crate::message::{MailboxId, Message, MessageId};
use crate::smtp::Reply;
use crate::smtp::server::Protocol;
use crate::store::StoreError;
use crate::wire::DecodeError;

/// Why a message was not deposited in a mailbox.
#[derive(Debug)]
pub(super) enum DepositFailure {
    /// The store returned this error.
    Store(StoreError),
    /// The store did not answer in time.
    NoAnswer,
}

/// Returns the replies to a message: one for all its mailboxes, or in LMTP one for each.
///
/// # Source
///
/// RFC 2033 §4.2.
pub(super) fn replies_to_message(
    protocol: Protocol,
    id: MessageId,
    outcomes: &[(&MailboxId, Result<(), DepositFailure>)],
) -> Vec<Reply> {
    let reply = |(mailbox, outcome): &(&MailboxId, Result<(), DepositFailure>)| match outcome {
        Ok(()) => Reply::with_status(250, "2.1.5", format_args!("{mailbox}: kept {id}")),
        Err(failure) => reply_to_recipient(mailbox, failure),
    };
    match protocol {
        Protocol::Smtp => vec![reply_to_message(id, outcomes)],
        Protocol::Lmtp => outcomes.iter().map(reply).collect(),
    }
}

/// Returns the reply to a message, from the outcomes of all its mailboxes.
///
/// SMTP has one reply for all recipients, and 2xx means that every one of them has the message. So if any deposit failed:
///
/// - if one of the failures is transient, the reply is its 4xx: the sender tries again for all recipients, and the mailboxes that have the
///   message recognise it;
/// - if all failures are final, the reply is the 5xx of the first: the sender's operator learns of it, even if other mailboxes have the
///   message.
///
/// # Source
///
/// RFC 5321 §4.2.5 and §6.1: after 250 the receiver is responsible for the message.
fn reply_to_message(id: MessageId, outcomes: &[(&MailboxId, Result<(), DepositFailure>)]) -> Reply {
    let failures = || outcomes.iter().filter_map(|(mailbox, outcome)| Some((*mailbox, outcome.as_ref().err()?)));
    let replies = || failures().map(|(mailbox, failure)| (mailbox, status_of(failure), failure));
    let worst = replies().find(|(_, (code, _), _)| *code < 500).or_else(|| replies().next());
    let Some((mailbox, (code, status), failure)) = worst else {
        return Reply::with_status(250, "2.0.0", format_args!("kept {id}"));
    };
    let kept = outcomes.len() - failures().count();
    match failure {
        DepositFailure::Store(error) => {
            Reply::with_status(code, status, format_args!("{mailbox}: {error} (kept for {kept} of {})", outcomes.len()))
        }
        DepositFailure::NoAnswer => Reply::with_status(code, status, format_args!("{mailbox}: the store does not answer")),
    }
}

/// Returns the reply to a recipient whose mailbox does not accept the message.
pub(super) fn reply_to_recipient(mailbox: &MailboxId, failure: &DepositFailure) -> Reply {
    let (code, status) = status_of(failure);
    match failure {
        DepositFailure::Store(error) => Reply::with_status(code, status, format_args!("{mailbox}: {error}")),
        DepositFailure::NoAnswer => Reply::with_status(code, status, format_args!("{mailbox}: the store does not answer")),
    }
}

/// Returns the reply to a message that the store could not write while it was received.
pub(super) fn not_staged(error: &StoreError) -> Reply {
    let (code, status) = status_of_store(error);
    Reply::with_status(code, status, error)
}

/// Returns the reply to a message that was written and cannot be read back.
pub(super) fn not_read(error: &io::Error) -> Reply {
    Reply::with_status(451, "4.3.0", error)
}

/// Returns the reply to a message at a node that keeps greetings only.
pub(super) fn greetings_only() -> Reply {
    Reply::with_status(550, "5.7.1", "this node keeps no messages, and takes greetings from the central node only")
}

/// Returns the reply to a mail that is no valid voice message.
///
/// # Source
///
/// RFC 3463 §3.7: 5.6.1, media not supported; 5.6.0, another fault of the content.
pub(super) fn unreadable(error: &DecodeError) -> Reply {
    let status = if error.concerns_audio() { "5.6.1" } else { "5.6.0" };
    match std::error::Error::source(error) {
        Some(source) => Reply::with_status(554, status, format_args!("{error}: {source}")),
        None => Reply::with_status(554, status, error),
    }
}

/// Refuses a message whose stated length is more than a sound of its size can have: the quota of a mailbox counts the stated length.
pub(super) fn check_length(message: &Message) -> Result<(), Reply> {
    let (secs, bytes) = (message.head().length.as_secs(), message.audio().len());
    if secs <= bytes / SLOWEST + 1 {
        return Ok(());
    }
    Err(Reply::with_status(554, "5.6.0", format_args!("a sound of {bytes} bytes cannot last the {secs} s that its mail says")))
}

/// The fewest bytes per second that a sound can have: GSM 06.10 in a WAV file at 4 kHz, the lowest sampling rate that is read.
const SLOWEST: u64 = 812;

/// Returns the reply code and the enhanced status code of a failure.
///
/// # Source
///
/// RFC 3463 §3.2 to §3.4.
fn status_of(failure: &DepositFailure) -> (u16, &'static str) {
    match failure {
        DepositFailure::Store(error) => status_of_store(error),
        DepositFailure::NoAnswer => (451, "4.3.0"),
    }
}

fn status_of_store(error: &StoreError) -> (u16, &'static str) {
    match error {
        StoreError::MailboxFull(_) => (452, "4.2.2"),
        StoreError::NoSpace(_) => (452, "4.3.1"),
        StoreError::TooBig { .. } => (552, "5.3.4"),
        StoreError::NoSuchMailbox(_) => (550, "5.1.1"),
        // The last three are no valid answers to a deposit: the store is faulty, and the message must not be lost because of that.
        StoreError::NotWritable(_)
        | StoreError::Unavailable(_)
        | StoreError::NoSuchMessage(_)
        | StoreError::Damaged { .. }
        | StoreError::Unsupported(_) => (451, "4.3.0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::EnhancedStatus;

    fn code(outcomes: &[Result<(), DepositFailure>]) -> (u16, Option<EnhancedStatus>) {
        let mailbox = "2041".parse().unwrap();
        let copy = |outcome: &Result<(), DepositFailure>| match outcome {
            Ok(()) => Ok(()),
            Err(DepositFailure::NoAnswer) => Err(DepositFailure::NoAnswer),
            Err(DepositFailure::Store(StoreError::MailboxFull(id))) => {
                Err(DepositFailure::Store(StoreError::MailboxFull(id.clone())))
            }
            Err(DepositFailure::Store(StoreError::NoSuchMailbox(id))) => {
                Err(DepositFailure::Store(StoreError::NoSuchMailbox(id.clone())))
            }
            Err(DepositFailure::Store(other)) => panic!("{other}"),
        };
        let outcomes: Vec<_> = outcomes.iter().map(|outcome| (&mailbox, copy(outcome))).collect();
        let reply = reply_to_message(MessageId::from_bytes([7; 16]), &outcomes);
        (reply.code, reply.status)
    }

    #[test]
    fn a_transient_failure_makes_the_sender_retry_for_all() {
        let full = || Err(DepositFailure::Store(StoreError::MailboxFull("2041".parse().unwrap())));
        let unknown = || Err(DepositFailure::Store(StoreError::NoSuchMailbox("2041".parse().unwrap())));
        assert_eq!(code(&[Ok(()), Ok(())]), (250, "2.0.0".parse().ok()));
        assert_eq!(code(&[Ok(()), full()]), (452, "4.2.2".parse().ok()));
        assert_eq!(code(&[unknown(), Ok(()), full()]), (452, "4.2.2".parse().ok()));
        assert_eq!(code(&[unknown(), Err(DepositFailure::NoAnswer)]), (451, "4.3.0".parse().ok()));
        assert_eq!(code(&[Ok(()), unknown()]), (550, "5.1.1".parse().ok()));
    }
}
