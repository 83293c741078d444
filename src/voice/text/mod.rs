//! [`text`]: a prompt in plain English.

mod functions;
mod sent;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono::{Datelike as _, NaiveDate};

use self::functions::{kind_of_greeting, menu};
use self::sent::about_sent;
use crate::message::{Caller, MailboxId, RelativeDay, Stamp};
use crate::telephone::{Prompt, RecordingKind};

/// Returns the prompt in plain English, for a program that speaks text; an empty text for a sound, such as the tone or a message.
///
/// The text contains what the prompt contains: the number and the name of a caller, too. A log gets [`log_text`].
///
/// ```
/// use voicemail::telephone::{Function, KeyMap, Place, Prompt};
/// use voicemail::voice::text;
///
/// assert_eq!(text(&Prompt::MessageCounts { new: 3, urgent: 1, old: 0 }), "You have 3 new messages. 1 of them is urgent.");
/// let menu = KeyMap::voicemail().menu(Place::Played, &[Function::Keep, Function::Restore]);
/// assert_eq!(text(&Prompt::Menu(menu)), "To keep the message, press 2. To restore the message, press 7, 3.");
/// ```
pub fn text(prompt: &Prompt) -> String {
    match prompt {
        Prompt::From(caller) => from(caller),
        Prompt::Play(_) | Prompt::PlayRecording | Prompt::Greeting(_) | Prompt::Tone | Prompt::LimitWarning => String::new(),
        other => log_text(other),
    }
}

/// Returns the prompt in plain English, as [`text`] does, but without the number and the name of a caller.
///
/// A sound has its name in brackets, such as `[tone]`.
#[expect(clippy::too_many_lines, reason = "a table of sentences")]
pub fn log_text(prompt: &Prompt) -> String {
    let fixed = match prompt {
        Prompt::LockedOut(time) => return format!("There were too many wrong PINs. Call again in {}.", duration(*time)),
        Prompt::MessageCounts { new, urgent, old } => return counts(*new, *urgent, *old),
        Prompt::MessagesExpire { messages, days } => return expire(*messages, *days),
        Prompt::MessageNumber { number, of } => return format!("Message {number} of {of}."),
        Prompt::ReceivedAt { stamp, day } => return format!("Received {} at {}.", day_name(*day), time(stamp)),
        Prompt::MemberAdded(mailbox) => return format!("{} is on the list now.", name(mailbox)),
        Prompt::MemberRemoved(mailbox) => return format!("{} is no longer on the list.", name(mailbox)),
        Prompt::Receipt { .. }
        | Prompt::SentAt { .. }
        | Prompt::NotHeardBy(_)
        | Prompt::EndedFor { .. }
        | Prompt::SentCounts { .. }
        | Prompt::NotSentTo(_) => {
            return about_sent(prompt).unwrap_or_default();
        }
        Prompt::TakenBy(mailbox) => return format!("The message belongs to {}.", name(mailbox)),
        Prompt::Length(length) => return format!("It lasts {}.", duration(*length)),
        Prompt::Name(mailbox) | Prompt::Addressee(mailbox) => return format!("{}.", name(mailbox)),
        Prompt::AddresseeList { list, members } => {
            return format!("List {}, {}.", name(list), counted(*members, "mailbox", "mailboxes"));
        }
        Prompt::GreetingUntil(stamp) => {
            return format!("The greeting is used until {} at {}.", date(stamp.local().date_naive()), time(stamp));
        }
        Prompt::DefaultGreeting { mailbox, busy } => return default_greeting(mailbox, *busy),
        Prompt::RecordNow(kind) => return format!("Record {} after the tone, and then press pound.", recording(*kind)),
        Prompt::Menu(choices) => return menu(choices),
        Prompt::Greeting(kind) => return format!("[{kind} greeting]"),
        Prompt::From(_) => "From the caller.",
        Prompt::EnterPin => "Enter your PIN, and then press pound.",
        Prompt::WrongPin => "The PIN is wrong.",
        Prompt::NoPinSet => "This mailbox has no PIN, and stays closed until an administrator sets one.",
        Prompt::PinNotChecked => "The PIN cannot be checked at the moment. Call again later.",
        Prompt::MailboxNearlyFull => "Your mailbox is nearly full, and soon takes no more messages.",
        Prompt::NoMessages => "There are no messages of this kind.",
        Prompt::MessagesUnavailable => "The messages cannot be reached at the moment. Try again.",
        Prompt::Urgent => "Urgent.",
        Prompt::Private => "Private.",
        Prompt::EndOfMessages => "There are no more messages.",
        Prompt::Removed => "The message is removed.",
        Prompt::Restored => "The message is restored.",
        Prompt::Kept => "The message is kept.",
        Prompt::KeptAsNew => "The message is kept as new.",
        Prompt::ChangeFailed => "The mailbox could not be changed. Try again.",
        Prompt::MessageGone => "The message is not in the mailbox any more.",
        Prompt::CannotPassOn => "The message is private, and cannot be passed on.",
        Prompt::EnterMailbox => "Enter the number of the mailbox to send the message to, and then press pound.",
        Prompt::NoSuchMailbox => "No mailbox has this number.",
        Prompt::PrivacyNotHonoured => "The message is private, and cannot be sent to that system.",
        Prompt::NotLicensed => "There is no licence for messages to other systems.",
        Prompt::EnterOwnMailbox => "Enter the number of your mailbox, and then press pound.",
        Prompt::EnterNextMailbox => "Enter the number of another mailbox, and then press pound; or press only pound to go on.",
        Prompt::AddressesFull => "No more mailboxes can be added.",
        Prompt::CannotAnswer => "The sender has no mailbox, and cannot be answered.",
        Prompt::NoNumber => "The number of the sender is not known.",
        Prompt::NotConnected => "The call could not be connected.",
        Prompt::NotAvailable => "This function cannot be used here.",
        Prompt::Sent => "The message is sent.",
        Prompt::NotSent => "The message is not sent.",
        Prompt::NotRecorded => "Nothing can be recorded at the moment.",
        Prompt::EnterNewPin => "Enter a new PIN, and then press pound.",
        Prompt::RepeatNewPin => "Enter the new PIN once more, and then press pound.",
        Prompt::PinTooWeak => "This PIN is too easy to guess. Choose another one.",
        Prompt::PinsDiffer => "The two PINs are not the same.",
        Prompt::PinChanged => "The PIN is changed.",
        Prompt::PinNotChanged => "The PIN could not be changed.",
        Prompt::GreetingSaved => "The greeting is saved.",
        Prompt::GreetingNotSaved => "The greeting is not saved. Try again.",
        Prompt::NoGreeting => "No greeting of this kind is recorded.",
        Prompt::GreetingRemoved => "The greeting is removed.",
        Prompt::EnterDays => {
            "Enter for how many days the greeting is used, and then press pound; or press only pound for no end."
        }
        Prompt::NameSaved => "The name is saved.",
        Prompt::FirstUse => "Welcome to your mailbox. Your name, your greeting and your PIN are set up now.",
        Prompt::MailboxFull => "This mailbox is full, and no message can be left.",
        Prompt::TooShort => "The recording is too short.",
        Prompt::NoSpeech => "Nothing was heard in the recording.",
        Prompt::RecordingDiscarded => "The recording is discarded.",
        Prompt::MaxLengthReached => "The recording has reached its maximum length.",
        Prompt::MarkedUrgent => "The message is marked as urgent.",
        Prompt::MarkedNotUrgent => "The message is no longer marked as urgent.",
        Prompt::MarkedPrivate => "The message is marked as private.",
        Prompt::MarkedNotPrivate => "The message is no longer marked as private.",
        Prompt::ReceiptRequested => "You get a receipt when the message is heard.",
        Prompt::ReceiptNotRequested => "You get no receipt for the message.",
        Prompt::NoSentMessages => "You have sent no messages with a request for a receipt.",
        Prompt::EnterList => "Enter the number of a list, from 1 to 20, and then press pound.",
        Prompt::NoSuchList => "No list has this number.",
        Prompt::ListEmpty => "The list has no members.",
        Prompt::EnterNewMember => "Enter the number of the mailbox to add, and then press pound; or press only pound to go on.",
        Prompt::EnterOldMember => {
            "Enter the number of the mailbox to remove, and then press pound; or press only pound to go on."
        }
        Prompt::NotAMember => "This mailbox is not on the list.",
        Prompt::ListFull => "The list cannot have more members.",
        Prompt::ListTooLarge => "A list can have at most one thousand mailboxes, with those of the lists on it.",
        Prompt::ListDeleted => "The list is deleted.",
        Prompt::MessageIsYours => "The message is in your own mailbox now.",
        Prompt::NoRoomToTake => "Your own mailbox has no room for the message.",
        Prompt::NotUnderstood => "This key has no meaning here.",
        Prompt::Goodbye => "Goodbye.",
        Prompt::Play(_) => "[message]",
        Prompt::PlayRecording => "[recording]",
        Prompt::Tone => "[tone]",
        Prompt::LimitWarning => "[warning tone]",
    };
    fixed.to_owned()
}

fn counts(new: usize, urgent: usize, old: usize) -> String {
    let messages = |number, kind| counted(number, &format!("{kind} message"), &format!("{kind} messages"));
    let waiting = match (new, old) {
        (0, 0) => "You have no messages.".to_owned(),
        (new, 0) => format!("You have {}.", messages(new, "new")),
        (0, old) => format!("You have {}.", messages(old, "old")),
        (new, old) => format!("You have {}, and {}.", messages(new, "new"), messages(old, "old")),
    };
    match urgent {
        0 => waiting,
        1 => format!("{waiting} 1 of them is urgent."),
        urgent => format!("{waiting} {urgent} of them are urgent."),
    }
}

fn expire(messages: usize, days: u16) -> String {
    let messages = counted(messages, "message", "messages");
    format!("{messages} will be removed because of age, within {}.", counted(days.into(), "day", "days"))
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The number of a mailbox digit by digit, or its name with spaces for the signs.
fn name(mailbox: &MailboxId) -> String {
    if mailbox.is_number() {
        return by_digits(mailbox.as_str());
    }
    mailbox.as_str().replace(['.', '-', '_'], " ")
}

/// A telephone number with a space between its digits, so that it is not read as one large number.
fn by_digits(number: &str) -> String {
    let digits: Vec<String> = number.chars().map(|c| if c == '+' { "plus".to_owned() } else { c.to_string() }).collect();
    digits.join(" ")
}

fn from(caller: &Caller) -> String {
    match (&caller.name, &caller.number) {
        (Some(name), _) => format!("From {}.", name.as_str()),
        (None, Some(number)) => format!("From {}.", by_digits(number.as_str())),
        (None, None) => "From an unknown caller.".to_owned(),
    }
}

fn default_greeting(mailbox: &MailboxId, busy: bool) -> String {
    let why = if busy { "is on the phone" } else { "cannot answer" };
    format!("The owner of mailbox {} {why}. Leave a message after the tone.", name(mailbox))
}

fn recording(kind: RecordingKind) -> String {
    match kind {
        RecordingKind::Message => "your message".to_owned(),
        RecordingKind::Greeting(kind) => format!("your {}", kind_of_greeting(kind)),
        RecordingKind::Introduction => "an introduction".to_owned(),
        RecordingKind::Answer => "your answer".to_owned(),
    }
}

fn day_name(day: RelativeDay) -> String {
    match day {
        RelativeDay::Today => "today".to_owned(),
        RelativeDay::Yesterday => "yesterday".to_owned(),
        RelativeDay::Weekday(day) => format!("on {}", WEEKDAYS[day.num_days_from_monday() as usize % 7]),
        RelativeDay::Date(day) => format!("on {}", date(day)),
    }
}

fn date(date: NaiveDate) -> String {
    format!("{} {}", date.format("%A, %-d %B"), date.year())
}

fn time(stamp: &Stamp) -> String {
    stamp.local().format("%H:%M").to_string()
}

/// A length of time in hours, minutes and seconds, those that are not zero.
fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [(seconds / 3600, "hour"), (seconds / 60 % 60, "minute"), (seconds % 60, "second")];
    let said: Vec<String> = parts
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}{}", if number == 1 { "" } else { "s" }))
        .collect();
    if said.is_empty() { "0 seconds".to_owned() } else { said.join(" and ") }
}

/// The days, from Monday.
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
