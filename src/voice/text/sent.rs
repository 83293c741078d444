//! The sentences about messages that an owner has sent.

use super::{day_name, name, time};
use crate::message::{DeliveryFailure, Disposition};
use crate::telephone::Prompt;

/// Returns the sentence of a prompt about a message that the owner has sent; `None` for all others.
pub(super) fn about_sent(prompt: &Prompt) -> Option<String> {
    Some(match prompt {
        Prompt::NotSentTo(mailbox) => format!("The message was not sent to {}.", name(mailbox)),
        Prompt::Receipt { disposition, mailbox, recorded, recorded_day, at, at_day } => {
            let recorded = format!("{} at {}", day_name(*recorded_day), time(recorded));
            let at = format!("{} at {}", day_name(*at_day), time(at));
            let (outcome, reason) = (outcome(*disposition), reason(*disposition));
            format!("Your message to {}, recorded {recorded}, {outcome} {at}{reason}.", name(mailbox))
        }
        Prompt::SentAt { stamp, day } => format!("Sent {} at {}.", day_name(*day), time(stamp)),
        Prompt::NotHeardBy(mailbox) => format!("{} has not heard it.", name(mailbox)),
        Prompt::EndedFor { mailbox, disposition, at, day } => {
            let at = format!("{} at {}", day_name(*day), time(at));
            format!("To {}, it {} {at}{}.", name(mailbox), outcome(*disposition), reason(*disposition))
        }
        Prompt::SentCounts { heard, unheard, removed, not_sent } => sent_counts(*heard, *unheard, *removed, *not_sent),
        _ => return None,
    })
}

/// The numbers that are not zero.
fn sent_counts(heard: usize, unheard: usize, removed: usize, not_sent: usize) -> String {
    let counts =
        [(heard, "have heard it"), (unheard, "have not heard it"), (removed, "lost it unheard"), (not_sent, "did not get it")];
    let said: Vec<String> =
        counts.iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    format!("Of its mailboxes, {}.", said.join(", "))
}

fn outcome(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Played => "was heard",
        Disposition::RemovedUnheard => "was removed unheard",
        Disposition::Expired => "was never heard, and was removed because of its age",
        Disposition::NotDelivered(_) => "could not be delivered",
    }
}

/// The end of the sentence about a message that could not be delivered.
fn reason(disposition: Disposition) -> &'static str {
    let Disposition::NotDelivered(failure) = disposition else { return "" };
    match failure {
        DeliveryFailure::NoSuchMailbox => ", because no mailbox has this number",
        DeliveryFailure::MailboxFull => ", because the mailbox is full",
        DeliveryFailure::TooLong => ", because it is too long for the other system",
        DeliveryFailure::NotReached => ", because the other system could not be reached",
        DeliveryFailure::Refused => ", because the other system does not accept it",
    }
}
