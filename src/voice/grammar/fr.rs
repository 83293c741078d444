//! French.

use chrono::{Datelike as _, NaiveDate};

use super::{Age, File, Files, Gender, Grammar, followed_by, minutes_and_seconds, month, tens, unit, weekday, year};

/// French, with the 24-hour clock: "jeudi premier janvier deux mille vingt-six à zéro heure cinq".
///
/// Asterisk's voicemail says the time by the twelve-hour clock, because it has no French case; its function for dates, which this follows,
/// has one. The packs lack `digits/1F`, for which Asterisk says `digits/1`.
#[derive(Debug)]
pub(super) struct French;

impl Grammar for French {
    fn number(&self, number: u32, gender: Gender) -> Files {
        let say = |rest| self.number(rest, gender);
        match number {
            1 if gender == Gender::Feminine => vec!["digits/1F"],
            0..20 => vec![unit(number)],
            20..60 if number % 10 == 1 => [vec![tens(number), "digits/et"], say(1)].concat(),
            20..60 => followed_by(vec![tens(number)], number % 10, say),
            60..80 if number % 10 == 1 => [vec!["digits/60", "digits/et"], say(number - 60)].concat(),
            60..80 => followed_by(vec!["digits/60"], number - 60, say),
            80..100 => followed_by(vec!["digits/80"], number - 80, say),
            100..200 => followed_by(vec!["digits/hundred"], number - 100, say),
            200..1000 => followed_by(vec![unit(number / 100), "digits/hundred"], number % 100, say),
            1000..2000 => followed_by(vec!["digits/thousand"], number - 1000, say),
            _ => {
                let thousands = [self.number(number / 1000, Gender::Alone), vec!["digits/thousand"]].concat();
                followed_by(thousands, number % 1000, say)
            }
        }
    }

    fn message_counts(&self, new: usize, old: usize) -> Files {
        // The singular is for 0 and 1, but nothing is counted as 0 here.
        super::en::adjectives_first(self, new, old, Gender::Masculine)
    }

    fn urgent_messages(&self, urgent: usize) -> Option<Files> {
        let noun = if urgent < 2 { "vm-message" } else { "vm-messages" };
        Some([self.count(urgent, Gender::Masculine), vec![noun, "vm-Urgent"]].concat())
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
        let files = [vec!["digits/at"], self.number(hour, Gender::Feminine), vec!["digits/oclock"]].concat();
        followed_by(files, minute, |minute| self.number(minute, Gender::Feminine))
    }

    fn date(&self, date: NaiveDate) -> Files {
        let day = if date.day() == 1 { vec!["digits/h-1"] } else { self.number(date.day(), Gender::Alone) };
        [vec![weekday(date.weekday())], day, vec![month(date)], self.number(year(date), Gender::Alone)].concat()
    }

    fn length(&self, minutes: u64, seconds: u64) -> Files {
        minutes_and_seconds(self, minutes, seconds, Gender::Feminine)
    }

    fn substitutes(&self) -> &'static [(File, File)] {
        &[("digits/1F", "digits/1")]
    }

    fn files(&self) -> &'static [&'static [File]] {
        &[&["digits/h-1", "digits/1F", "digits/et", "digits/oclock"], &["minute", "second", "vm-INBOX", "vm-Old", "vm-Urgent"]]
    }
}
