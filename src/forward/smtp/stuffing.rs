//! Dot-stuffing: a message as DATA carries it.

use bytes::Bytes;
use memchr::memmem;

/// The pieces of a message with a dot put before each line that starts with one, and the end of data behind them.
///
/// The bytes of the message are not copied: what comes out are slices of them, with the dots between.
///
/// # Source
///
/// RFC 5321 §4.5.2.
pub(super) fn stuffed(parts: &[Bytes]) -> Vec<Bytes> {
    let mut pieces = Vec::with_capacity(parts.len() + 1);
    let mut before = Before::LineEnd;
    for part in parts {
        let mut done = 0;
        for dot in leading_dots(part, before) {
            pieces.push(part.slice(done..dot));
            pieces.push(Bytes::from_static(b"."));
            done = dot;
        }
        pieces.push(part.slice(done..));
        before = before.then(part);
    }
    pieces.push(Bytes::from_static(match before {
        Before::LineEnd => b".\r\n",
        Before::CarriageReturn | Before::Other => b"\r\n.\r\n",
    }));
    pieces
}

/// The end of data alone: a message of nothing.
pub(super) fn nothing() -> Vec<Bytes> {
    stuffed(&[])
}

/// Where in `part` a dot starts a line.
fn leading_dots(part: &Bytes, before: Before) -> impl Iterator<Item = usize> {
    let first = match before {
        Before::LineEnd if part.starts_with(b".") => Some(0),
        Before::CarriageReturn if part.starts_with(b"\n.") => Some(1),
        Before::LineEnd | Before::CarriageReturn | Before::Other => None,
    };
    first.into_iter().chain(memmem::find_iter(part, b"\r\n.").map(|at| at + 2))
}

/// What came before a part.
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
        let parts: Vec<Bytes> = parts.iter().map(|part| Bytes::copy_from_slice(part.as_bytes())).collect();
        String::from_utf8(stuffed(&parts).concat()).unwrap()
    }

    #[test]
    fn a_dot_that_starts_a_line_is_doubled_wherever_the_parts_are_cut() {
        let whole = ".a\r\n.\r\n..b\r\nc.\r\n\r\n.\r\n";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let cut = stuff(&[&whole[..first], &whole[first..second], &whole[second..]]);
                assert_eq!(cut, "..a\r\n..\r\n...b\r\nc.\r\n\r\n..\r\n.\r\n", "{first} {second}");
            }
        }
    }

    #[test]
    fn the_end_of_data_starts_a_line_of_its_own() {
        assert_eq!(stuff(&["a\r\n"]), "a\r\n.\r\n");
        assert_eq!(stuff(&["a"]), "a\r\n.\r\n");
        assert_eq!(stuff(&["a\r"]), "a\r\r\n.\r\n");
        assert_eq!(nothing().concat(), b".\r\n");
    }
}
