//! [`Grammar`]: how numbers, dates and times are said in a language, with the names of Asterisk's sound files.
//!
//! Each language has a file of its own. Every name is a constant, so that a pack is known to have all words before the first call.
//!
//! # Source
//!
//! The rules follow what Asterisk plays (`main/say.c` and `vm_intro_*` in `apps/app_voicemail.c`); the modules say where they differ.

mod de;
mod en;
mod es;
mod fr;
mod it;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::time::Duration;

use chrono::{Datelike as _, NaiveDate, NaiveTime, Timelike as _, Weekday};

use crate::message::{Language, RelativeDay};

/// The name of a sound file in a pack, without its extension: `digits/7`, `vm-youhave`.
pub(super) type File = &'static str;

/// The sounds to play one after the other.
pub(super) type Files = Vec<File>;

/// How one language says numbers, dates and times.
pub(super) trait Grammar: Debug + Send + Sync {
    /// Says a number below [`LIMIT`]; its last word has the gender of the noun that follows.
    fn number(&self, number: u32, gender: Gender) -> Files;

    /// Says how many new and old messages there are, as the end of "You have"; with its own beginning where none is there.
    fn message_counts(&self, new: usize, old: usize) -> Files;

    /// Says how many messages are urgent; `None` if the packs of this language have no words for it.
    fn urgent_messages(&self, urgent: usize) -> Option<Files>;

    /// Says that there are no messages of the kind that was asked for.
    fn no_messages(&self) -> Files;

    /// Says "new messages" or "old messages", as after "press 1 for".
    fn messages(&self, age: Age) -> Files;

    /// Says a time of day, with the "at" before it.
    fn time(&self, hour: u32, minute: u32) -> Files;

    /// Says a date with its weekday and its year.
    fn date(&self, date: NaiveDate) -> Files;

    /// Says a length of time in minutes and seconds.
    fn length(&self, minutes: u64, seconds: u64) -> Files;

    /// The files that packs of this language may lack, each with the one that is played in its place.
    fn substitutes(&self) -> &'static [(File, File)] {
        &[]
    }

    /// The files that this grammar alone can ask for, as groups; those in [`COMMON`] come on top.
    fn files(&self) -> &'static [&'static [File]];

    /// Says how many there are. A number from [`LIMIT`] on is said digit by digit.
    fn count(&self, number: usize, gender: Gender) -> Files {
        match u32::try_from(number) {
            Ok(number) if number < LIMIT => self.number(number, gender),
            _ => digits(&number.to_string()),
        }
    }

    /// Says a day as its listener names it.
    fn day(&self, day: RelativeDay) -> Files {
        match day {
            RelativeDay::Today => vec!["digits/today"],
            RelativeDay::Yesterday => vec!["digits/yesterday"],
            RelativeDay::Weekday(day) => vec![weekday(day)],
            RelativeDay::Date(date) => self.date(date),
        }
    }

    /// Says a time of day, to the minute.
    fn clock(&self, time: NaiveTime) -> Files {
        self.time(time.hour(), time.minute())
    }

    /// Says a length of time, to the second.
    fn duration(&self, length: Duration) -> Files {
        let seconds = length.as_secs();
        self.length(seconds / 60, seconds % 60)
    }

    /// Returns every file that this grammar can ask for.
    fn all_files(&self) -> Files {
        COMMON.concat().into_iter().chain(self.files().concat()).collect()
    }
}

/// The age of messages, as their owner chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Age {
    New,
    Old,
}

/// The gender of what is counted. Each language reads those that matter to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gender {
    /// A number by itself, as a digit is said.
    Alone,
    Masculine,
    Feminine,
    /// In German, also before "hundred" and "thousand".
    Neuter,
}

/// Returns the grammar of a language, by its primary subtag.
pub(super) fn grammar(language: &Language) -> Option<&'static dyn Grammar> {
    Some(match language.primary() {
        "en" => &en::English,
        "de" => &de::German,
        "fr" => &fr::French,
        "es" => &es::Spanish,
        "it" => &it::Italian,
        _ => return None,
    })
}

/// The first number that is said digit by digit.
pub(super) const LIMIT: u32 = 1_000_000;

/// Says the digits of a telephone number, a PIN or a mailbox one by one; a `+` is "plus". Other characters are left out.
pub(super) fn digits(number: &str) -> Files {
    let word = |c: char| match c {
        '+' => Some("letters/plus"),
        digit => UNITS.get(usize::try_from(digit.to_digit(10)?).ok()?).copied(),
    };
    number.chars().filter_map(word).collect()
}

/// Spells the name of a mailbox.
pub(super) fn spelled(name: &str) -> Files {
    let word = |c: char| match c {
        'a'..='z' => LETTERS.get(usize::try_from(u32::from(c) - u32::from('a')).ok()?).copied(),
        '.' => Some("letters/dot"),
        '-' => Some("letters/dash"),
        '_' => Some("letters/ascii95"),
        other => UNITS.get(usize::try_from(other.to_digit(10)?).ok()?).copied(),
    };
    name.chars().filter_map(word).collect()
}

fn unit(number: u32) -> File {
    UNITS[number as usize % UNITS.len()]
}

/// The tens of a number from 20 to 99.
fn tens(number: u32) -> File {
    TENS[(number / 10) as usize % TENS.len()]
}

fn weekday(day: Weekday) -> File {
    WEEKDAYS[day.num_days_from_sunday() as usize % WEEKDAYS.len()]
}

fn month(date: NaiveDate) -> File {
    MONTHS[date.month0() as usize % MONTHS.len()]
}

/// The ordinal number of a day of the month below 20, or of 20 and 30.
fn ordinal(day: u32) -> File {
    match day {
        20 => "digits/h-20",
        30 => "digits/h-30",
        day => ORDINALS[day as usize % ORDINALS.len()],
    }
}

/// The year, at most 9999, as a number.
fn year(date: NaiveDate) -> u32 {
    date.year().unsigned_abs() % 10_000
}

/// Returns `files`, and then those of a remainder that is not zero.
fn followed_by(mut files: Files, rest: u32, say: impl FnOnce(u32) -> Files) -> Files {
    if rest > 0 {
        files.extend(say(rest));
    }
    files
}

/// A unit of time, and its word for one and for several.
#[derive(Debug, Clone, Copy)]
struct TimeUnit {
    one: File,
    many: File,
}

const MINUTES: TimeUnit = TimeUnit { one: "minute", many: "minutes" };
const SECONDS: TimeUnit = TimeUnit { one: "second", many: "seconds" };

/// Says minutes and seconds of this gender, for a language whose packs have both singulars.
fn minutes_and_seconds(grammar: &(impl Grammar + ?Sized), minutes: u64, seconds: u64, gender: Gender) -> Files {
    let part = |number: u64, unit: TimeUnit| {
        let mut files = grammar.count(usize::try_from(number).unwrap_or(usize::MAX), gender);
        files.push(if number == 1 { unit.one } else { unit.many });
        files
    };
    let mut files = if minutes > 0 { part(minutes, MINUTES) } else { Files::new() };
    if seconds > 0 || minutes == 0 {
        files.extend(part(seconds, SECONDS));
    }
    files
}

/// Says minutes and seconds, for a language whose packs have no singular of either: up to two minutes only seconds, and no single second.
fn plural_minutes_and_seconds(grammar: &(impl Grammar + ?Sized), minutes: u64, seconds: u64, gender: Gender) -> Files {
    let count = |number: u64| grammar.count(usize::try_from(number).unwrap_or(usize::MAX), gender);
    match (minutes, seconds) {
        (0, 1) => vec!["digits/1", "second"],
        (0 | 1, seconds) => [count(minutes * 60 + seconds), vec!["seconds"]].concat(),
        (minutes, 0 | 1) => [count(minutes), vec!["minutes"]].concat(),
        (minutes, seconds) => [count(minutes), vec!["minutes"], count(seconds), vec!["seconds"]].concat(),
    }
}

const UNITS: [File; 20] = [
    "digits/0",
    "digits/1",
    "digits/2",
    "digits/3",
    "digits/4",
    "digits/5",
    "digits/6",
    "digits/7",
    "digits/8",
    "digits/9",
    "digits/10",
    "digits/11",
    "digits/12",
    "digits/13",
    "digits/14",
    "digits/15",
    "digits/16",
    "digits/17",
    "digits/18",
    "digits/19",
];

/// The tens, each at its place; nothing asks for the first two.
const TENS: [File; 10] = [
    "digits/0",
    "digits/10",
    "digits/20",
    "digits/30",
    "digits/40",
    "digits/50",
    "digits/60",
    "digits/70",
    "digits/80",
    "digits/90",
];

/// The days, from Sunday.
const WEEKDAYS: [File; 7] =
    ["digits/day-0", "digits/day-1", "digits/day-2", "digits/day-3", "digits/day-4", "digits/day-5", "digits/day-6"];

const MONTHS: [File; 12] = [
    "digits/mon-0",
    "digits/mon-1",
    "digits/mon-2",
    "digits/mon-3",
    "digits/mon-4",
    "digits/mon-5",
    "digits/mon-6",
    "digits/mon-7",
    "digits/mon-8",
    "digits/mon-9",
    "digits/mon-10",
    "digits/mon-11",
];

/// The ordinal numbers, each at its place; nothing asks for the first one.
const ORDINALS: [File; 20] = [
    "digits/h-1",
    "digits/h-1",
    "digits/h-2",
    "digits/h-3",
    "digits/h-4",
    "digits/h-5",
    "digits/h-6",
    "digits/h-7",
    "digits/h-8",
    "digits/h-9",
    "digits/h-10",
    "digits/h-11",
    "digits/h-12",
    "digits/h-13",
    "digits/h-14",
    "digits/h-15",
    "digits/h-16",
    "digits/h-17",
    "digits/h-18",
    "digits/h-19",
];

const LETTERS: [File; 26] = [
    "letters/a",
    "letters/b",
    "letters/c",
    "letters/d",
    "letters/e",
    "letters/f",
    "letters/g",
    "letters/h",
    "letters/i",
    "letters/j",
    "letters/k",
    "letters/l",
    "letters/m",
    "letters/n",
    "letters/o",
    "letters/p",
    "letters/q",
    "letters/r",
    "letters/s",
    "letters/t",
    "letters/u",
    "letters/v",
    "letters/w",
    "letters/x",
    "letters/y",
    "letters/z",
];

/// The files that every grammar asks for.
const COMMON: &[&[File]] = &[
    &UNITS,
    &TENS,
    &WEEKDAYS,
    &MONTHS,
    &LETTERS,
    &["letters/plus", "letters/dot", "letters/dash", "letters/ascii95"],
    &["digits/hundred", "digits/thousand", "digits/today", "digits/yesterday", "digits/at", "digits/star", "digits/pound"],
    &["minutes", "seconds"],
    &["vm-youhave", "vm-no", "vm-and", "vm-message", "vm-messages"],
];
