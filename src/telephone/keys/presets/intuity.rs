//! The keys of Avaya's voicemail in Intuity mode.

use std::sync::LazyLock;

use super::super::function::Function;
use super::super::map::KeyMap;
use super::super::place::Place;
use super::Table;

impl KeyMap {
    /// Returns the keys of Avaya's voicemail in Intuity mode.
    ///
    /// These differ from the original, because it has no such function, or the key is not certain:
    ///
    /// - a caller's review has `4` urgent and `5` private, and an owner's `6` receipt too;
    /// - the main menu has `2` new messages only, `8` old and `9` removed ones;
    /// - `*5` alone plays a message from its start, because `2` is the beginning of `23`; `*8` is the normal speed;
    /// - `10`, `11` and `12` call back, answer and pass on, and `13` takes a message of a group;
    /// - a private list has `0` hear the members, `1` add, `2` remove, `*3` delete;
    /// - the greetings are chosen by `1` normal, `2` busy and `3` temporary; then `0` hears, `1` records, `*3` removes;
    /// - `*7` goes back to the menu before.
    pub fn intuity() -> Self {
        static MAP: LazyLock<KeyMap> = LazyLock::new(|| KeyMap::of_table(TABLE));
        MAP.clone()
    }
}

const TABLE: &Table = &[
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
            (Function::SentMessages, "4"),
            (Function::PrivateLists, "51"),
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
            (Function::TakeMessage, "13"),
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
    (
        Place::Sent,
        &[
            (Function::Again, "0"),
            (Function::Previous, "*2"),
            (Function::Next, "#"),
            (Function::Back, "*7"),
            (Function::Help, "*4"),
        ],
    ),
    (
        Place::List,
        &[
            (Function::HearMembers, "0"),
            (Function::AddMember, "1"),
            (Function::RemoveMember, "2"),
            (Function::DeleteList, "*3"),
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
            (Function::RequestReceipt, "6"),
            (Function::Discard, "*3"),
            (Function::Help, "*4"),
        ],
    ),
    (Place::Entry, &[(Function::EndEntry, "#"), (Function::CancelEntry, "*")]),
];
