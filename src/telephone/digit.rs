//! [`Digit`]: a key of a telephone.

use std::fmt;

/// A key of a telephone: `0` to `9`, `*` or `#`. A telephone has no other keys, so this enum is exhaustive on purpose.
///
/// Its `Debug` does not show which key it is, because it may be one of a PIN; [`to_char`](Self::to_char) does.
///
/// ```
/// use voicemail::telephone::Digit;
///
/// assert_eq!(Digit::from_char('7'), Some(Digit::Seven));
/// assert_eq!(Digit::Seven.number(), Some(7));
/// assert_eq!(Digit::Pound.to_char(), '#');
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Digit {
    /// The key `0`.
    Zero,
    /// The key `1`.
    One,
    /// The key `2`.
    Two,
    /// The key `3`.
    Three,
    /// The key `4`.
    Four,
    /// The key `5`.
    Five,
    /// The key `6`.
    Six,
    /// The key `7`.
    Seven,
    /// The key `8`.
    Eight,
    /// The key `9`.
    Nine,
    /// The key `*`.
    Star,
    /// The key `#`.
    Pound,
}

impl fmt::Debug for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digit(..)")
    }
}

impl Digit {
    /// All keys, in the order of their codes in RFC 4733.
    pub const ALL: [Self; 12] = [
        Self::Zero,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Four,
        Self::Five,
        Self::Six,
        Self::Seven,
        Self::Eight,
        Self::Nine,
        Self::Star,
        Self::Pound,
    ];

    /// Returns the key that has `c` printed on it; `None` for any other character.
    ///
    /// ```
    /// use voicemail::telephone::Digit;
    ///
    /// assert_eq!(Digit::from_char('*'), Some(Digit::Star));
    /// assert_eq!(Digit::from_char('A'), None);
    /// ```
    pub fn from_char(c: char) -> Option<Self> {
        Self::ALL.into_iter().find(|digit| digit.to_char() == c)
    }

    /// Returns the key of a telephone event in RTP: 0 to 9, 10 for `*`, 11 for `#`; `None` for any other event.
    ///
    /// # Source
    ///
    /// RFC 4733 §3.2, table 3.
    pub fn from_event(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Returns the key in the body of a SIP INFO request with this content type; `None` if there is none.
    ///
    /// Read are `application/dtmf-relay`, whose line `Signal=5` names the key, and `application/dtmf`, whose body is the key. `*` and `#` are
    /// also written as 10 and 11. A PBX answers 200 in any case. It ignores INFO when telephone events come by RTP, as some telephones send
    /// each key in both ways.
    ///
    /// ```
    /// use voicemail::telephone::Digit;
    ///
    /// let body = b"Signal=5\r\nDuration=160\r\n";
    /// assert_eq!(Digit::from_info("application/dtmf-relay", body), Some(Digit::Five));
    /// assert_eq!(Digit::from_info("application/dtmf", b"#"), Some(Digit::Pound));
    /// assert_eq!(Digit::from_info("text/plain", b"5"), None);
    /// ```
    pub fn from_info(content_type: &str, body: &[u8]) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let body = std::str::from_utf8(body).ok()?;
        let signal = if media_type.eq_ignore_ascii_case("application/dtmf-relay") {
            let mut fields = body.split(['\r', '\n']).filter_map(|line| line.split_once('='));
            fields.find(|(name, _)| name.trim().eq_ignore_ascii_case("signal"))?.1
        } else if media_type.eq_ignore_ascii_case("application/dtmf") {
            body
        } else {
            return None;
        };
        match signal.trim() {
            "10" => Some(Self::Star),
            "11" => Some(Self::Pound),
            signal => {
                let mut chars = signal.chars();
                Self::from_char(chars.next()?).filter(|_| chars.next().is_none())
            }
        }
    }

    /// Returns the character that is printed on the key.
    pub const fn to_char(self) -> char {
        match self {
            Self::Zero => '0',
            Self::One => '1',
            Self::Two => '2',
            Self::Three => '3',
            Self::Four => '4',
            Self::Five => '5',
            Self::Six => '6',
            Self::Seven => '7',
            Self::Eight => '8',
            Self::Nine => '9',
            Self::Star => '*',
            Self::Pound => '#',
        }
    }

    /// Returns the number on the key, 0 to 9; `None` for `*` and `#`.
    pub const fn number(self) -> Option<u8> {
        match self {
            Self::Zero => Some(0),
            Self::One => Some(1),
            Self::Two => Some(2),
            Self::Three => Some(3),
            Self::Four => Some(4),
            Self::Five => Some(5),
            Self::Six => Some(6),
            Self::Seven => Some(7),
            Self::Eight => Some(8),
            Self::Nine => Some(9),
            Self::Star | Self::Pound => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telephone::{CallerEvent, OwnerEvent};

    #[test]
    fn debug_shows_no_key() {
        let shown = Digit::ALL.map(|digit| format!("{digit:?}"));
        assert!(shown.iter().all(|one| *one == shown[0]), "{shown:?}");
        assert_eq!(format!("{:?}", OwnerEvent::Digit(Digit::Four)), format!("{:?}", OwnerEvent::Digit(Digit::Five)));
        assert_eq!(format!("{:?}", CallerEvent::Digit(Digit::Four)), format!("{:?}", CallerEvent::Digit(Digit::Five)));
    }

    #[test]
    fn each_key_has_one_character_and_ten_have_numbers() {
        for (code, digit) in (0..).zip(Digit::ALL) {
            assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
            assert_eq!(digit.number(), (code < 10).then_some(code));
            assert_eq!(digit.number(), digit.to_char().to_digit(10).and_then(|number| number.try_into().ok()));
        }
        assert_eq!(Digit::from_char('٣'), None, "a digit of another script is on no key");
    }

    #[test]
    fn an_event_is_the_key_with_its_code() {
        for code in 0..=u8::MAX {
            let expected = "0123456789*#".chars().nth(code.into());
            assert_eq!(Digit::from_event(code).map(Digit::to_char), expected, "{code}");
        }
    }

    #[test]
    fn the_key_of_an_info_request_is_found_in_each_spelling() {
        let relay = "application/dtmf-relay";
        let bodies: [(&str, &[u8], Option<char>); 21] = [
            (relay, b"Signal=5\r\nDuration=160\r\n", Some('5')),
            (relay, b"Signal= 5\r\nDuration= 160", Some('5')),
            (relay, b"Duration=160\nsignal = 5 \n", Some('5')),
            (relay, b"Signal=5", Some('5')),
            (relay, b"Signal=*\r\n", Some('*')),
            (relay, b"Signal=#\r\n", Some('#')),
            (relay, b"Signal=10\r\n", Some('*')),
            (relay, b"Signal=11\r\n", Some('#')),
            (relay, b"Signal=12\r\n", None),
            (relay, b"Signal=A\r\n", None),
            (relay, b"Signal=16\r\n", None),
            (relay, b"Signal=\r\n", None),
            (relay, b"Duration=160\r\n", None),
            (relay, b"", None),
            (relay, b"Signal=\xff\r\n", None),
            ("Application/DTMF-Relay; charset=utf-8", b"Signal=5\r\n", Some('5')),
            ("application/dtmf", b"5", Some('5')),
            ("application/dtmf ", b" #\r\n", Some('#')),
            ("application/dtmf", b"10", Some('*')),
            ("application/dtmf", b"", None),
            ("application/sdp", b"5", None),
        ];
        for (content_type, body, key) in bodies {
            assert_eq!(Digit::from_info(content_type, body).map(Digit::to_char), key, "{content_type}: {body:?}");
        }
    }
}
