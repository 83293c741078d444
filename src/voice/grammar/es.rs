//! Spanish.

use chrono::{Datelike as _, NaiveDate};

use super::{Age, File, Files, Gender, Grammar, followed_by, month, plural_minutes_and_seconds, tens, unit, weekday, year};

/// Spanish, with the twelve-hour clock: "el jueves uno de enero de dos mil veintiséis a las doce cinco de la mañana".
///
/// It differs from Asterisk in these points: noon and the hour after it are in the afternoon, and midnight is in the morning, where
/// Asterisk says the opposite and nothing; a full hour has no minutes; what is counted has its gender. The packs have the word for 100 as
/// `digits/hundred` and not as `digits/100`.
#[derive(Debug)]
pub(super) struct Spanish;

impl Grammar for Spanish {
    fn number(&self, number: u32, gender: Gender) -> Files {
        let say = |rest| self.number(rest, gender);
        match number {
            1 => vec![one(gender)],
            0..20 => vec![unit(number)],
            20..30 => vec![TWENTIES[number as usize % 10]],
            30..100 if number.is_multiple_of(10) => vec![tens(number)],
            30..100 => [vec![tens(number), "digits/and"], say(number % 10)].concat(),
            100 => vec!["digits/100"],
            101..200 => [vec!["digits/100-and"], say(number - 100)].concat(),
            200..1000 => followed_by(vec![HUNDREDS[(number / 100) as usize % 10]], number % 100, say),
            1000..2000 => followed_by(vec!["digits/thousand"], number - 1000, say),
            _ => {
                let thousands = [self.number(number / 1000, Gender::Masculine), vec!["digits/thousand"]].concat();
                followed_by(thousands, number % 1000, say)
            }
        }
    }

    fn message_counts(&self, new: usize, old: usize) -> Files {
        let counted = |number, age| match number {
            1 => vec!["digits/1M", "vm-message", singular(age)],
            number => [self.count(number, Gender::Masculine), self.messages(age)].concat(),
        };
        match (new, old) {
            (0, 0) => vec!["vm-youhaveno", "vm-messages"],
            (new, 0) => [vec!["vm-youhave"], counted(new, Age::New)].concat(),
            (0, old) => [vec!["vm-youhave"], counted(old, Age::Old)].concat(),
            (new, old) => [vec!["vm-youhave"], counted(new, Age::New), vec!["vm-and"], counted(old, Age::Old)].concat(),
        }
    }

    fn urgent_messages(&self, _: usize) -> Option<Files> {
        None // `vm-Urgent` has one number only
    }

    fn no_messages(&self) -> Files {
        vec!["vm-nomore"]
    }

    fn messages(&self, age: Age) -> Files {
        match age {
            Age::New => vec!["vm-messages", "vm-INBOX"],
            Age::Old => vec!["vm-messages", "vm-Old"],
        }
    }

    fn time(&self, hour: u32, minute: u32) -> Files {
        let part_of_day = match hour {
            0..12 => "digits/a-m",
            12..19 => "digits/afternoon",
            _ => "digits/p-m",
        };
        let hour = self.number(if hour.is_multiple_of(12) { 12 } else { hour % 12 }, Gender::Feminine);
        let mut files = followed_by([vec!["digits/at"], hour].concat(), minute, |minute| self.number(minute, Gender::Alone));
        files.push(part_of_day);
        files
    }

    fn date(&self, date: NaiveDate) -> Files {
        let day = self.number(date.day(), Gender::Alone);
        let year = self.number(year(date), Gender::Alone);
        [vec!["digits/es-el", weekday(date.weekday())], day, vec!["digits/es-de", month(date), "digits/es-de"], year].concat()
    }

    fn length(&self, minutes: u64, seconds: u64) -> Files {
        plural_minutes_and_seconds(self, minutes, seconds, Gender::Masculine)
    }

    fn substitutes(&self) -> &'static [(File, File)] {
        &[("digits/100", "digits/hundred")]
    }

    fn files(&self) -> &'static [&'static [File]] {
        &[
            &TWENTIES,
            &HUNDREDS,
            &["digits/1F", "digits/1M", "digits/100", "digits/100-and", "digits/and"],
            &["digits/es-el", "digits/es-de", "digits/a-m", "digits/afternoon", "digits/p-m", "second"],
            &["vm-youhaveno", "vm-nomore", "vm-INBOX", "vm-INBOXs", "vm-Old", "vm-Olds"],
        ]
    }
}

fn one(gender: Gender) -> File {
    match gender {
        Gender::Alone | Gender::Neuter => unit(1),
        Gender::Masculine => "digits/1M",
        Gender::Feminine => "digits/1F",
    }
}

fn singular(age: Age) -> File {
    match age {
        Age::New => "vm-INBOXs",
        Age::Old => "vm-Olds",
    }
}

const TWENTIES: [File; 10] = [
    "digits/20",
    "digits/21",
    "digits/22",
    "digits/23",
    "digits/24",
    "digits/25",
    "digits/26",
    "digits/27",
    "digits/28",
    "digits/29",
];

/// The hundreds, each at its place; nothing asks for the first two.
const HUNDREDS: [File; 10] = [
    "digits/200",
    "digits/200",
    "digits/200",
    "digits/300",
    "digits/400",
    "digits/500",
    "digits/600",
    "digits/700",
    "digits/800",
    "digits/900",
];
