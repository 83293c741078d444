//! The lines of a menu as files: only sentences that are true for its keys.

use super::super::grammar::{Age, File, Files, Grammar};
use super::phrase::Phrase;
use crate::telephone::{Digit, Function, Menu, MenuItem, Place};

/// One or several lines of a menu that are said together.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) items: Vec<MenuItem>,
    pub(super) phrase: Phrase,
}

/// Returns the lines of a menu, in its order. A line that the pack cannot say is left out by itself.
pub(super) fn lines(menu: &Menu, grammar: &dyn Grammar) -> Vec<Line> {
    let mut rest = menu.items.clone();
    let mut lines = Vec::new();
    while let Some(first) = rest.first().copied() {
        let together = Fixed::find(menu.place, first, &rest);
        let items: Vec<MenuItem> =
            rest.iter().copied().filter(|item| together.map_or(*item == first, |fixed| fixed.says(item))).collect();
        rest.retain(|item| !items.contains(item));
        let mut choices = Vec::new();
        match together {
            Some(fixed) if items.len() > 1 => {
                choices.push(fixed.files.to_vec());
                choices.push(items.iter().flat_map(|item| by_own_file(*item)).collect());
            }
            Some(fixed) => choices.extend([by_own_file(first), fixed.files.to_vec()]),
            None => choices.push(by_own_file(first)),
        }
        if items.len() == 1 {
            choices.extend(by_noun(first, grammar));
        }
        lines.push(Line { items, phrase: Phrase::optional(choices.into_iter().map(Phrase::words)) });
    }
    lines
}

/// A sentence of Asterisk's packs that names its keys itself: true only where all its functions have just these keys.
#[derive(Debug)]
struct Fixed {
    /// The places for which the sentence is true; none means all.
    places: &'static [Place],
    keys: &'static [(Function, Digit)],
    files: &'static [File],
}

impl Fixed {
    /// Returns the sentence that says `first` and, if it says more, only lines that `items` has too.
    fn find(place: Place, first: MenuItem, items: &[MenuItem]) -> Option<&'static Self> {
        let is_in_menu = |key: &(Function, Digit)| items.iter().any(|item| has(item, *key));
        FIXED.iter().find(|fixed| {
            let is_place = fixed.places.is_empty() || fixed.places.contains(&place);
            is_place && fixed.says(&first) && fixed.keys.iter().all(is_in_menu)
        })
    }

    fn says(&self, item: &MenuItem) -> bool {
        self.keys.iter().any(|key| has(item, *key))
    }
}

fn has(item: &MenuItem, (function, key): (Function, Digit)) -> bool {
    item.function == function && item.keys.as_slice() == [key]
}

/// Says a line with our own file: "To keep the message", "press", "2".
fn by_own_file(item: MenuItem) -> Files {
    [vec![own_file(item.function), "vm-press"], keys(item)].concat()
}

/// Says a line with a noun, if Asterisk's packs have one: "press", "2", "for", "old messages".
fn by_noun(item: MenuItem, grammar: &dyn Grammar) -> Option<Files> {
    let noun = match item.function {
        Function::NewMessages => grammar.messages(Age::New),
        Function::OldMessages => grammar.messages(Age::Old),
        Function::ChangePin => vec!["vm-password"],
        Function::Urgent => vec!["vm-Urgent"],
        _ => return None,
    };
    Some([vec!["vm-press"], keys(item), vec!["vm-for"], noun].concat())
}

/// The names of the keys, in the order in which they are pressed.
fn keys(item: MenuItem) -> Files {
    item.keys.as_slice().iter().map(|key| key_file(*key)).collect()
}

fn key_file(key: Digit) -> File {
    match key {
        Digit::Zero => "digits/0",
        Digit::One => "digits/1",
        Digit::Two => "digits/2",
        Digit::Three => "digits/3",
        Digit::Four => "digits/4",
        Digit::Five => "digits/5",
        Digit::Six => "digits/6",
        Digit::Seven => "digits/7",
        Digit::Eight => "digits/8",
        Digit::Nine => "digits/9",
        Digit::Star => "digits/star",
        Digit::Pound => "digits/pound",
    }
}

/// Returns every file that a menu can ask for, beside those of numbers.
pub(super) fn files() -> impl Iterator<Item = File> {
    let fixed = FIXED.iter().flat_map(|fixed| fixed.files).copied();
    fixed.chain(Function::ALL.into_iter().map(own_file)).chain(["vm-press", "vm-for", "vm-password", "vm-Urgent"])
}

/// The sentences that name their keys, as Asterisk's packs speak them; a sentence for several lines comes before those for one of them.
const FIXED: &[Fixed] = &[
    Fixed {
        places: &[Place::Review],
        keys: &[(Function::Send, Digit::One), (Function::Hear, Digit::Two), (Function::RecordAgain, Digit::Three)],
        files: &["vm-review"],
    },
    Fixed {
        places: &[Place::OwnerReview],
        keys: &[(Function::Accept, Digit::One), (Function::Hear, Digit::Two), (Function::RecordAgain, Digit::Three)],
        files: &["vm-review"],
    },
    Fixed {
        places: &[Place::Main],
        keys: &[(Function::Help, Digit::Star), (Function::Leave, Digit::Pound)],
        files: &["vm-helpexit"],
    },
    Fixed { places: &[], keys: &[(Function::RecordAgain, Digit::Three)], files: &["vm-torerecord"] },
    Fixed { places: &[], keys: &[(Function::Operator, Digit::Zero)], files: &["vm-reachoper"] },
    Fixed { places: &[], keys: &[(Function::Discard, Digit::Star)], files: &["vm-star-cancel"] },
    Fixed { places: &[], keys: &[(Function::CancelEntry, Digit::Star)], files: &["vm-star-cancel"] },
    Fixed { places: &[], keys: &[(Function::Previous, Digit::Four)], files: &["vm-prev"] },
    Fixed { places: &[], keys: &[(Function::Next, Digit::Six)], files: &["vm-next"] },
    Fixed { places: &[], keys: &[(Function::Restore, Digit::Seven)], files: &["vm-undelete"] },
    Fixed { places: &[], keys: &[(Function::Remove, Digit::Seven)], files: &["vm-delete"] },
    Fixed { places: &[], keys: &[(Function::PassOn, Digit::Eight)], files: &["vm-toforward"] },
    Fixed { places: &[], keys: &[(Function::Again, Digit::Five)], files: &["vm-repeat"] },
    Fixed { places: &[], keys: &[(Function::Envelope, Digit::Three)], files: &["vm-tohearenv"] },
    Fixed { places: &[], keys: &[(Function::Answer, Digit::One)], files: &["vm-toreply"] },
    Fixed { places: &[], keys: &[(Function::CallBack, Digit::Two)], files: &["vm-tocallback"] },
    // From these places, and no others, the way back leads to the main menu.
    Fixed {
        places: &[Place::Playing, Place::Played, Place::Greetings, Place::Sent],
        keys: &[(Function::Back, Digit::Star)],
        files: &["vm-starmain"],
    },
];

/// Our own file for a function, which says its purpose as the beginning of a sentence: "To keep the message".
fn own_file(function: Function) -> File {
    match function {
        Function::SkipGreeting => "voicemail/to-skip-greeting",
        Function::Operator => "voicemail/to-operator",
        Function::LogIn => "voicemail/to-log-in",
        Function::EndRecording => "voicemail/to-end-recording",
        Function::Send => "voicemail/to-send",
        Function::Hear => "voicemail/to-hear",
        Function::RecordAgain => "voicemail/to-record-again",
        Function::Urgent => "voicemail/to-urgent",
        Function::Private => "voicemail/to-private",
        Function::RequestReceipt => "voicemail/to-request-receipt",
        Function::NewMessages => "voicemail/to-new-messages",
        Function::OldMessages => "voicemail/to-old-messages",
        Function::RemovedMessages => "voicemail/to-removed-messages",
        Function::Compose => "voicemail/to-compose",
        Function::SentMessages => "voicemail/to-sent-messages",
        Function::PrivateLists => "voicemail/to-private-lists",
        Function::Greetings => "voicemail/to-greetings",
        Function::RecordName => "voicemail/to-record-name",
        Function::ChangePin => "voicemail/to-change-pin",
        Function::Leave => "voicemail/to-leave",
        Function::Help => "voicemail/to-help",
        Function::Rewind => "voicemail/to-rewind",
        Function::Pause => "voicemail/to-pause",
        Function::Forward => "voicemail/to-forward",
        Function::FromStart => "voicemail/to-from-start",
        Function::Slower => "voicemail/to-slower",
        Function::Faster => "voicemail/to-faster",
        Function::NormalSpeed => "voicemail/to-normal-speed",
        Function::Again => "voicemail/to-again",
        Function::Keep => "voicemail/to-keep",
        Function::KeepAsNew => "voicemail/to-keep-as-new",
        Function::Remove => "voicemail/to-remove",
        Function::Restore => "voicemail/to-restore",
        Function::Previous => "voicemail/to-previous",
        Function::Next => "voicemail/to-next",
        Function::Envelope => "voicemail/to-envelope",
        Function::PassOn => "voicemail/to-pass-on",
        Function::Answer => "voicemail/to-answer",
        Function::CallBack => "voicemail/to-call-back",
        Function::TakeMessage => "voicemail/to-take-message",
        Function::Back => "voicemail/to-back",
        Function::NormalGreeting => "voicemail/to-normal-greeting",
        Function::BusyGreeting => "voicemail/to-busy-greeting",
        Function::TemporaryGreeting => "voicemail/to-temporary-greeting",
        Function::HearGreeting => "voicemail/to-hear-greeting",
        Function::RecordGreeting => "voicemail/to-record-greeting",
        Function::RemoveGreeting => "voicemail/to-remove-greeting",
        Function::HearMembers => "voicemail/to-hear-members",
        Function::AddMember => "voicemail/to-add-member",
        Function::RemoveMember => "voicemail/to-remove-member",
        Function::DeleteList => "voicemail/to-delete-list",
        Function::Accept => "voicemail/to-accept",
        Function::Discard => "voicemail/to-discard",
        Function::EndEntry => "voicemail/to-end-entry",
        Function::CancelEntry => "voicemail/to-cancel-entry",
        Function::OtherMailbox => "voicemail/to-other-mailbox",
    }
}
