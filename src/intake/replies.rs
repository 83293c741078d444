//! What the one reply at the end of a message says, when it stands for several mailboxes.

use std::io;

use crate::message::{MailboxId, Message, MessageId};
use crate::smtp::server::Reply;
use crate::store::StoreError;
use crate::wire::DecodeError;

/// Why a mailbox does not have a message.
#[derive(Debug)]
pub(super) enum DepositFailure {
    /// The store said so.
    Store(StoreError),
    /// The store has not answered in time.
    NoAnswer,
}

/// The reply to a message after every mailbox has answered.
///
/// SMTP has one reply for all recipients, and 2xx means that every one of them has the message. So if any failed:
///
/// - when one of the failures may pass, the reply is its 4xx: the sender tries again for all; those that have the message
///   recognise it, and no failure is lost;
/// - when none will pass, the reply is the 5xx of the first: the sender's operator learns of it, even if others have the message.
///
/// # Source
///
/// RFC 5321 §4.2.5 and §6.1: after 250 the message is the receiver's to answer for.
pub(super) fn reply_to_message(id: MessageId, outcomes: &[(&MailboxId, Result<(), DepositFailure>)]) -> Reply {
    let failures = || outcomes.iter().filter_map(|(mailbox, outcome)| Some((*mailbox, outcome.as_ref().err()?)));
    let replies = || failures().map(|(mailbox, failure)| (mailbox, status_of(failure), failure));
    let worst = replies().find(|(_, (code, _), _)| *code < 500).or_else(|| replies().next());
    let Some((mailbox, (code, status), failure)) = worst else {
        return Reply::telling(250, "2.0.0", format_args!("kept {id}"));
    };
    let kept = outcomes.len() - failures().count();
    match failure {
        DepositFailure::Store(error) => {
            Reply::telling(code, status, format_args!("{mailbox}: {error} (kept for {kept} of {})", outcomes.len()))
        }
        DepositFailure::NoAnswer => Reply::telling(code, status, format_args!("{mailbox}: the store does not answer")),
    }
}

/// The reply to a recipient whose mailbox is known not to take the message.
pub(super) fn not_taken(mailbox: &MailboxId, failure: &DepositFailure) -> Reply {
    let (code, status) = status_of(failure);
    match failure {
        DepositFailure::Store(error) => Reply::telling(code, status, format_args!("{mailbox}: {error}")),
        DepositFailure::NoAnswer => Reply::telling(code, status, format_args!("{mailbox}: the store does not answer")),
    }
}

/// The reply to a message that could not be written down as it came in.
pub(super) fn not_staged(error: &StoreError) -> Reply {
    let (code, status) = status_of_store(error);
    Reply::telling(code, status, error)
}

/// The reply to a message that was written down and cannot be read.
pub(super) fn not_read(error: &io::Error) -> Reply {
    Reply::telling(451, "4.3.0", error)
}

/// The reply to a message where none is kept.
pub(super) fn greetings_only() -> Reply {
    Reply::telling(550, "5.7.1", "this node keeps no messages, and takes greetings from the central node only")
}

/// The reply to a message that is none.
///
/// # Source
///
/// RFC 3463 §3.7: 5.6.1, media not supported; 5.6.0, another fault of the content.
pub(super) fn unreadable(error: &DecodeError) -> Reply {
    let status = if error.concerns_audio() { "5.6.1" } else { "5.6.0" };
    match std::error::Error::source(error) {
        Some(source) => Reply::telling(554, status, format_args!("{error}: {source}")),
        None => Reply::telling(554, status, error),
    }
}

/// Refuses a message that says it is longer than a sound of its size can be: a mailbox's minutes are counted by what it says.
pub(super) fn check_length(message: &Message) -> Result<(), Reply> {
    let (secs, bytes) = (message.head().length.as_secs(), message.audio().len());
    if secs <= bytes / SLOWEST + 1 {
        return Ok(());
    }
    Err(Reply::telling(554, "5.6.0", format_args!("a sound of {bytes} bytes cannot last the {secs} s that its mail says")))
}

/// How many bytes a second of the slowest sound has: GSM 06.10 in a WAV file, at the 4 kHz below which no sound is read.
const SLOWEST: u64 = 812;

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
        // The last two are no answer to a deposit: the store is out of order, and the message must not be lost over it.
        StoreError::NotWritable(_) | StoreError::Unavailable(_) | StoreError::NoSuchMessage(_) | StoreError::Damaged { .. } => {
            (451, "4.3.0")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(outcomes: &[Result<(), DepositFailure>]) -> (u16, &'static str) {
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
        (reply.code(), reply.status())
    }

    #[test]
    fn any_failure_that_may_pass_makes_the_sender_try_again_for_all() {
        let full = || Err(DepositFailure::Store(StoreError::MailboxFull("2041".parse().unwrap())));
        let unknown = || Err(DepositFailure::Store(StoreError::NoSuchMailbox("2041".parse().unwrap())));
        assert_eq!(code(&[Ok(()), Ok(())]), (250, "2.0.0"));
        assert_eq!(code(&[Ok(()), full()]), (452, "4.2.2"));
        assert_eq!(code(&[unknown(), Ok(()), full()]), (452, "4.2.2"));
        assert_eq!(code(&[unknown(), Err(DepositFailure::NoAnswer)]), (451, "4.3.0"));
        assert_eq!(code(&[Ok(()), unknown()]), (550, "5.1.1"));
    }
}
