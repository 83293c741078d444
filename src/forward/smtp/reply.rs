//! [`ReplyLines`]: a peer's bytes as lines of replies, fit to be read.

use std::error::Error as StdError;

use bytes::{Buf as _, BytesMut};
use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::response::Response;
use memchr::memchr;

use crate::forward::Reply;

/// Cuts what a peer sends into lines: bytes in, clean lines out.
///
/// A line comes out with its CRLF, in ASCII without controls, of at most [`MAX_LINE_CHARS`]; a code alone gets the space that its
/// grammar makes optional (RFC 5321 §4.2), because not every reader knows that.
#[derive(Debug, Default)]
pub(super) struct ReplyLines {
    bytes: BytesMut,
    continued: usize,
}

impl ReplyLines {
    /// Takes in what the peer sent.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Hands out the next line, if all of it is here.
    pub(super) fn poll_line(&mut self) -> Result<Option<String>, Endless> {
        let end = match memchr(b'\n', &self.bytes) {
            Some(end) if end < MAX_RAW_LINE_BYTES => end,
            None if self.bytes.len() < MAX_RAW_LINE_BYTES => return Ok(None),
            Some(_) | None => return Err(Endless::Line),
        };
        let line = clean(&self.bytes[..end]);
        self.bytes.advance(end + 1);
        self.continued = if is_continued(&line) { self.continued + 1 } else { 0 };
        if self.continued < MAX_LINES { Ok(Some(line)) } else { Err(Endless::Reply) }
    }

    /// Whether nothing is here, not even part of a line.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// What has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Endless {
    #[error("a line of more than {MAX_RAW_LINE_BYTES} bytes")]
    Line,
    #[error("a reply of more than {MAX_LINES} lines")]
    Reply,
}

/// Whether another line of the same reply follows. RFC 5321 §4.2.1.
pub(super) fn is_continued(line: &str) -> bool {
    line.as_bytes().get(3) == Some(&b'-')
}

fn clean(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut clean = String::with_capacity(line.len() + 3);
    clean.extend(line.iter().take(MAX_LINE_CHARS).map(|byte| match byte {
        b' '..=b'~' => char::from(*byte),
        0x80.. => '?',
        _ => ' ',
    }));
    if clean.len() == 3 && clean.bytes().all(|byte| byte.is_ascii_digit()) {
        clean.push(' ');
    }
    clean + "\r\n"
}

/// A positive reply, in our words.
pub(super) fn positive(response: &Response) -> Reply {
    let text: Vec<&str> = response.message().map(str::trim).collect();
    Reply { code: response.code().into(), text: shortened(&text.join(" ")) }
}

/// A negative reply, in our words; `None` for an error that is none.
pub(super) fn negative(error: &LettreError) -> Option<Reply> {
    let code = error.status()?.into();
    Some(Reply { code, text: shortened(error.source().map(ToString::to_string).unwrap_or_default().trim()) })
}

/// At most 512 characters, as [`Reply`] promises.
fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT_CHARS).collect()
}

const MAX_TEXT_CHARS: usize = 512;
const MAX_LINE_CHARS: usize = 900;
/// A reader may look at all lines again for each one more.
const MAX_LINES: usize = 128;
const MAX_RAW_LINE_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = ReplyLines::default();
        let mut out = Vec::new();
        for piece in pieces {
            lines.handle_bytes(piece);
            while let Some(line) = lines.poll_line().unwrap() {
                out.push(line);
            }
        }
        out
    }

    #[test]
    fn lines_come_out_whole_however_they_came_in() {
        let sent = b"250-first\r\n250 second\r\n354\r\n";
        let whole = lines(&[sent]);
        assert_eq!(whole, ["250-first\r\n", "250 second\r\n", "354 \r\n"]);
        for cut in 0..sent.len() {
            assert_eq!(lines(&[&sent[..cut], &sent[cut..]]), whole);
        }
    }

    #[test]
    fn controls_and_other_alphabets_do_not_come_through() {
        assert_eq!(lines(&[b"250 Gr\xf6\xdfe\x1b[2J\t\0ok\n"]), ["250 Gr??e [2J  ok\r\n"]);
    }

    #[test]
    fn a_long_line_is_cut_and_an_endless_one_is_an_error() {
        let long = [b"250 ".as_slice(), &[b'x'; 5000], b"\r\n"].concat();
        assert_eq!(lines(&[&long])[0].len(), MAX_LINE_CHARS + 2);

        let mut endless = ReplyLines::default();
        endless.handle_bytes(&[b'x'; MAX_RAW_LINE_BYTES]);
        assert_eq!(endless.poll_line(), Err(Endless::Line));
    }
}
