//! The keys of Asterisk's voicemail.

use std::sync::LazyLock;

use super::super::function::Function;
use super::super::map::KeyMap;
use super::super::place::Place;
use super::Table;

impl KeyMap {
    /// Returns the keys of Asterisk's `VoiceMail` and `VoiceMailMain`.
    ///
    /// These differ from Asterisk, because it has no such function, or one key for two functions:
    ///
    /// - the review has `5` private, and an owner's `6` receipt;
    /// - the main menu has `1` new and `2` old messages in place of a choice of folders, and `4` removed messages;
    /// - `37` restores a removed message, where Asterisk has `7` again; `90` and `91` keep it as a new or an old one, which are
    ///   Asterisk's `9` and the number of the folder;
    /// - `11`, `12` and `13` are slower, normal speed and faster while a message plays;
    /// - `36` says what became of sent messages, and `37` leads to the private lists; `34` takes a message of a group;
    /// - `#` returns from a message to the main menu, where it leaves;
    /// - a greeting that was chosen is recorded by `1`, removed by `2` and heard by `3`, and `0` says the menus in which `*` goes
    ///   back.
    pub fn asterisk() -> Self {
        static MAP: LazyLock<KeyMap> = LazyLock::new(|| KeyMap::of_table(TABLE));
        MAP.clone()
    }
}

const TABLE: &Table = &[
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
            (Function::SentMessages, "36"),
            (Function::PrivateLists, "37"),
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
            (Function::TakeMessage, "34"),
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
    (
        Place::Sent,
        &[(Function::Previous, "4"), (Function::Again, "5"), (Function::Next, "6"), (Function::Back, "*"), (Function::Help, "0")],
    ),
    (
        Place::List,
        &[
            (Function::HearMembers, "1"),
            (Function::AddMember, "2"),
            (Function::RemoveMember, "3"),
            (Function::DeleteList, "99"),
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
            (Function::RequestReceipt, "6"),
            (Function::Discard, "*"),
            (Function::Help, "0"),
        ],
    ),
    (Place::Entry, &[(Function::EndEntry, "#"), (Function::CancelEntry, "*")]),
];
