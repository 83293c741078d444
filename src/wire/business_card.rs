//! The business card of a sender, read: its name and its telephone number.

use crate::message::{Caller, CallerName, CallerNumber};

/// Reads a vCard: the first name and the first telephone number that can be read.
///
/// # Source
///
/// RFC 3801 §4.5.2 for its use; RFC 2426 for the form: `FN`, or else `N` with family and given name, and `TEL` with or without
/// punctuation. RFC 2425 §5.8.1: a line that begins with white space belongs to the one before.
pub(super) fn caller(card: &[u8]) -> Caller {
    let card = String::from_utf8_lossy(card).replace("\r\n", "\n").replace("\n ", "").replace("\n\t", "");
    let (mut number, mut formatted, mut by_parts) = (None, None, None);
    for (name, parameters, value) in card.lines().filter_map(line) {
        match name.as_str() {
            "TEL" if !parameters.contains("FAX") => number = number.or_else(|| telephone_number(value)),
            "FN" => formatted = formatted.or_else(|| CallerName::cleaned(&unescaped(value))),
            "N" => by_parts = by_parts.or_else(|| name_of_parts(value)),
            _ => {}
        }
    }
    Caller { number, name: formatted.or(by_parts) }
}

/// Reads a line as the name of a property without its group, its parameters, both in upper case, and its value; `None` where the value is
/// encoded.
fn line(line: &str) -> Option<(String, String, &str)> {
    let (head, value) = line.split_once(':')?;
    let head = head.to_ascii_uppercase();
    let (name, parameters) = head.split_once(';').unwrap_or((&head, ""));
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    (!parameters.contains("ENCODING")).then(|| (name.trim().to_owned(), parameters.to_owned(), value))
}

fn telephone_number(value: &str) -> Option<CallerNumber> {
    let value = value.trim();
    let value = value.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:")).map_or(value, |_| &value[4..]);
    let number: String = value.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    number.parse().ok()
}

/// Returns the given name and the family name of `family;given;additional;prefixes;suffixes`.
fn name_of_parts(value: &str) -> Option<CallerName> {
    let mut parts = vec![String::new()];
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match (letter, parts.last_mut()) {
            (';', _) => parts.push(String::new()),
            ('\\', Some(part)) => part.extend(['\\'].into_iter().chain(letters.next())),
            (letter, Some(part)) => part.push(letter),
            (_, None) => {}
        }
    }
    let part = |number: usize| parts.get(number).map(|part| unescaped(part)).unwrap_or_default();
    CallerName::cleaned(&format!("{} {}", part(1), part(0)))
}

/// Returns a value without its backslashes.
fn unescaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    let mut letters = value.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => text.extend(letters.next().map(|letter| if matches!(letter, 'n' | 'N') { ' ' } else { letter })),
            letter => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn name_and_number_are_read_in_every_form() {
        for (card, number, name) in [
            ("BEGIN:VCARD\r\nN:Parsons;Glenn;;Mr.;\r\nEND:VCARD\r\n", None, Some("Glenn Parsons")),
            (
                "N:Groß\nFN:J. Groß\nTEL;TYPE=FAX:1\nTEL;TYPE=VOICE,MSG:+1 (214) 555-12.34\n",
                Some("+12145551234"),
                Some("J. Groß"),
            ),
            ("item1.tel;type=cell:tel:+4930\n 1234\nn:a\\;b\\,c;d\n", Some("+49301234"), Some("d a;b,c")),
            ("TEL:unknown\nTEL:2417\nFN;ENCODING=QUOTED-PRINTABLE:a=3Db\nFN: \n", Some("2417"), None),
            ("TEL\n;:\n:\nN:\\", None, None),
            ("TEL:tél:1", None, None),
        ] {
            let caller = caller(card.as_bytes());
            assert_eq!(caller.number.as_ref().map(CallerNumber::as_str), number, "{card}");
            assert_eq!(caller.name.as_ref().map(CallerName::as_str), name, "{card}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(card in prop_oneof![any::<Vec<u8>>(), "(N|FN|TEL|\\\\|;|:|\n|é|tel:){0,20}".prop_map(String::into_bytes)]) {
            let _ = caller(&card);
        }
    }
}
