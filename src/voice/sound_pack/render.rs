//! [`phrases`]: a prompt as the files that say it.

use std::time::Duration;

use super::super::Names;
use super::super::grammar::{File, Gender, Grammar, digits, spelled};
use super::menu;
use super::phrase::{Phrase, Word};
use super::sentences::{prompts, sentence};
use crate::greeting::GreetingKind;
use crate::message::{Caller, DeliveryFailure, Disposition, MailboxId, RelativeDay, Stamp};
use crate::telephone::{Prompt, RecordingKind};

/// Returns the phrases of a prompt, in order; none for a sound.
pub(super) fn phrases(prompt: &Prompt, names: &Names, grammar: &dyn Grammar) -> Vec<Phrase> {
    if let Some(sentence) = sentence(prompt) {
        let asterisk = sentence.asterisk.iter().map(|files| files.to_vec());
        return vec![Phrase::needed([vec![sentence.own]].into_iter().chain(asterisk).map(Phrase::words))];
    }
    let needed = |choices: Vec<Vec<File>>| vec![Phrase::needed(choices.into_iter().map(Phrase::words))];
    match prompt {
        Prompt::LockedOut(time) => needed(vec![
            [vec!["voicemail/locked-out"], grammar.duration(*time)].concat(),
            vec!["vm-incorrect", "please-try-call-later"],
            vec!["vm-incorrect"],
        ]),
        Prompt::MessageCounts { new, urgent, old } => {
            let mut counts = needed(vec![grammar.message_counts(*new, *old)]);
            counts.extend(
                grammar.urgent_messages(*urgent).filter(|_| *urgent > 0).map(|files| Phrase::optional([Phrase::words(files)])),
            );
            counts
        }
        // Each number stands by itself after a recorded text that ends in a colon, which is right in every language.
        Prompt::MessagesExpire { messages, days } => {
            let number = |file, number| [vec![file], grammar.count(number, Gender::Alone)].concat();
            needed(vec![
                [number("voicemail/messages-expire", *messages), number("voicemail/within-days", usize::from(*days))].concat(),
            ])
        }
        Prompt::NoMessages => needed(vec![vec!["voicemail/no-messages"], grammar.no_messages()]),
        Prompt::MessageNumber { number, of } => {
            let by_number = [vec!["vm-message"], grammar.count(*number, Gender::Alone)].concat();
            match number {
                1 => needed(vec![vec!["vm-first", "vm-message"], by_number]),
                number if number == of => needed(vec![vec!["vm-last", "vm-message"], by_number]),
                _ => needed(vec![by_number]),
            }
        }
        Prompt::ReceivedAt { stamp, day } => needed(vec![[vec!["vm-received"], moment(stamp, *day, grammar)].concat()]),
        Prompt::Receipt { disposition, mailbox, recorded, recorded_day, at, at_day } => {
            let message = [
                after("voicemail/your-message-to", name(mailbox, names)),
                Phrase::words(moment(recorded, *recorded_day, grammar)),
            ];
            let outcome = Phrase::words(outcome(*disposition, moment(at, *at_day, grammar)));
            // A pack without our files says from whom the receipt is, and when it came.
            let sender = Caller::new(mailbox.as_str().parse().ok(), None);
            let from = from(&sender).into_iter().filter_map(|phrase| phrase.choices.into_iter().next()).flatten().collect();
            let received = Phrase::words([vec!["vm-received"], moment(at, *at_day, grammar)].concat());
            let whole = [message.concat(), outcome].concat();
            match disposition {
                // Asterisk's files say nothing that is true of a message which did not arrive.
                Disposition::NotDelivered(_) => vec![Phrase::needed([whole])],
                Disposition::Played | Disposition::RemovedUnheard | Disposition::Expired => {
                    vec![Phrase::needed([whole, [from, received].concat()])]
                }
            }
        }
        Prompt::SentAt { stamp, day } => {
            needed(vec![[vec!["voicemail/sent-at"], moment(stamp, *day, grammar)].concat(), moment(stamp, *day, grammar)])
        }
        Prompt::NotHeardBy(mailbox) => vec![Phrase::needed([after("voicemail/not-heard-by", name(mailbox, names))])],
        Prompt::EndedFor { mailbox, disposition, at, day } => {
            let outcome = Phrase::words(outcome(*disposition, moment(at, *day, grammar)));
            vec![Phrase::needed([[after("voicemail/to", name(mailbox, names)), outcome].concat()])]
        }
        Prompt::SentCounts { heard, unheard, removed, not_sent } => {
            let counts = [heard, unheard, removed, not_sent].into_iter().zip(SENT_COUNTS);
            let count = |(number, file): (&usize, File)| {
                Phrase::needed([Phrase::words([vec![file], grammar.count(*number, Gender::Alone)].concat())])
            };
            counts.filter(|(number, _)| **number > 0).map(count).collect()
        }
        Prompt::MemberAdded(mailbox) => vec![Phrase::needed([after("voicemail/member-added", name(mailbox, names))])],
        Prompt::MemberRemoved(mailbox) => vec![Phrase::needed([after("voicemail/member-removed", name(mailbox, names))])],
        Prompt::TakenBy(mailbox) => vec![Phrase::needed([after("voicemail/taken-by", name(mailbox, names))])],
        Prompt::From(caller) => from(caller),
        Prompt::Length(length) => needed(vec![[vec!["vm-duration"], grammar.duration(*length)].concat()]),
        Prompt::Name(mailbox) | Prompt::Addressee(mailbox) => vec![Phrase::needed([name(mailbox, names)])],
        Prompt::AddresseeList { list, members } => vec![
            Phrase::needed([after("voicemail/list", name(list, names)), name(list, names)]),
            Phrase::optional([Phrase::words([grammar.count(*members, Gender::Alone), vec!["voicemail/members"]].concat())]),
        ],
        Prompt::NotSentTo(mailbox) => vec![Phrase::needed([after("voicemail/not-sent-to", name(mailbox, names))])],
        Prompt::GreetingUntil(stamp) => {
            let day = RelativeDay::Date(stamp.local().date_naive());
            needed(vec![[vec!["voicemail/greeting-until"], moment(stamp, day, grammar)].concat()])
        }
        Prompt::DefaultGreeting { mailbox, busy } => default_greeting(mailbox, *busy, names),
        Prompt::RecordNow(kind) => needed(record_now(*kind).into_iter().map(|file| vec![file]).collect()),
        Prompt::Menu(menu) => menu::lines(menu, grammar).into_iter().map(|line| line.phrase).collect(),
        _ => Vec::new(), // sounds
    }
}

/// Returns every file that any prompt can ask for, with this grammar.
pub(super) fn all_files(grammar: &dyn Grammar) -> impl Iterator<Item = File> {
    let sentences = prompts().into_iter().filter_map(|prompt| sentence(&prompt));
    let of_sentences = sentences.flat_map(|sentence| sentence.asterisk.concat().into_iter().chain([sentence.own]));
    let of_recordings = RECORDINGS.into_iter().flat_map(record_now);
    of_sentences.chain(of_recordings).chain(menu::files()).chain(OTHERS.iter().copied()).chain(grammar.all_files())
}

/// Prompts that together have every part which a pack may lack: each sentence once, and values of every kind.
pub(super) fn samples() -> Vec<Prompt> {
    let mailbox: MailboxId = "2041".parse().expect("this is a number");
    let noon = Stamp::new("2026-01-01T12:30:00Z".parse().expect("this is a moment"), chrono_tz::UTC);
    let day = RelativeDay::Date(noon.local().date_naive());
    let number = "+15551234".parse().ok();
    let receipt = |disposition| Prompt::Receipt {
        disposition,
        mailbox: mailbox.clone(),
        recorded: noon,
        recorded_day: day,
        at: noon,
        at_day: day,
    };
    let with_values = [
        Prompt::LockedOut(Duration::from_secs(125)),
        Prompt::MessageCounts { new: 21, urgent: 1, old: 1 },
        Prompt::MessageCounts { new: 0, urgent: 0, old: 0 },
        Prompt::MessagesExpire { messages: 4, days: 3 },
        Prompt::NoMessages,
        Prompt::MessageNumber { number: 2, of: 3 },
        Prompt::ReceivedAt { stamp: noon, day },
        Prompt::From(Caller::new(None, None)),
        Prompt::From(Caller::new(number, None)),
        Prompt::Length(Duration::from_secs(125)),
        Prompt::Name(mailbox.clone()),
        Prompt::AddresseeList { list: mailbox.clone(), members: 2 },
        Prompt::NotSentTo(mailbox.clone()),
        Prompt::GreetingUntil(noon),
        Prompt::DefaultGreeting { mailbox: mailbox.clone(), busy: false },
        Prompt::SentAt { stamp: noon, day },
        Prompt::NotHeardBy(mailbox.clone()),
        Prompt::EndedFor { mailbox: mailbox.clone(), disposition: Disposition::Played, at: noon, day },
        Prompt::SentCounts { heard: 1, unheard: 2, removed: 3, not_sent: 4 },
        Prompt::MemberAdded(mailbox.clone()),
        Prompt::MemberRemoved(mailbox.clone()),
        Prompt::TakenBy(mailbox.clone()),
        Prompt::DefaultGreeting { mailbox: mailbox.clone(), busy: true },
    ];
    let receipts = Disposition::ALL.map(receipt);
    prompts().into_iter().chain(with_values).chain(receipts).chain(RECORDINGS.map(Prompt::RecordNow)).collect()
}

/// Says a day and a time of day.
fn moment(stamp: &Stamp, day: RelativeDay, grammar: &dyn Grammar) -> Vec<File> {
    [grammar.day(day), grammar.clock(stamp.local().time())].concat()
}

/// Our own file for what became of a message.
fn receipt(disposition: Disposition) -> File {
    match disposition {
        Disposition::Played => "voicemail/was-heard",
        Disposition::RemovedUnheard => "voicemail/was-removed-unheard",
        Disposition::Expired => "voicemail/was-never-heard",
        Disposition::NotDelivered(_) => "voicemail/was-not-delivered",
    }
}

/// Our own file for the reason why a message could not be delivered.
fn reason(failure: DeliveryFailure) -> File {
    match failure {
        DeliveryFailure::NoSuchMailbox => "voicemail/because-no-such-mailbox",
        DeliveryFailure::MailboxFull => "voicemail/because-mailbox-full",
        DeliveryFailure::TooLong => "voicemail/because-too-long",
        DeliveryFailure::NotReached => "voicemail/because-not-reached",
        DeliveryFailure::Refused => "voicemail/because-refused",
    }
}

/// Says what became of a message, when, and why it could not be delivered.
fn outcome(disposition: Disposition, at: Vec<File>) -> Vec<File> {
    let reason = match disposition {
        Disposition::NotDelivered(failure) => vec![reason(failure)],
        Disposition::Played | Disposition::RemovedUnheard | Disposition::Expired => Vec::new(),
    };
    [vec![receipt(disposition)], at, reason].concat()
}

/// Says who has called. A caller of whom only the name is known is not said: a pack has no words for it.
fn from(caller: &Caller) -> Vec<Phrase> {
    match (&caller.number, &caller.name) {
        (Some(number), _) => {
            vec![Phrase::needed([Phrase::words([vec!["vm-from-phonenumber"], digits(number.as_str())].concat())])]
        }
        (None, Some(_)) => Vec::new(),
        (None, None) => vec![Phrase::needed([Phrase::words(vec!["vm-unknown-caller"])])],
    }
}

/// Says the owner's recorded name, or else the number of the mailbox digit by digit; a mailbox with a name is spelled.
fn name(mailbox: &MailboxId, names: &Names) -> Vec<Word> {
    match names.get(mailbox) {
        Some(name) => vec![Word::Name(name.clone())],
        None if mailbox.is_number() => Phrase::words(digits(mailbox.as_str())),
        None => Phrase::words(spelled(mailbox.as_str())),
    }
}

fn after(file: File, words: Vec<Word>) -> Vec<Word> {
    [vec![Word::File(file)], words].concat()
}

fn default_greeting(mailbox: &MailboxId, busy: bool, names: &Names) -> Vec<Phrase> {
    let why = Phrase::words(vec![if busy { "vm-isonphone" } else { "vm-isunavail" }, "vm-intro"]);
    let nobody = Phrase::words(vec!["vm-nobodyavail", "vm-intro"]);
    let choices = if names.get(mailbox).is_some() {
        vec![[name(mailbox, names), why].concat(), nobody]
    } else if mailbox.is_number() {
        vec![[after("vm-theperson", name(mailbox, names)), why].concat(), nobody]
    } else {
        vec![nobody]
    };
    vec![Phrase::needed(choices)]
}

/// Our own file for what is recorded, and Asterisk's.
fn record_now(kind: RecordingKind) -> [File; 2] {
    match kind {
        RecordingKind::Message => ["voicemail/record-message", "vm-intro"],
        RecordingKind::Answer => ["voicemail/record-answer", "vm-intro"],
        RecordingKind::Introduction => ["voicemail/record-introduction", "vm-record-prepend"],
        RecordingKind::Greeting(GreetingKind::Normal) => ["voicemail/record-normal-greeting", "vm-rec-unv"],
        RecordingKind::Greeting(GreetingKind::Busy) => ["voicemail/record-busy-greeting", "vm-rec-busy"],
        RecordingKind::Greeting(GreetingKind::Temporary) => ["voicemail/record-temporary-greeting", "vm-rec-temp"],
        RecordingKind::Greeting(GreetingKind::Name) => ["voicemail/record-name", "vm-rec-name"],
    }
}

const RECORDINGS: [RecordingKind; 7] = [
    RecordingKind::Message,
    RecordingKind::Answer,
    RecordingKind::Introduction,
    RecordingKind::Greeting(GreetingKind::Normal),
    RecordingKind::Greeting(GreetingKind::Busy),
    RecordingKind::Greeting(GreetingKind::Temporary),
    RecordingKind::Greeting(GreetingKind::Name),
];

/// Our own file before the number of mailboxes with each state.
const SENT_COUNTS: [File; 4] =
    ["voicemail/heard-by", "voicemail/unheard-by", "voicemail/removed-unheard-by", "voicemail/not-sent-to-so-many"];

/// The files of prompts with values in them, beside those of the grammars.
const OTHERS: &[File] = &[
    "voicemail/locked-out",
    "voicemail/messages-expire",
    "voicemail/within-days",
    "voicemail/no-messages",
    "voicemail/list",
    "voicemail/members",
    "voicemail/not-sent-to",
    "voicemail/greeting-until",
    "voicemail/your-message-to",
    "voicemail/sent-at",
    "voicemail/not-heard-by",
    "voicemail/to",
    "voicemail/heard-by",
    "voicemail/unheard-by",
    "voicemail/removed-unheard-by",
    "voicemail/not-sent-to-so-many",
    "voicemail/member-added",
    "voicemail/member-removed",
    "voicemail/taken-by",
    "voicemail/was-heard",
    "voicemail/was-removed-unheard",
    "voicemail/was-never-heard",
    "voicemail/was-not-delivered",
    "voicemail/because-no-such-mailbox",
    "voicemail/because-mailbox-full",
    "voicemail/because-too-long",
    "voicemail/because-not-reached",
    "voicemail/because-refused",
    "vm-incorrect",
    "please-try-call-later",
    "vm-first",
    "vm-last",
    "vm-message",
    "vm-received",
    "vm-from-phonenumber",
    "vm-unknown-caller",
    "vm-duration",
    "vm-theperson",
    "vm-isunavail",
    "vm-isonphone",
    "vm-nobodyavail",
    "vm-intro",
];
