//! German.

use chrono::{Datelike as _, NaiveDate};

use super::en::{adjectives_first, urgent_first};
use super::{
    Age, File, Files, Gender, Grammar, ORDINALS, UNITS, followed_by, minutes_and_seconds, month, ordinal, tens, unit, weekday,
    year,
};

/// German, with the 24-hour clock: "Donnerstag, erster Januar zweitausendsechsundzwanzig, um null Uhr fünf".
#[derive(Debug)]
pub(super) struct German;

impl Grammar for German {
    fn number(&self, number: u32, gender: Gender) -> Files {
        match number {
            100 => vec!["digits/hundred"],
            1000 => vec!["digits/thousand"],
            _ => counted(number, gender),
        }
    }

    fn message_counts(&self, new: usize, old: usize) -> Files {
        adjectives_first(self, new, old, Gender::Feminine)
    }

    fn urgent_messages(&self, urgent: usize) -> Option<Files> {
        Some(urgent_first(self, urgent, Gender::Feminine))
    }

    fn no_messages(&self) -> Files {
        vec!["vm-no", "vm-messages"]
    }

    fn messages(&self, age: Age) -> Files {
        match age {
            Age::New => vec!["vm-INBOX", "vm-messages"],
            Age::Old => vec!["vm-Old", "vm-messages"],
        }
    }

    fn time(&self, hour: u32, minute: u32) -> Files {
        let hour = if hour == 1 { vec!["digits/1N"] } else { self.number(hour, Gender::Alone) };
        let files = [vec!["digits/at"], hour, vec!["digits/oclock"]].concat();
        followed_by(files, minute, |minute| self.number(minute, Gender::Alone))
    }

    fn date(&self, date: NaiveDate) -> Files {
        let day = match date.day() {
            day @ (1..=20 | 30) => vec![ordinal(day)],
            day => vec![and(day % 10), ordinal(day / 10 * 10)],
        };
        [vec![weekday(date.weekday())], day, vec![month(date)], said_year(year(date))].concat()
    }

    fn length(&self, minutes: u64, seconds: u64) -> Files {
        minutes_and_seconds(self, minutes, seconds, Gender::Feminine)
    }

    fn files(&self) -> &'static [&'static [File]] {
        &[
            &ORDINALS,
            &AND,
            &["digits/h-20", "digits/h-30", "digits/1F", "digits/1N", "digits/oclock"],
            &["minute", "second", "vm-INBOX", "vm-Old", "vm-Urgent"],
        ]
    }
}

/// Says a number with the "one" before a hundred and a thousand.
fn counted(number: u32, gender: Gender) -> Files {
    let say = |rest| counted(rest, gender);
    match number {
        1 => vec![one(gender)],
        0..20 => vec![unit(number)],
        20..100 if number.is_multiple_of(10) => vec![tens(number)],
        20..100 => vec![and(number % 10), tens(number)],
        100..1000 => followed_by([counted(number / 100, Gender::Neuter), vec!["digits/hundred"]].concat(), number % 100, say),
        _ => followed_by([counted(number / 1000, Gender::Neuter), vec!["digits/thousand"]].concat(), number % 1000, say),
    }
}

/// Says a year: 1926 as nineteen hundred twenty-six, 2026 as a number.
fn said_year(year: u32) -> Files {
    let number = |number| counted(number, Gender::Alone);
    match year / 100 {
        11..20 => followed_by([number(year / 100), vec!["digits/hundred"]].concat(), year % 100, number),
        _ => number(year),
    }
}

fn one(gender: Gender) -> File {
    match gender {
        Gender::Alone | Gender::Masculine => UNITS[1],
        Gender::Feminine => "digits/1F",
        Gender::Neuter => "digits/1N",
    }
}

/// Says the ones that stand before the tens: "einund".
fn and(ones: u32) -> File {
    AND[ones as usize % AND.len()]
}

/// The ones before tens, each at its place; nothing asks for the first one.
const AND: [File; 10] = [
    "digits/1-and",
    "digits/1-and",
    "digits/2-and",
    "digits/3-and",
    "digits/4-and",
    "digits/5-and",
    "digits/6-and",
    "digits/7-and",
    "digits/8-and",
    "digits/9-and",
];
