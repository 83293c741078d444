//! English.

use chrono::{Datelike as _, NaiveDate};

use super::{
    Age, File, Files, Gender, Grammar, ORDINALS, followed_by, minutes_and_seconds, month, ordinal, tens, unit, weekday, year,
};

/// English, with the twelve-hour clock: "Thursday, January first, two thousand twenty-six, at twelve oh five a.m."
///
/// It differs from Asterisk in one point: the year of a date is always said, and the weekday too.
#[derive(Debug)]
pub(super) struct English;

impl Grammar for English {
    fn number(&self, number: u32, _: Gender) -> Files {
        let say = |rest| self.number(rest, Gender::Alone);
        match number {
            0..20 => vec![unit(number)],
            20..100 => followed_by(vec![tens(number)], number % 10, say),
            100..1000 => followed_by(vec![unit(number / 100), "digits/hundred"], number % 100, say),
            _ => followed_by([say(number / 1000), vec!["digits/thousand"]].concat(), number % 1000, say),
        }
    }

    fn message_counts(&self, new: usize, old: usize) -> Files {
        adjectives_first(self, new, old, Gender::Alone)
    }

    fn urgent_messages(&self, urgent: usize) -> Option<Files> {
        Some(urgent_first(self, urgent, Gender::Alone))
    }

    fn no_messages(&self) -> Files {
        vec!["vm-no", "vm-messages"]
    }

    fn messages(&self, age: Age) -> Files {
        vec![adjective(age), "vm-messages"]
    }

    fn time(&self, hour: u32, minute: u32) -> Files {
        let mut files = vec!["digits/at", unit(if hour.is_multiple_of(12) { 12 } else { hour % 12 })];
        match minute {
            0 => files.push("digits/oclock"),
            1..10 => files.extend(["digits/oh", unit(minute)]),
            _ => files.extend(self.number(minute, Gender::Alone)),
        }
        files.push(if hour < 12 { "digits/a-m" } else { "digits/p-m" });
        files
    }

    fn date(&self, date: NaiveDate) -> Files {
        let day = match date.day() {
            day @ (1..=20 | 30) => vec![ordinal(day)],
            day => vec![tens(day), ordinal(day % 10)],
        };
        [vec![weekday(date.weekday()), month(date)], day, self.year(year(date))].concat()
    }

    fn length(&self, minutes: u64, seconds: u64) -> Files {
        minutes_and_seconds(self, minutes, seconds, Gender::Alone)
    }

    fn files(&self) -> &'static [&'static [File]] {
        &[
            &ORDINALS,
            &["digits/h-20", "digits/h-30", "digits/oh", "digits/oclock", "digits/a-m", "digits/p-m"],
            &["minute", "second", "vm-INBOX", "vm-Old", "vm-Urgent"],
        ]
    }
}

impl English {
    /// Says a year: 1926 as nineteen twenty-six, 2026 as a number.
    fn year(&self, year: u32) -> Files {
        let number = |number| self.number(number, Gender::Alone);
        match (year / 100, year % 100) {
            (11..20, 0) => [number(year / 100), vec!["digits/hundred"]].concat(),
            (11..20, rest @ 1..10) => [number(year / 100), vec!["digits/oh", unit(rest)]].concat(),
            (11..20, rest) => [number(year / 100), number(rest)].concat(),
            _ => number(year),
        }
    }
}

/// Says "3 new and 1 old message", for languages that put adjectives before the noun.
pub(super) fn adjectives_first(grammar: &impl Grammar, new: usize, old: usize, gender: Gender) -> Files {
    let noun = |number| if number == 1 { "vm-message" } else { "vm-messages" };
    let counted = |number, age| [grammar.count(number, gender), vec![adjective(age)]].concat();
    match (new, old) {
        (0, 0) => vec!["vm-youhave", "vm-no", "vm-messages"],
        (new, 0) => [vec!["vm-youhave"], counted(new, Age::New), vec![noun(new)]].concat(),
        (0, old) => [vec!["vm-youhave"], counted(old, Age::Old), vec![noun(old)]].concat(),
        (new, old) => {
            [vec!["vm-youhave"], counted(new, Age::New), vec!["vm-and"], counted(old, Age::Old), vec![noun(old)]].concat()
        }
    }
}

/// Says "1 urgent message".
pub(super) fn urgent_first(grammar: &impl Grammar, urgent: usize, gender: Gender) -> Files {
    let noun = if urgent == 1 { "vm-message" } else { "vm-messages" };
    [grammar.count(urgent, gender), vec!["vm-Urgent", noun]].concat()
}

fn adjective(age: Age) -> File {
    match age {
        Age::New => "vm-INBOX",
        Age::Old => "vm-Old",
    }
}
