//! [`DotStuffing`]: the dots that DATA adds to a message.

use bytes::Bytes;
use memchr::memmem;

/// Puts a dot before each line of a message that starts with one.
///
/// The bytes of the message are not copied: the output consists of slices of them, with the dots between.
///
/// # Source
///
/// RFC 5321 §4.5.2.
#[derive(Debug)]
pub(crate) struct DotStuffing {
    before: Before,
}

impl Default for DotStuffing {
    /// Starts at the beginning of a message.
    fn default() -> Self {
        Self { before: Before::LineEnd }
    }
}

impl DotStuffing {
    /// Passes the next part of the message to `take`, with its dots.
    pub(crate) fn push(&mut self, part: &Bytes, mut take: impl FnMut(Bytes)) {
        let mut done = 0;
        for dot in leading_dots(part, self.before) {
            take(part.slice(done..dot));
            take(Bytes::from_static(b"."));
            done = dot;
        }
        take(part.slice(done..));
        self.before = self.before.then(part);
    }

    /// Notes that a part was sent that begins no line with a dot and ends with a line end.
    pub(crate) fn pass(&mut self) {
        self.before = Before::LineEnd;
    }

    /// Returns the bytes that end the data.
    pub(crate) fn end(self) -> Bytes {
        Bytes::from_static(match self.before {
            Before::LineEnd => b".\r\n",
            Before::CarriageReturn | Before::Other => b"\r\n.\r\n",
        })
    }
}

/// Returns the positions in `part` of dots that start a line.
fn leading_dots(part: &Bytes, before: Before) -> impl Iterator<Item = usize> {
    let first = match before {
        Before::LineEnd if part.starts_with(b".") => Some(0),
        Before::CarriageReturn if part.starts_with(b"\n.") => Some(1),
        Before::LineEnd | Before::CarriageReturn | Before::Other => None,
    };
    first.into_iter().chain(memmem::find_iter(part, b"\r\n.").map(|at| at + 2))
}

/// The end of the part before this one.
#[derive(Debug, Clone, Copy)]
enum Before {
    LineEnd,
    CarriageReturn,
    Other,
}

impl Before {
    fn then(self, part: &[u8]) -> Self {
        match (self, part) {
            (_, []) => self,
            (_, [.., b'\r', b'\n']) | (Self::CarriageReturn, [b'\n']) => Self::LineEnd,
            (_, [.., b'\r']) => Self::CarriageReturn,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stuff(parts: &[&str]) -> String {
        let (mut stuffing, mut stuffed) = (DotStuffing::default(), Vec::new());
        for part in parts {
            stuffing.push(&Bytes::copy_from_slice(part.as_bytes()), |bytes| stuffed.extend_from_slice(&bytes));
        }
        stuffed.extend_from_slice(&stuffing.end());
        String::from_utf8(stuffed).unwrap()
    }

    #[test]
    fn a_dot_that_starts_a_line_is_doubled_in_any_parts() {
        let whole = ".a\r\n.\r\n..b\r\nc.\r\n\r\n.\r\n";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let cut = stuff(&[&whole[..first], &whole[first..second], &whole[second..]]);
                assert_eq!(cut, "..a\r\n..\r\n...b\r\nc.\r\n\r\n..\r\n.\r\n", "{first} {second}");
            }
        }
    }

    #[test]
    fn the_end_of_data_starts_a_new_line() {
        assert_eq!(stuff(&["a\r\n"]), "a\r\n.\r\n");
        assert_eq!(stuff(&["a"]), "a\r\n.\r\n");
        assert_eq!(stuff(&["a\r"]), "a\r\r\n.\r\n");
        assert_eq!(stuff(&[]), ".\r\n");
    }
}
