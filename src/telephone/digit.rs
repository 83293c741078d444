//! [`Digit`]: a key of a telephone.

/// A key of a telephone: `0` to `9`, `*` or `#`. A telephone has no other keys, so this enum is exhaustive on purpose.
///
/// ```
/// use voicemail::telephone::Digit;
///
/// assert_eq!(Digit::from_char('7'), Some(Digit::Seven));
/// assert_eq!(Digit::Seven.number(), Some(7));
/// assert_eq!(Digit::Pound.to_char(), '#');
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

    #[test]
    fn each_key_has_one_character_and_ten_have_numbers() {
        for (code, digit) in (0..).zip(Digit::ALL) {
            assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
            assert_eq!(digit.number(), (code < 10).then_some(code));
            assert_eq!(digit.number(), digit.to_char().to_digit(10).and_then(|number| number.try_into().ok()));
        }
        assert_eq!(Digit::from_char('٣'), None, "a digit of another script is on no key");
    }
}
