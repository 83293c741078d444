//! [`Digit`]: a key of a telephone.

/// A key of a telephone: `0` to `9`, `*` or `#`. A telephone has no other keys, so this enum is exhaustive on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digit {
    /// The key `0` to `9`.
    Number(u8),
    /// The key `*`.
    Star,
    /// The key `#`.
    Pound,
}

impl Digit {
    /// Returns the key that has `c` printed on it; `None` for any other character.
    ///
    /// ```
    /// use voicemail::telephone::Digit;
    ///
    /// assert_eq!(Digit::from_char('7'), Some(Digit::Number(7)));
    /// assert_eq!(Digit::from_char('A'), None);
    /// ```
    pub fn from_char(c: char) -> Option<Self> {
        match c {
            '*' => Some(Self::Star),
            '#' => Some(Self::Pound),
            _ => c.to_digit(10).and_then(|number| u8::try_from(number).ok()).map(Self::Number),
        }
    }
}
