//! The keys of the presets, as tables.

use super::function::Function;
use super::place::Place;

/// The functions of each place, with their keys; a space stands between two sequences for one function.
pub(super) type Preset = &'static [(Place, &'static [(Function, &'static str)])];

pub(super) const VOICEMAIL: Preset = &[
    (Place::Greeting, &[(Function::SkipGreeting, "#"), (Function::Operator, "0"), (Function::LogIn, "*")]),
    (Place::Recording, &[(Function::EndRecording, "#"), (Function::Operator, "0")]),
    (
        Place::Review,
        &[
            (Function::Send, "1 #"),
            (Function::Hear, "2"),
            (Function::RecordAgain, "3"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Operator, "0"),
        ],
    ),
    (Place::Login, &[(Function::EndEntry, "#"), (Function::OtherMailbox, "*")]),
    (
        Place::Main,
        &[
            (Function::NewMessages, "1"),
            (Function::OldMessages, "2"),
            (Function::RemovedMessages, "3"),
            (Function::Greetings, "4"),
            (Function::ChangePin, "5"),
            (Function::Compose, "6"),
            (Function::RecordName, "7"),
            (Function::Leave, "*"),
            (Function::Help, "0"),
        ],
    ),
    (
        Place::Playing,
        &[
            (Function::FromStart, "1"),
            (Function::Rewind, "7"),
            (Function::Pause, "8"),
            (Function::Forward, "9"),
            (Function::Slower, "54"),
            (Function::NormalSpeed, "55"),
            (Function::Faster, "56"),
        ],
    ),
    (
        Place::Played,
        &[
            (Function::Again, "1"),
            (Function::Keep, "2"),
            (Function::Remove, "3"),
            (Function::Previous, "4"),
            (Function::Envelope, "5"),
            (Function::Next, "6 #"),
            (Function::KeepAsNew, "72"),
            (Function::Restore, "73"),
            (Function::CallBack, "79"),
            (Function::PassOn, "8"),
            (Function::Answer, "9"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
    ),
    (
        Place::Greetings,
        &[
            (Function::NormalGreeting, "1"),
            (Function::BusyGreeting, "2"),
            (Function::TemporaryGreeting, "3"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
    ),
    (
        Place::OneGreeting,
        &[
            (Function::HearGreeting, "1"),
            (Function::RecordGreeting, "2"),
            (Function::RemoveGreeting, "3"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
    ),
    (Place::OwnerRecording, &[(Function::EndRecording, "#")]),
    (
        Place::OwnerReview,
        &[
            (Function::Accept, "1 #"),
            (Function::Hear, "2"),
            (Function::RecordAgain, "3"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Discard, "*"),
            (Function::Help, "0"),
        ],
    ),
    (Place::Entry, &[(Function::EndEntry, "#"), (Function::CancelEntry, "*")]),
];

pub(super) const ASTERISK: Preset = &[
    (Place::Greeting, &[(Function::SkipGreeting, "#"), (Function::Operator, "0"), (Function::LogIn, "*")]),
    (Place::Recording, &[(Function::EndRecording, "#"), (Function::Operator, "0")]),
    (
        Place::Review,
        &[
            (Function::Send, "1"),
            (Function::Hear, "2"),
            (Function::RecordAgain, "3"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Operator, "0"),
        ],
    ),
    (Place::Login, &[(Function::EndEntry, "#"), (Function::OtherMailbox, "*")]),
    (
        Place::Main,
        &[
            (Function::NewMessages, "1"),
            (Function::OldMessages, "2"),
            (Function::Compose, "35"),
            (Function::RemovedMessages, "4"),
            (Function::Greetings, "0"),
            (Function::Leave, "#"),
            (Function::Help, "*"),
        ],
    ),
    (
        Place::Playing,
        &[
            (Function::Rewind, "*"),
            (Function::Pause, "0"),
            (Function::Forward, "#"),
            (Function::FromStart, "2"),
            (Function::Slower, "11"),
            (Function::NormalSpeed, "12"),
            (Function::Faster, "13"),
        ],
    ),
    (
        Place::Played,
        &[
            (Function::KeepAsNew, "90"),
            (Function::Keep, "91"),
            (Function::Answer, "31"),
            (Function::CallBack, "32"),
            (Function::Envelope, "33"),
            (Function::Restore, "37"),
            (Function::Previous, "4"),
            (Function::Again, "5"),
            (Function::Next, "6"),
            (Function::Remove, "7"),
            (Function::PassOn, "8"),
            (Function::Back, "#"),
            (Function::Help, "*"),
        ],
    ),
    (
        Place::Greetings,
        &[
            (Function::NormalGreeting, "1"),
            (Function::BusyGreeting, "2"),
            (Function::RecordName, "3"),
            (Function::TemporaryGreeting, "4"),
            (Function::ChangePin, "5"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
    ),
    (
        Place::OneGreeting,
        &[
            (Function::RecordGreeting, "1"),
            (Function::RemoveGreeting, "2"),
            (Function::HearGreeting, "3"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
    ),
    (Place::OwnerRecording, &[(Function::EndRecording, "#")]),
    (
        Place::OwnerReview,
        &[
            (Function::Accept, "1"),
            (Function::Hear, "2"),
            (Function::RecordAgain, "3"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Discard, "*"),
            (Function::Help, "0"),
        ],
    ),
    (Place::Entry, &[(Function::EndEntry, "#"), (Function::CancelEntry, "*")]),
];

pub(super) const INTUITY: Preset = &[
    (Place::Greeting, &[(Function::SkipGreeting, "1"), (Function::Operator, "0 *0"), (Function::LogIn, "*7")]),
    (Place::Recording, &[(Function::EndRecording, "#"), (Function::Operator, "0 *0")]),
    (
        Place::Review,
        &[
            (Function::Send, "#"),
            (Function::Hear, "23"),
            (Function::RecordAgain, "1"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Operator, "0 *0"),
        ],
    ),
    (Place::Login, &[(Function::EndEntry, "#"), (Function::OtherMailbox, "*")]),
    (
        Place::Main,
        &[
            (Function::NewMessages, "2"),
            (Function::OldMessages, "8"),
            (Function::RemovedMessages, "9"),
            (Function::Compose, "1"),
            (Function::Greetings, "3"),
            (Function::ChangePin, "54"),
            (Function::RecordName, "55"),
            (Function::Leave, "**9"),
            (Function::Help, "*4"),
        ],
    ),
    (
        Place::Playing,
        &[
            (Function::Rewind, "5"),
            (Function::Pause, "3"),
            (Function::Forward, "6"),
            (Function::FromStart, "*5"),
            (Function::Slower, "8"),
            (Function::Faster, "9"),
            (Function::NormalSpeed, "*8"),
        ],
    ),
    (
        Place::Played,
        &[
            (Function::Again, "0"),
            (Function::Keep, "7"),
            (Function::KeepAsNew, "**4"),
            (Function::Remove, "*3"),
            (Function::Restore, "**8"),
            (Function::Previous, "*2"),
            (Function::Next, "#"),
            (Function::Envelope, "23"),
            (Function::CallBack, "10"),
            (Function::Answer, "11"),
            (Function::PassOn, "12"),
            (Function::Back, "*7"),
            (Function::Help, "*4"),
        ],
    ),
    (
        Place::Greetings,
        &[
            (Function::NormalGreeting, "1"),
            (Function::BusyGreeting, "2"),
            (Function::TemporaryGreeting, "3"),
            (Function::Back, "*7"),
            (Function::Help, "*4"),
        ],
    ),
    (
        Place::OneGreeting,
        &[
            (Function::HearGreeting, "0"),
            (Function::RecordGreeting, "1"),
            (Function::RemoveGreeting, "*3"),
            (Function::Back, "*7"),
            (Function::Help, "*4"),
        ],
    ),
    (Place::OwnerRecording, &[(Function::EndRecording, "#")]),
    (
        Place::OwnerReview,
        &[
            (Function::Accept, "#"),
            (Function::Hear, "23"),
            (Function::RecordAgain, "1"),
            (Function::Urgent, "4"),
            (Function::Private, "5"),
            (Function::Discard, "*3"),
            (Function::Help, "*4"),
        ],
    ),
    (Place::Entry, &[(Function::EndEntry, "#"), (Function::CancelEntry, "*")]),
];
