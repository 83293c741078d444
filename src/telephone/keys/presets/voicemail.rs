//! The keys of this crate.

use std::sync::LazyLock;

use super::super::function::Function;
use super::super::map::KeyMap;
use super::super::place::Place;
use super::Table;

impl KeyMap {
    /// Returns the keys of this crate.
    ///
    /// | place | keys |
    /// |---|---|
    /// | greeting | `#` skip, `0` operator, `*` log in |
    /// | recording | `#` end, `0` operator |
    /// | review | `1` or `#` send, `2` hear, `3` record again, `4` urgent, `5` private, `0` operator |
    /// | log in | `#` end, `*` clear, or another mailbox |
    /// | main | `1` new, `2` old, `3` removed, `4` greetings, `5` PIN, `6` compose, `7` name, `8` sent messages, `9` private lists, `*` leave |
    /// | playing | `1` from start, `7` rewind, `8` pause, `9` forward, `54` slower, `55` normal speed, `56` faster |
    /// | played | `1` again, `2` keep, `3` remove, `4` previous, `5` envelope, `6` or `#` next, `72` keep as new, `71` take a message of a group, `73` restore, `79` call back, `8` pass on, `9` answer, `*` back |
    /// | greetings | `1` normal, `2` busy, `3` temporary; then `1` hear, `2` record, `3` remove; `*` back |
    /// | sent messages | `1` again, `4` previous, `6` or `#` next, `*` back |
    /// | private list | `1` hear the members, `2` add, `3` remove, `99` delete the list, `*` back |
    /// | own recording | `#` end; then `1` or `#` accept, `2` hear, `3` record again, `4` urgent, `5` private, `6` receipt, `*` discard |
    /// | entry | `#` end, `*` cancel |
    ///
    /// `0` says the menu to owners, everywhere but where digits are entered or recorded.
    ///
    /// While a message plays, the lowest row of numbers moves in it, as Cisco Unity has it, and `5` begins the speeds; keep, remove,
    /// previous, next, back and help stay as they are after it. `7` begins what is the opposite or the other form of another
    /// key: `72` keeps as `2` does, but as new, `71` makes a group's message the caller's own, `73` undoes `3`, and `79` answers by a call in place of a message.
    pub fn voicemail() -> Self {
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
            (Function::SentMessages, "8"),
            (Function::PrivateLists, "9"),
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
            (Function::TakeMessage, "71"),
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
    (
        Place::Sent,
        &[
            (Function::Again, "1"),
            (Function::Previous, "4"),
            (Function::Next, "6 #"),
            (Function::Back, "*"),
            (Function::Help, "0"),
        ],
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
            (Function::Accept, "1 #"),
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
