//! [`text`]: a prompt in plain English.

use std::time::Duration;

use crate::message::{Caller, RelativeDay, Stamp};
use crate::telephone::Prompt;

/// Returns the prompt in plain English, for a program that speaks text.
///
/// The text contains what the prompt contains: the number and the name of a caller, too. A log gets [`log_text`].
pub fn text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::From(caller) => from(caller),
        other => log_text(other),
    }
}

/// Returns the prompt in plain English, as [`text`] does, but without the number and the name of a caller.
pub fn log_text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::From(_) => "From the caller.".to_owned(),
        Prompt::LockedOut(time) => format!("There were too many wrong PINs. Please call again in {}.", duration(*time)),
        Prompt::MessageNumber { number, of } => format!("Message {number} of {of}."),
        Prompt::ReceivedAt { stamp, day } => format!("Received {}.", day_and_time(*day, stamp)),
        Prompt::Length(length) => format!("It lasts {}.", duration(*length)),
        other => format!("{other:?}"),
    }
}

fn from(caller: &Caller) -> String {
    match (&caller.name, &caller.number) {
        (Some(name), _) => format!("From {}.", name.as_str()),
        (None, Some(number)) => format!("From {number}."),
        (None, None) => "From an unknown caller.".to_owned(),
    }
}

fn day_and_time(day: RelativeDay, stamp: &Stamp) -> String {
    format!("{day:?} at {}", stamp.local().format("%H:%M"))
}

fn duration(length: Duration) -> String {
    format!("{} seconds", length.as_secs())
}
