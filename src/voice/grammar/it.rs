//! Italian.

use chrono::{Datelike as _, NaiveDate};

use super::{Age, File, Files, Gender, Grammar, followed_by, month, plural_minutes_and_seconds, tens, unit, weekday, year};

/// Italian, with the 24-hour clock: "giovedì primo gennaio duemila ventisei alle ore mezzanotte e cinque minuti".
///
/// It differs from Asterisk in these points: a full hour has no minutes, a single minute is said without its noun, whose singular the
/// packs lack, and a date has its year.
#[derive(Debug)]
pub(super) struct Italian;

impl Grammar for Italian {
    fn number(&self, number: u32, _: Gender) -> Files {
        let say = |rest| self.number(rest, Gender::Alone);
        match number {
            0..20 => vec![unit(number)],
            20..100 => match number % 10 {
                1 => vec![ENDING_IN_ONE[(number / 10) as usize % 10]],
                8 => vec![ENDING_IN_EIGHT[(number / 10) as usize % 10]],
                rest => followed_by(vec![tens(number)], rest, say),
            },
            100..200 => followed_by(vec!["digits/hundred"], number - 100, say),
            200..1000 => followed_by(vec![unit(number / 100), "digits/hundred"], number % 100, say),
            1000..2000 => followed_by(vec!["digits/thousand"], number - 1000, say),
            _ => followed_by([say(number / 1000), vec!["digits/thousands"]].concat(), number % 1000, say),
        }
    }

    fn message_counts(&self, new: usize, old: usize) -> Files {
        let counted = |number, age| match number {
            1 => vec!["digits/un", singular(age), "vm-message"],
            number => [self.count(number, Gender::Masculine), self.messages(age)].concat(),
        };
        match (new, old) {
            (0, 0) => vec!["vm-no", "vm-message"],
            (new, 0) => [vec!["vm-youhave"], counted(new, Age::New)].concat(),
            (0, old) => [vec!["vm-youhave"], counted(old, Age::Old)].concat(),
            (new, old) => [vec!["vm-youhave"], counted(new, Age::New), vec!["vm-and"], counted(old, Age::Old)].concat(),
        }
    }

    fn urgent_messages(&self, _: usize) -> Option<Files> {
        None // `vm-Urgent` has one number only
    }

    fn no_messages(&self) -> Files {
        vec!["vm-no", "vm-message"]
    }

    fn messages(&self, age: Age) -> Files {
        match age {
            Age::New => vec!["vm-nuovi", "vm-messages"],
            Age::Old => vec!["vm-vecchi", "vm-messages"],
        }
    }

    fn time(&self, hour: u32, minute: u32) -> Files {
        let hour = match hour {
            0 => vec!["digits/ore-mezzanotte"],
            1 => vec!["digits/ore-una"],
            hour => self.number(hour, Gender::Alone),
        };
        let files = [vec!["digits/at", "digits/hours"], hour].concat();
        followed_by(files, minute, |minute| {
            let noun: &[File] = if minute == 1 { &[] } else { &["digits/minutes"] };
            [&["digits/e"], &*self.number(minute, Gender::Alone), noun].concat()
        })
    }

    fn date(&self, date: NaiveDate) -> Files {
        let day = if date.day() == 1 { vec!["digits/h-1"] } else { self.number(date.day(), Gender::Alone) };
        [vec![weekday(date.weekday())], day, vec![month(date)], self.number(year(date), Gender::Alone)].concat()
    }

    fn length(&self, minutes: u64, seconds: u64) -> Files {
        plural_minutes_and_seconds(self, minutes, seconds, Gender::Masculine)
    }

    fn files(&self) -> &'static [&'static [File]] {
        &[
            &ENDING_IN_ONE,
            &ENDING_IN_EIGHT,
            &["digits/h-1", "digits/un", "digits/thousands", "digits/ore-mezzanotte", "digits/ore-una"],
            &["digits/hours", "digits/e", "digits/minutes", "second"],
            &["vm-nuovo", "vm-nuovi", "vm-vecchio", "vm-vecchi"],
        ]
    }
}

fn singular(age: Age) -> File {
    match age {
        Age::New => "vm-nuovo",
        Age::Old => "vm-vecchio",
    }
}

/// The numbers from 21 to 91 that are words of their own, each at the place of its tens; nothing asks for the first two.
const ENDING_IN_ONE: [File; 10] = [
    "digits/21",
    "digits/21",
    "digits/21",
    "digits/31",
    "digits/41",
    "digits/51",
    "digits/61",
    "digits/71",
    "digits/81",
    "digits/91",
];

/// The numbers from 28 to 98 that are words of their own, each at the place of its tens; nothing asks for the first two.
const ENDING_IN_EIGHT: [File; 10] = [
    "digits/28",
    "digits/28",
    "digits/28",
    "digits/38",
    "digits/48",
    "digits/58",
    "digits/68",
    "digits/78",
    "digits/88",
    "digits/98",
];
