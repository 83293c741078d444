//! [`Reply`], and [`ReplyReader`], which splits a server's bytes into replies.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

#[cfg(feature = "smtp")]
use bytes::{Buf as _, BufMut as _, BytesMut};
#[cfg(feature = "smtp")]
use memchr::memchr;

use super::EnhancedStatus;

/// A server's reply: its code, its enhanced status code, and its text for an operator to read.
///
/// Both sides use it: a client reads it from the connection, a server writes it there.
///
/// # Source
///
/// RFC 5321 §4.2; RFC 2034 §4 for the enhanced status code.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The three-digit reply code, or 0 when the connection ended before a reply came.
    pub code: u16,
    /// The enhanced status code, if the reply has one.
    pub status: Option<EnhancedStatus>,
    /// The text without the enhanced status code, in one line of at most 512 characters without controls.
    pub text: Cow<'static, str>,
}

impl Reply {
    /// A reply with this text, which may begin with an enhanced status code.
    ///
    /// ```
    /// use voicemail::smtp::Reply;
    ///
    /// let reply = Reply::new(452, "4.2.2 mailbox full");
    /// assert!(reply.says_mailbox_full() && reply.text == "mailbox full");
    /// assert_eq!(reply.to_string(), "452 4.2.2 mailbox full");
    /// ```
    pub fn new(code: u16, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        match EnhancedStatus::split_off(code, text) {
            Some((status, rest)) => Self { code, status: Some(status), text: one_line(rest) },
            None => Self { code, status: None, text: one_line(text) },
        }
    }

    /// A constant reply. An empty `status` stands for none.
    #[cfg(feature = "smtp")]
    pub(super) const fn constant(code: u16, status: &'static str, text: &'static str) -> Self {
        let parsed = EnhancedStatus::parse(status.as_bytes());
        assert!(status.is_empty() || parsed.is_some(), "an enhanced status code reads like 2.0.0");
        Self { code, status: parsed, text: Cow::Borrowed(text) }
    }

    /// A reply with a status and a text that is made when it is needed. An empty `status` stands for none.
    #[cfg(feature = "smtp")]
    pub(crate) fn with_status(code: u16, status: &'static str, text: impl fmt::Display) -> Self {
        Self { code, status: status.parse().ok(), text: one_line(text) }
    }

    /// A placeholder for a reply that never came, with the reason as its text.
    pub fn missing(reason: impl fmt::Display) -> Self {
        Self { code: 0, status: None, text: one_line(reason) }
    }

    /// Whether the server has completed the command: the code is 2yz.
    pub fn is_positive(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether the server will refuse the same command again: the code is 5yz.
    pub fn is_refusal(&self) -> bool {
        self.code >= 500
    }

    /// Whether the reply is about the whole node, not one mailbox or message: 421, or a status of `4.3`, such as a full disk.
    ///
    /// # Source
    ///
    /// RFC 5321 §3.8 for 421; RFC 3463 §3.4 for the mail system's status.
    pub fn is_about_the_node(&self) -> bool {
        self.code == 421 || self.is_status(4, 3, None)
    }

    /// Whether the reply says that the mailbox is full.
    ///
    /// # Source
    ///
    /// RFC 3463 §3.3: the detail 2 of the mailbox status.
    pub fn says_mailbox_full(&self) -> bool {
        self.is_status(4, 2, Some(2)) || self.is_status(5, 2, Some(2))
    }

    /// Whether the reply says that the server never accepts a message of this size.
    ///
    /// # Source
    ///
    /// RFC 3463 §3.3 and §3.4: the detail 3 of the mailbox status, the detail 4 of the system's.
    #[cfg(feature = "smtp")]
    pub(crate) fn says_too_big(&self) -> bool {
        self.is_status(5, 2, Some(3)) || self.is_status(5, 3, Some(4))
    }

    /// Whether the status is about an address (RFC 3463 §3.2), as it is in the positive replies to MAIL and RCPT.
    #[cfg(feature = "smtp")]
    pub(crate) fn is_about_an_address(&self) -> bool {
        self.status.is_some_and(|status| status.subject() == 1)
    }

    /// Whether the status is that of a valid sender: 2.1.0.
    #[cfg(feature = "smtp")]
    pub(crate) fn is_about_a_sender(&self) -> bool {
        self.is_status(2, 1, Some(0))
    }

    /// Whether the status is that of a valid recipient: 2.1.5.
    #[cfg(feature = "smtp")]
    pub(crate) fn is_about_a_recipient(&self) -> bool {
        self.is_status(2, 1, Some(5))
    }

    /// Writes the reply as one line of at most 512 bytes of printable ASCII, its CR LF included; question marks stand for other characters.
    ///
    /// # Source
    ///
    /// RFC 5321 §4.2 and §4.5.3.1.5.
    #[cfg(feature = "smtp")]
    pub(crate) fn write_to(&self, output: &mut BytesMut) {
        let end = output.len() + MAX_REPLY_LINE - b"\r\n".len();
        put_number(output, self.code);
        output.put_u8(b' ');
        if let Some(status) = self.status {
            put_number(output, status.class().into());
            output.put_u8(b'.');
            put_number(output, status.subject());
            output.put_u8(b'.');
            put_number(output, status.detail());
            output.put_u8(b' ');
        }
        let printable = |byte: &u8| matches!(byte, b' '..=b'~');
        if self.text.as_bytes().iter().all(printable) {
            let text = self.text.as_bytes();
            output.put_slice(&text[..text.len().min(end - output.len())]);
        } else {
            let fits = end - output.len();
            let chars = self.text.chars().map(|c| u8::try_from(c).ok().filter(printable).unwrap_or(b'?'));
            output.extend(chars.take(fits));
        }
        output.put_slice(b"\r\n");
    }

    fn is_status(&self, class: u8, subject: u16, detail: Option<u16>) -> bool {
        let fits = |status: EnhancedStatus| {
            status.class() == class && status.subject() == subject && detail.is_none_or(|detail| status.detail() == detail)
        };
        self.status.is_some_and(fits)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.status) {
            (0, _) => f.write_str(&self.text),
            (code, Some(status)) => write!(f, "{code} {status} {}", self.text),
            (code, None) => write!(f, "{code} {}", self.text),
        }
    }
}

/// A reply whose lines are still separate, as the reply to EHLO needs them.
#[cfg(feature = "smtp")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawReply {
    code: u16,
    lines: Vec<String>,
}

#[cfg(feature = "smtp")]
impl RawReply {
    /// Returns the texts of the lines.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(feature = "smtp")]
impl From<RawReply> for Reply {
    fn from(RawReply { code, lines }: RawReply) -> Self {
        let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
        Self::new(code, lines.join(" "))
    }
}

/// Splits the bytes that a server sends into replies.
///
/// The text of a reply is ASCII without controls, in fewer than [`MAX_LINES`] lines of at most [`MAX_LINE_CHARS`] characters.
#[cfg(feature = "smtp")]
#[derive(Debug, Default)]
pub(crate) struct ReplyReader {
    bytes: BytesMut,
    /// The code and the lines of a reply whose last line has not arrived yet.
    partial: Option<RawReply>,
}

#[cfg(feature = "smtp")]
impl ReplyReader {
    /// Takes in bytes that the server sent.
    pub(crate) fn handle_input(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next reply, or `None` until all of it has arrived.
    ///
    /// # Errors
    ///
    /// A [`ReplyError`] if the bytes are no reply; nothing after them can be read.
    pub(crate) fn poll_reply(&mut self) -> Result<Option<RawReply>, ReplyError> {
        while let Some(line) = self.poll_line()? {
            let (code, is_last, text) = read_line(&line).ok_or(ReplyError::Malformed)?;
            let reply = self.partial.get_or_insert_with(|| RawReply { code, lines: Vec::new() });
            // RFC 5321 §4.2.1: the code is the same in all lines.
            if reply.code != code {
                return Err(ReplyError::Malformed);
            }
            reply.lines.push(text.to_owned());
            if is_last {
                return Ok(self.partial.take());
            }
            if reply.lines.len() >= MAX_LINES {
                return Err(ReplyError::TooManyLines);
            }
        }
        Ok(None)
    }

    /// Whether no bytes are left, not even part of a line.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.partial.is_none()
    }

    fn poll_line(&mut self) -> Result<Option<String>, ReplyError> {
        let end = match memchr(b'\n', &self.bytes) {
            Some(end) if end < MAX_RAW_LINE_BYTES => end,
            None if self.bytes.len() < MAX_RAW_LINE_BYTES => return Ok(None),
            Some(_) | None => return Err(ReplyError::LineTooLong),
        };
        let line = printable_line(&self.bytes[..end]);
        self.bytes.advance(end + 1);
        Ok(Some(line))
    }
}

/// The reason why bytes are no reply.
#[cfg(feature = "smtp")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("a line that is no reply")]
    Malformed,
    #[error("a line of more than {MAX_RAW_LINE_BYTES} bytes")]
    LineTooLong,
    #[error("a reply of more than {MAX_LINES} lines")]
    TooManyLines,
}

/// Returns the code, whether the line is the reply's last, and the text. RFC 5321 §4.2; by §4.3.2 only the first digit has to be known.
#[cfg(feature = "smtp")]
fn read_line(line: &str) -> Option<(u16, bool, &str)> {
    let (code, rest) = line.split_at_checked(3)?;
    let [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9'] = code.as_bytes() else { return None };
    let is_last = match rest.as_bytes().first() {
        // The space is optional where no text follows.
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    Some((code.parse().ok()?, is_last, rest.get(1..).unwrap_or_default()))
}

#[cfg(feature = "smtp")]
fn printable_line(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        0x80.. => '?',
        _ => ' ',
    };
    line.iter().take(MAX_LINE_CHARS).map(printable).collect()
}

/// At most 512 characters without controls, as [`Reply`] promises.
fn one_line(text: impl fmt::Display) -> Cow<'static, str> {
    let mut line = OneLine { text: String::new(), chars: 0 };
    // A text that is too long is cut, which is no failure.
    let _ = write!(line, "{text}");
    line.text.into()
}

/// Collects text, up to the length that a reply may have.
struct OneLine {
    text: String,
    chars: usize,
}

impl fmt::Write for OneLine {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars().take(MAX_TEXT_CHARS - self.chars) {
            self.text.push(if c.is_control() { '?' } else { c });
            self.chars += 1;
        }
        Ok(())
    }
}

#[cfg(feature = "smtp")]
fn put_number(output: &mut BytesMut, number: u16) {
    let digit = |unit: u16| b'0' + u8::try_from(number / unit % 10).unwrap_or_default();
    for unit in [10_000, 1000, 100, 10] {
        if number >= unit {
            output.put_u8(digit(unit));
        }
    }
    output.put_u8(digit(1));
}

/// Reads `bytes` as replies until they are none: each must be bounded and without controls.
#[cfg(any(test, doc, feature = "conformance"))]
#[cfg(feature = "smtp")]
pub(crate) fn read_hostile_replies(bytes: &[u8]) {
    let mut reader = ReplyReader::default();
    for piece in bytes.chunks(2048) {
        reader.handle_input(piece);
        while let Ok(Some(raw)) = reader.poll_reply() {
            assert!(raw.lines.len() <= MAX_LINES, "a reply has an end");
            for line in raw.lines() {
                assert!(line.len() <= MAX_LINE_CHARS && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line:?}");
            }
            let _ = super::extensions::Extensions::read(raw.lines(), "vm1.example");
            let reply = Reply::from(raw);
            assert!(reply.text.chars().count() <= MAX_TEXT_CHARS && !reply.text.contains(char::is_control), "{reply:?}");
        }
    }
}

const MAX_TEXT_CHARS: usize = 512;
/// RFC 5321 §4.5.3.1.5.
#[cfg(feature = "smtp")]
const MAX_REPLY_LINE: usize = 512;
#[cfg(feature = "smtp")]
const MAX_LINE_CHARS: usize = 900;
#[cfg(feature = "smtp")]
const MAX_LINES: usize = 128;
#[cfg(feature = "smtp")]
const MAX_RAW_LINE_BYTES: usize = 8 * 1024;

#[cfg(feature = "smtp")]
#[cfg(test)]
mod tests {
    use super::*;

    fn replies(pieces: &[&[u8]]) -> Vec<Reply> {
        let mut reader = ReplyReader::default();
        let mut out = Vec::new();
        for piece in pieces {
            reader.handle_input(piece);
            while let Some(reply) = reader.poll_reply().unwrap() {
                out.push(reply.into());
            }
        }
        out
    }

    #[test]
    fn replies_come_out_whole_however_they_came_in() {
        let sent = b"250-2.1.0 first\r\n250 second\r\n354\r\n";
        let whole = replies(&[sent]);
        assert_eq!(whole, [Reply::new(250, "2.1.0 first second"), Reply::new(354, "")]);
        assert_eq!(whole[0].to_string(), "250 2.1.0 first second");
        for cut in 0..sent.len() {
            assert_eq!(replies(&[&sent[..cut], &sent[cut..]]), whole);
        }
    }

    #[test]
    fn controls_and_other_alphabets_do_not_come_through() {
        assert_eq!(replies(&[b"250 Gr\xf6\xdfe\x1b[2J\t\0ok\n"])[0].text, "Gr??e [2J  ok");
    }

    fn written(reply: &Reply) -> String {
        let mut output = BytesMut::new();
        reply.write_to(&mut output);
        String::from_utf8(output.to_vec()).unwrap()
    }

    #[test]
    fn a_reply_is_written_as_one_short_line_of_ascii() {
        let reply = Reply::with_status(554, "5.6.1", format_args!("caf\u{e9}\r\n250 ok {}", "x".repeat(1000)));
        let line = written(&reply);
        assert!(line.starts_with("554 5.6.1 caf???250 ok xxx") && line.ends_with("xx\r\n"));
        assert_eq!((line.len(), line.find('\n')), (512, Some(511)));
        let mut changed = Reply::new(550, "5.1.1 ");
        changed.text = "no\r\n250 yes".into();
        assert_eq!(written(&changed), "550 5.1.1 no??250 yes\r\n", "no text ends the line");
        changed.text = "y".repeat(600).into();
        assert_eq!(written(&changed).len(), 512);
    }

    #[test]
    fn every_number_of_a_reply_is_written_as_it_is() {
        for (code, status, line) in [
            (354, "", "354 go\r\n"),
            (250, "2.0.0", "250 2.0.0 go\r\n"),
            (538, "5.7.11", "538 5.7.11 go\r\n"),
            (450, "4.123.101", "450 4.123.101 go\r\n"),
        ] {
            assert_eq!(written(&Reply::with_status(code, status, "go")), line);
            assert_eq!(written(&Reply::new(code, format!("{status} go"))).replace("  ", " "), line);
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for bytes in ["25\r\n", "650 x\r\n", "199 x\r\n", "250x\r\n", "250-a\r\n251 b\r\n", "hello\r\n", "\r\n"] {
            let mut reader = ReplyReader::default();
            reader.handle_input(bytes.as_bytes());
            assert_eq!(reader.poll_reply(), Err(ReplyError::Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_an_endless_one_is_an_error() {
        let long = [b"250 ".as_slice(), &[b'x'; 5000], b"\r\n"].concat();
        assert_eq!(replies(&[&long])[0].text.len(), MAX_TEXT_CHARS);
        let mut endless = ReplyReader::default();
        endless.handle_input(&[b'x'; MAX_RAW_LINE_BYTES]);
        assert_eq!(endless.poll_reply(), Err(ReplyError::LineTooLong));
        let mut endless = ReplyReader::default();
        endless.handle_input("250-x\r\n".repeat(MAX_LINES).as_bytes());
        assert_eq!(endless.poll_reply(), Err(ReplyError::TooManyLines));
    }
}
