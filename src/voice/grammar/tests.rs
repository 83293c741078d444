//! Numbers, dates and times of each language, written out by hand.
//!
//! Names without a prefix are those in `digits/`.

use std::collections::HashSet;

use chrono::{NaiveDate, NaiveTime};
use proptest::prelude::*;

use super::*;

const LANGUAGES: [&str; 5] = ["en", "de", "fr", "es", "it"];

fn of(language: &str) -> &'static dyn Grammar {
    grammar(&language.parse().unwrap()).unwrap()
}

/// `20 1 vm-INBOX` for `digits/20`, `digits/1`, `vm-INBOX`.
fn short(files: &[File]) -> String {
    files.iter().map(|file| file.strip_prefix("digits/").unwrap_or(file)).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_language_is_found_by_its_primary_subtag() {
    assert!(grammar(&"en-GB".parse().unwrap()).is_some());
    assert!(grammar(&"ja".parse().unwrap()).is_none());
}

#[test]
fn english_says_its_counts_as_written_here() {
    for (new, old, said) in [
        (0, 0, "vm-youhave vm-no vm-messages"),
        (1, 0, "vm-youhave 1 vm-INBOX vm-message"),
        (21, 0, "vm-youhave 20 1 vm-INBOX vm-messages"),
        (100, 0, "vm-youhave 1 hundred vm-INBOX vm-messages"),
        (0, 1, "vm-youhave 1 vm-Old vm-message"),
        (2, 1, "vm-youhave 2 vm-INBOX vm-and 1 vm-Old vm-message"),
    ] {
        assert_eq!(short(&of("en").message_counts(new, old)), said);
    }
    assert_eq!(short(&of("en").urgent_messages(2).unwrap()), "2 vm-Urgent vm-messages");
}

#[test]
fn german_says_its_counts_as_written_here() {
    for (new, old, said) in [
        (0, 0, "vm-youhave vm-no vm-messages"),
        (1, 0, "vm-youhave 1F vm-INBOX vm-message"),
        (21, 0, "vm-youhave 1-and 20 vm-INBOX vm-messages"),
        (100, 0, "vm-youhave hundred vm-INBOX vm-messages"),
        (101, 0, "vm-youhave 1N hundred 1F vm-INBOX vm-messages"),
        (0, 1, "vm-youhave 1F vm-Old vm-message"),
        (2, 1, "vm-youhave 2 vm-INBOX vm-and 1F vm-Old vm-message"),
    ] {
        assert_eq!(short(&of("de").message_counts(new, old)), said);
    }
}

#[test]
fn french_says_its_counts_as_written_here() {
    for (new, old, said) in [
        (0, 0, "vm-youhave vm-no vm-messages"),
        (1, 0, "vm-youhave 1 vm-INBOX vm-message"),
        (21, 0, "vm-youhave 20 et 1 vm-INBOX vm-messages"),
        (100, 0, "vm-youhave hundred vm-INBOX vm-messages"),
        (0, 1, "vm-youhave 1 vm-Old vm-message"),
        (2, 1, "vm-youhave 2 vm-INBOX vm-and 1 vm-Old vm-message"),
    ] {
        assert_eq!(short(&of("fr").message_counts(new, old)), said);
    }
    assert_eq!(short(&of("fr").urgent_messages(1).unwrap()), "1 vm-message vm-Urgent");
}

#[test]
fn spanish_says_its_counts_as_written_here() {
    for (new, old, said) in [
        (0, 0, "vm-youhaveno vm-messages"),
        (1, 0, "vm-youhave 1M vm-message vm-INBOXs"),
        (21, 0, "vm-youhave 21 vm-messages vm-INBOX"),
        (100, 0, "vm-youhave 100 vm-messages vm-INBOX"),
        (31, 0, "vm-youhave 30 and 1M vm-messages vm-INBOX"),
        (0, 1, "vm-youhave 1M vm-message vm-Olds"),
        (2, 1, "vm-youhave 2 vm-messages vm-INBOX vm-and 1M vm-message vm-Olds"),
    ] {
        assert_eq!(short(&of("es").message_counts(new, old)), said);
    }
}

#[test]
fn italian_says_its_counts_as_written_here() {
    for (new, old, said) in [
        (0, 0, "vm-no vm-message"),
        (1, 0, "vm-youhave un vm-nuovo vm-message"),
        (21, 0, "vm-youhave 21 vm-nuovi vm-messages"),
        (100, 0, "vm-youhave hundred vm-nuovi vm-messages"),
        (0, 1, "vm-youhave un vm-vecchio vm-message"),
        (2, 1, "vm-youhave 2 vm-nuovi vm-messages vm-and un vm-vecchio vm-message"),
    ] {
        assert_eq!(short(&of("it").message_counts(new, old)), said);
    }
}

#[test]
fn every_language_says_numbers_as_written_here() {
    for (number, en, de, fr, es, it) in [
        (0, "0", "0", "0", "0", "0"),
        (1, "1", "1", "1", "1", "1"),
        (2, "2", "2", "2", "2", "2"),
        (5, "5", "5", "5", "5", "5"),
        (11, "11", "11", "11", "11", "11"),
        (12, "12", "12", "12", "12", "12"),
        (20, "20", "20", "20", "20", "20"),
        (21, "20 1", "1-and 20", "20 et 1", "21", "21"),
        (22, "20 2", "2-and 20", "20 2", "22", "20 2"),
        (28, "20 8", "8-and 20", "20 8", "28", "28"),
        (31, "30 1", "1-and 30", "30 et 1", "30 and 1", "31"),
        (61, "60 1", "1-and 60", "60 et 1", "60 and 1", "61"),
        (70, "70", "70", "60 10", "70", "70"),
        (71, "70 1", "1-and 70", "60 et 11", "70 and 1", "71"),
        (79, "70 9", "9-and 70", "60 19", "70 and 9", "70 9"),
        (80, "80", "80", "80", "80", "80"),
        (81, "80 1", "1-and 80", "80 1", "80 and 1", "81"),
        (91, "90 1", "1-and 90", "80 11", "90 and 1", "91"),
        (98, "90 8", "8-and 90", "80 18", "90 and 8", "98"),
        (100, "1 hundred", "hundred", "hundred", "100", "hundred"),
        (101, "1 hundred 1", "1N hundred 1", "hundred 1", "100-and 1", "hundred 1"),
        (111, "1 hundred 11", "1N hundred 11", "hundred 11", "100-and 11", "hundred 11"),
        (200, "2 hundred", "2 hundred", "2 hundred", "200", "2 hundred"),
        (999, "9 hundred 90 9", "9 hundred 9-and 90", "9 hundred 80 19", "900 90 and 9", "9 hundred 90 9"),
        (1000, "1 thousand", "thousand", "thousand", "thousand", "thousand"),
        (1001, "1 thousand 1", "1N thousand 1", "thousand 1", "thousand 1", "thousand 1"),
        (2000, "2 thousand", "2 thousand", "2 thousand", "2 thousand", "2 thousands"),
        (2026, "2 thousand 20 6", "2 thousand 6-and 20", "2 thousand 20 6", "2 thousand 26", "2 thousands 20 6"),
        (
            101_100,
            "1 hundred 1 thousand 1 hundred",
            "1N hundred 1N thousand 1N hundred",
            "hundred 1 thousand hundred",
            "100-and 1M thousand 100",
            "hundred 1 thousands hundred",
        ),
    ] {
        for (language, said) in LANGUAGES.into_iter().zip([en, de, fr, es, it]) {
            assert_eq!(short(&of(language).number(number, Gender::Alone)), said, "{number} in {language}");
        }
    }
}

#[test]
fn the_last_word_of_a_number_has_the_gender_of_its_noun() {
    for (language, gender, number, said) in [
        ("de", Gender::Feminine, 1, "1F"),
        ("de", Gender::Feminine, 21, "1-and 20"),
        ("de", Gender::Feminine, 1001, "1N thousand 1F"),
        ("fr", Gender::Feminine, 1, "1F"),
        ("fr", Gender::Feminine, 21, "20 et 1F"),
        ("fr", Gender::Feminine, 71, "60 et 11"),
        ("es", Gender::Feminine, 1, "1F"),
        ("es", Gender::Masculine, 41, "40 and 1M"),
        ("es", Gender::Masculine, 21_000, "21 thousand"),
    ] {
        assert_eq!(short(&of(language).number(number, gender)), said, "{number} in {language}");
    }
}

#[test]
fn every_language_says_times_as_written_here() {
    for (time, en, de, fr, es, it) in [
        ("00:00", "at 12 oclock a-m", "at 0 oclock", "at 0 oclock", "at 12 a-m", "at hours ore-mezzanotte"),
        ("00:05", "at 12 oh 5 a-m", "at 0 oclock 5", "at 0 oclock 5", "at 12 5 a-m", "at hours ore-mezzanotte e 5 minutes"),
        ("01:00", "at 1 oclock a-m", "at 1N oclock", "at 1F oclock", "at 1F a-m", "at hours ore-una"),
        ("12:00", "at 12 oclock p-m", "at 12 oclock", "at 12 oclock", "at 12 afternoon", "at hours 12"),
        ("12:30", "at 12 30 p-m", "at 12 oclock 30", "at 12 oclock 30", "at 12 30 afternoon", "at hours 12 e 30 minutes"),
        ("13:01", "at 1 oh 1 p-m", "at 13 oclock 1", "at 13 oclock 1F", "at 1F 1 afternoon", "at hours 13 e 1"),
        (
            "21:21",
            "at 9 20 1 p-m",
            "at 1-and 20 oclock 1-and 20",
            "at 20 et 1F oclock 20 et 1F",
            "at 9 21 p-m",
            "at hours 21 e 21 minutes",
        ),
        (
            "23:59",
            "at 11 50 9 p-m",
            "at 3-and 20 oclock 9-and 50",
            "at 20 3 oclock 50 9",
            "at 11 50 and 9 p-m",
            "at hours 20 3 e 50 9 minutes",
        ),
    ] {
        let clock = NaiveTime::parse_from_str(time, "%H:%M").unwrap();
        for (language, said) in LANGUAGES.into_iter().zip([en, de, fr, es, it]) {
            assert_eq!(short(&of(language).clock(clock)), said, "{time} in {language}");
        }
    }
}

#[test]
fn every_language_says_dates_as_written_here() {
    for (date, en, de, fr, es, it) in [
        (
            (2026, 1, 1),
            "day-4 mon-0 h-1 2 thousand 20 6",
            "day-4 h-1 mon-0 2 thousand 6-and 20",
            "day-4 h-1 mon-0 2 thousand 20 6",
            "es-el day-4 1 es-de mon-0 es-de 2 thousand 26",
            "day-4 h-1 mon-0 2 thousands 20 6",
        ),
        (
            (2026, 3, 25),
            "day-3 mon-2 20 h-5 2 thousand 20 6",
            "day-3 5-and h-20 mon-2 2 thousand 6-and 20",
            "day-3 20 5 mon-2 2 thousand 20 6",
            "es-el day-3 25 es-de mon-2 es-de 2 thousand 26",
            "day-3 20 5 mon-2 2 thousands 20 6",
        ),
        (
            (2000, 12, 31),
            "day-0 mon-11 30 h-1 2 thousand",
            "day-0 1-and h-30 mon-11 2 thousand",
            "day-0 30 et 1 mon-11 2 thousand",
            "es-el day-0 30 and 1 es-de mon-11 es-de 2 thousand",
            "day-0 31 mon-11 2 thousands",
        ),
        (
            (1907, 8, 20),
            "day-2 mon-7 h-20 19 oh 7",
            "day-2 h-20 mon-7 19 hundred 7",
            "day-2 20 mon-7 thousand 9 hundred 7",
            "es-el day-2 20 es-de mon-7 es-de thousand 900 7",
            "day-2 20 mon-7 thousand 9 hundred 7",
        ),
    ] {
        let (year, month, day) = date;
        let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        for (language, said) in LANGUAGES.into_iter().zip([en, de, fr, es, it]) {
            assert_eq!(short(&of(language).day(RelativeDay::Date(date))), said, "{date} in {language}");
        }
    }
}

#[test]
fn near_days_are_said_by_their_names() {
    for language in LANGUAGES {
        assert_eq!(short(&of(language).day(RelativeDay::Today)), "today");
        assert_eq!(short(&of(language).day(RelativeDay::Yesterday)), "yesterday");
        assert_eq!(short(&of(language).day(RelativeDay::Weekday(Weekday::Sat))), "day-6");
    }
}

#[test]
fn every_language_says_lengths_as_written_here() {
    for (seconds, en, de, fr, es, it) in [
        (0, "0 seconds", "0 seconds", "0 seconds", "0 seconds", "0 seconds"),
        (1, "1 second", "1F second", "1F second", "1 second", "1 second"),
        (59, "50 9 seconds", "9-and 50 seconds", "50 9 seconds", "50 and 9 seconds", "50 9 seconds"),
        (60, "1 minute", "1F minute", "1F minute", "60 seconds", "60 seconds"),
        (61, "1 minute 1 second", "1F minute 1F second", "1F minute 1F second", "60 and 1M seconds", "61 seconds"),
        (121, "2 minutes 1 second", "2 minutes 1F second", "2 minutes 1F second", "2 minutes", "2 minutes"),
        (
            1265,
            "20 1 minutes 5 seconds",
            "1-and 20 minutes 5 seconds",
            "20 et 1F minutes 5 seconds",
            "21 minutes 5 seconds",
            "21 minutes 5 seconds",
        ),
    ] {
        let length = Duration::from_secs(seconds);
        for (language, said) in LANGUAGES.into_iter().zip([en, de, fr, es, it]) {
            assert_eq!(short(&of(language).duration(length)), said, "{seconds} s in {language}");
        }
    }
}

#[test]
fn numbers_too_large_are_said_digit_by_digit() {
    for language in LANGUAGES {
        assert_eq!(short(&of(language).count(1_000_007, Gender::Feminine)), "1 0 0 0 0 0 7");
    }
    assert_eq!(digits("+4901"), ["letters/plus", "digits/4", "digits/9", "digits/0", "digits/1"]);
    assert_eq!(spelled("b-1.x"), ["letters/b", "letters/dash", "digits/1", "letters/dot", "letters/x"]);
}

#[test]
fn no_two_numbers_sound_the_same() {
    for language in LANGUAGES {
        let said: HashSet<Files> = (0..20_000).map(|number| of(language).number(number, Gender::Alone)).collect();
        assert_eq!(said.len(), 20_000, "{language}");
    }
}

proptest! {
    #[test]
    fn no_language_asks_for_a_file_that_it_does_not_list(
        number in 0..LIMIT, seconds in prop_oneof![0..200_u64, 0..10_000_000_u64], minute in 0..1440_u32, day in -700_000..2_900_000_i32,
        counts in (any::<usize>(), any::<usize>()),
    ) {
        let time = NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap();
        let date = NaiveDate::from_num_days_from_ce_opt(day.clamp(1, 3_652_059)).unwrap();
        for language in LANGUAGES {
            let grammar = of(language);
            let known: HashSet<File> = grammar.all_files().into_iter().collect();
            let genders = [Gender::Alone, Gender::Masculine, Gender::Feminine, Gender::Neuter];
            let said = genders.into_iter().flat_map(|gender| grammar.number(number, gender));
            let said = said.chain(grammar.duration(Duration::from_secs(seconds))).chain(grammar.clock(time));
            let said = said.chain(grammar.day(RelativeDay::Date(date))).chain(grammar.message_counts(counts.0, counts.1));
            let said = said.chain(grammar.urgent_messages(counts.1).into_iter().flatten()).chain(grammar.no_messages());
            for file in said.chain([Age::New, Age::Old].into_iter().flat_map(|age| grammar.messages(age))) {
                prop_assert!(known.contains(file), "{} in {}", file, language);
            }
        }
    }
}
