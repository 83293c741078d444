//! [`parse_date`]: the instant that a date and time of a header field names.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// Returns the instant that a date and time of a header field names; `None` when it is none, or when the calendar or the clock has no such reading.
///
/// Read too are what old and careless programs write: comments, years of two or three digits, zones by name, seconds or the zone left
/// out, no space before the zone, a colon or less than four digits in it, and quotes. A zone that no name is known for counts as UTC, as does every single letter.
///
/// # Source
///
/// RFC 5322 §3.3 and §4.3.
pub(super) fn parse_date(value: &[u8]) -> Option<DateTime<Utc>> {
    let mut words = Words { rest: value }.skip_while(|word| !word[0].is_ascii_digit());
    let day = number(words.next()?)?;
    let month = month(words.next()?)?;
    let year = words.next()?;
    let year = match (number(year)?, year.len()) {
        (year, 0..=2) if year < 50 => year + 2000,
        (year, 0..=3) => year + 1900,
        (year, _) => year,
    };
    let (hour, minute) = (number(words.next()?)?, number(words.next()?)?);
    let (second, mut zone) = words.next().map_or((None, None), second_and_zone);
    zone = zone.or_else(|| words.next());
    let offset = zone.map_or(Some(0), |zone| offset_minutes(zone, words.next()))?;
    let second = match second.unwrap_or(0) {
        60 => 59, // a leap second
        second => second,
    };
    let local = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.and_hms_opt(hour, minute, second)?;
    local.checked_sub_signed(TimeDelta::minutes(offset)).map(|utc| utc.and_utc())
}

/// Splits a word into the second, and the zone that some programs write after it without a space. Fractions of a second are ignored.
fn second_and_zone(word: &[u8]) -> (Option<u32>, Option<&[u8]>) {
    let len = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    let (second, rest) = word.split_at(len);
    let zone = rest.iter().position(|byte| !byte.is_ascii_digit() && *byte != b'.').map(|at| &rest[at..]);
    (number(second), zone)
}

/// Returns how many minutes a zone is ahead of UTC; `next` is the word after it.
fn offset_minutes(zone: &[u8], next: Option<&[u8]>) -> Option<i64> {
    let (sign, digits) = match zone {
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        name => return Some(60 * hours_of(name)),
    };
    let (hours, minutes) = match digits.len() {
        3 | 4 => digits.split_at(digits.len() - 2),
        1 | 2 => (digits, next.filter(|next| next.len() == 2).unwrap_or(b"00")),
        _ => return None,
    };
    let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
    Some(sign * i64::from(number(hours)? * 60 + minutes))
}

/// Returns how many hours a zone of this name is ahead of UTC.
fn hours_of(name: &[u8]) -> i64 {
    const NAMED: [(&[u8], i64); 8] =
        [(b"EST", -5), (b"EDT", -4), (b"CST", -6), (b"CDT", -5), (b"MST", -7), (b"MDT", -6), (b"PST", -8), (b"PDT", -7)];
    NAMED.into_iter().find(|(zone, _)| name.eq_ignore_ascii_case(zone)).map_or(0, |(_, hours)| hours)
}

/// Returns the number of a month by the first three letters of its name.
fn month(name: &[u8]) -> Option<u32> {
    const MONTHS: [&[u8]; 12] = [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let name = name.get(..3)?;
    (1..).zip(MONTHS).find(|(_, month)| name.eq_ignore_ascii_case(month)).map(|(number, _)| number)
}

/// Reads a number of at most five digits.
fn number(digits: &[u8]) -> Option<u32> {
    let all_digits = digits.iter().all(u8::is_ascii_digit) && (1..=5).contains(&digits.len());
    all_digits.then(|| digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// An iterator over the words between white space, commas, colons, quotes and comments. No word is empty.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let divides = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b',' | b':' | b'(' | b'"');
        loop {
            match self.rest {
                [] => return None,
                [b'(', ..] => self.rest = &self.rest[super::mime_field::comment_len(self.rest)..],
                [byte, rest @ ..] if divides(byte) => self.rest = rest,
                _ => break,
            }
        }
        let len = self.rest.iter().position(divides).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_of_every_form_in_use_are_read() {
        for (text, expected) in [
            ("Tue, 10 Mar 2026 15:00:00 Z", "2026-03-10T15:00:00Z"),
            (" Mon, 23 Nov 2026 00:36:24 +0900\r\n", "2026-11-22T15:36:24Z"),
            ("21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"),
            ("Fri,\r\n 21 Nov 1997 09(comment):55:06 -0600 (CST \\) (nested))", "1997-11-21T15:55:06Z"),
            ("Thu, 5 Mar 126 10:00 EDT", "2026-03-05T14:00:00Z"),
            ("5 MARCH 2026 10:00:60", "2026-03-05T10:00:59Z"),
            ("Thu, 5 Mar 2026 10:00:00 +05:30", "2026-03-05T04:30:00Z"),
            ("Thu, 5 Mar 2026 10:00:00 +05", "2026-03-05T05:00:00Z"),
            ("Thu, 5 Mar 2026 10:00:00.25 +0100", "2026-03-05T09:00:00Z"),
            ("Thu, 5 Mar 2026 10:00:00 A", "2026-03-05T10:00:00Z"),
            ("Thu, 5 Mar 2026 10:00:30Z", "2026-03-05T10:00:30Z"),
            ("Thu, 5 Mar 2026 10:00:30+0100", "2026-03-05T09:00:30Z"),
            ("Thu, 5 Mar 2026 10:00:30.5-05:30", "2026-03-05T15:30:30Z"),
            ("Thu, 5 Mar 2026 10:00:00 +1", "2026-03-05T09:00:00Z"),
            ("Thu, 5 Mar 2026 10:00:00 -930", "2026-03-05T19:30:00Z"),
            ("\"Thu, 5 Mar 2026 10:00:00 +0100\"", "2026-03-05T09:00:00Z"),
            ("Thu, 5 Mar 2026 10:00:00 -0000", "2026-03-05T10:00:00Z"),
        ] {
            assert_eq!(parse_date(text.as_bytes()), Some(expected.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "Mon",
            "31 Feb 2026 10:00:00 Z",
            "5 Xyz 2026 10:00 Z",
            "5 Mar 2026",
            "5 Mar 2026 24:00:00 Z",
            "5 Mar 2026 10:60:00 Z",
            "5 Mar 2026 10:00:61 Z",
            "5 Mar 99999 10:00 +9999",
            "5 Mar 2026 10:00:00 +",
            "5 Mar 2026 10:00:00 +10000",
            "5 Mar 20260 10:00:00 +0060",
            "((((5 Mar 2026 10:00 Z",
        ] {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_date_as_written_by_rfc_5322_reads_back(secs in 0..250_000_000_000_i64, minutes in -1439..1440_i32) {
            let zone = chrono::FixedOffset::east_opt(minutes * 60).unwrap();
            let instant = DateTime::from_timestamp(secs, 0).unwrap();
            prop_assert_eq!(parse_date(instant.with_timezone(&zone).to_rfc2822().as_bytes()), Some(instant));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop_oneof![any::<Vec<u8>>(), "[0-9 ,:+()a-zA-Z-]{0,40}".prop_map(String::into_bytes)]) {
            let _ = parse_date(&bytes);
        }
    }
}
