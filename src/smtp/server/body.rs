//! [`Body`]: a message as it arrives; [`DotReader`], which finds the end of a message sent with DATA.

use bytes::buf::Limit;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::READ_ROOM;
use super::replies;
use crate::smtp::Reply;

/// The bytes of one message: the trace, then the bytes that the peer sends.
///
/// Each byte is copied once, into this buffer, which is then stored. Of a long message, the buffer holds only a piece: the pieces before it
/// were spilled to the store.
#[derive(Debug)]
pub(super) struct Body {
    mail: BytesMut,
    /// The length of the trace in bytes.
    trace: usize,
    announced: usize,
    limit: usize,
    /// The number of bytes that were spilled, trace included.
    spilled: usize,
    /// Whether the store has no place to spill the message to.
    stays_in_memory: bool,
}

impl Body {
    /// A body of at most `limit` bytes, for which MAIL has declared `announced` bytes. It takes memory once it is opened.
    pub(super) fn new(announced: usize, limit: usize) -> Self {
        Self { mail: BytesMut::new(), trace: 0, announced, limit, spilled: 0, stays_in_memory: false }
    }

    /// Begins the message with `trace`, which does not count towards the limit.
    pub(super) fn open(&mut self, trace: &str) {
        let ahead = if self.is_long() { PIECE } else { self.announced.min(self.limit).min(LONG) };
        self.mail.reserve(trace.len() + ahead + SLACK);
        self.mail.extend_from_slice(trace.as_bytes());
        self.trace = trace.len();
    }

    /// Whether the message has begun.
    pub(super) fn is_open(&self) -> bool {
        self.trace > 0
    }

    /// Returns how many bytes the peer has sent.
    pub(super) fn len(&self) -> usize {
        self.spilled + self.mail.len() - self.trace
    }

    /// Returns how many of these bytes are in memory.
    pub(super) fn held(&self) -> usize {
        self.mail.len() - self.trace.saturating_sub(self.spilled)
    }

    /// Returns how many bytes were spilled, trace included.
    pub(super) fn spilled(&self) -> usize {
        self.spilled
    }

    /// Whether the message is spilled in pieces, as far as is known.
    pub(super) fn is_long(&self) -> bool {
        !self.stays_in_memory && (self.announced > LONG || self.spilled > 0)
    }

    /// Whether the bytes in memory must be spilled before `due` more are read, if `reserved` bytes of memory are reserved.
    pub(super) fn must_spill(&self, due: usize, reserved: usize) -> bool {
        let held = self.held();
        if self.is_long() {
            held >= PIECE || held > 0 && held + due > PIECE
        } else {
            !self.stays_in_memory && reserved >= LONG && held + due > reserved
        }
    }

    /// Returns space for at most `most` more bytes within the limit, to read them directly into it.
    pub(super) fn space(&mut self, most: usize) -> Option<Limit<&mut BytesMut>> {
        let most = if self.is_long() { most.min(PIECE.saturating_sub(self.held())) } else { most };
        let most = most.min(self.limit - self.len());
        if most == 0 || !self.is_open() {
            return None;
        }
        if self.mail.capacity() == self.mail.len() {
            self.mail.reserve(most.min(READ_ROOM));
        }
        Some((&mut self.mail).limit(most))
    }

    /// Refuses a message with a line longer than `limit`.
    pub(super) fn check_lines(&self, limit: usize) -> Result<(), Reply> {
        check_lines(&self.mail[self.trace.saturating_sub(self.spilled)..], limit)
    }

    /// Removes the bytes that can be spilled: all of them, or the complete lines of a text whose lines may have `text_line` bytes. `None` if no
    /// line is complete.
    pub(super) fn split_off(&mut self, text_line: Option<usize>) -> Result<Option<Bytes>, Reply> {
        let mut end = self.mail.len();
        if let Some(limit) = text_line {
            let Some(lines) = memchr::memrchr(b'\n', &self.mail) else {
                return if self.held() > limit + 2 { Err(replies::TEXT_LINE_TOO_LONG) } else { Ok(None) };
            };
            end = lines + 1;
            check_lines(&self.mail[self.trace.saturating_sub(self.spilled).min(end)..end], limit)?;
        }
        self.spilled += end;
        Ok(Some(self.mail.split_to(end).freeze()))
    }

    /// Takes back the first bytes that were split off, because there is no place to spill them to.
    pub(super) fn take_back(&mut self, bytes: &[u8]) {
        let mut mail = BytesMut::with_capacity(bytes.len() + self.announced.min(self.limit).min(LONG) + SLACK);
        mail.extend_from_slice(bytes);
        mail.extend_from_slice(&self.mail);
        (self.mail, self.spilled, self.stays_in_memory) = (mail, 0, true);
    }

    /// Returns the bytes in memory: the whole message with its trace, or the rest of it.
    pub(super) fn freeze(self) -> Bytes {
        self.mail.freeze()
    }
}

/// The destination of the bytes of a message.
#[derive(Debug)]
pub(super) enum BodySink {
    /// The bytes are kept in this body.
    Keep(Body),
    /// The bytes are counted and discarded, because the message is refused already.
    Discard { refusal: Reply, discarded: usize },
}

impl BodySink {
    /// Adds the next bytes; a body that grows too big is discarded at once.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Keep(body) if bytes.len() <= body.limit - body.len() => body.mail.extend_from_slice(bytes),
            Self::Keep(body) => *self = Self::Discard { refusal: replies::TOO_BIG, discarded: body.len() + bytes.len() },
            Self::Discard { discarded, .. } => *discarded = discarded.saturating_add(bytes.len()),
        }
    }

    /// Refuses the message with this reply, unless it is refused already.
    pub(super) fn refuse(&mut self, refusal: Reply) {
        if let Self::Keep(body) = self {
            *self = Self::Discard { refusal, discarded: body.len() };
        }
    }
}

/// Reads a message that ends with a dot on a line by itself, and removes the dots that its sender has added.
///
/// Only CR LF ends a line. A dot between other line ends does not end the message here, but may end it for another server, which would see
/// two messages in one (SMTP smuggling). Such a message is marked as ambiguous, and refused.
///
/// # Source
///
/// RFC 5321 §4.5.2; §2.3.8 for lone CR and LF.
#[derive(Debug)]
pub(super) struct DotReader {
    begun: bool,
    ambiguous: bool,
}

impl DotReader {
    pub(super) fn new() -> Self {
        Self { begun: false, ambiguous: false }
    }

    /// Whether the message has a dot between two line ends of which one is not CR LF.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Reads `input` and passes the message's bytes to `take`; returns how many bytes of `input` were used, and whether the message has ended.
    ///
    /// The last few bytes stay unused if they may belong to the end: the next call must pass them again.
    pub(super) fn read(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) -> (usize, bool) {
        let mut done = 0;
        if !self.begun {
            // The message begins as if CR LF came before it.
            match input {
                [] | [b'.'] | [b'.', b'\r'] => return (0, false),
                [b'.', b'\r', b'\n', ..] => return (3, true),
                [b'.', next, ..] => {
                    self.ambiguous |= is_line_end(*next);
                    done = 1;
                }
                _ => {}
            }
            self.begun = true;
        }
        let start = done;
        for at in memchr::memmem::find_iter(&input[start..], b"\n.") {
            let at = start + at;
            let Some(&[first, second]) = input.get(at + 2..at + 4) else { break };
            let after_crlf = at > 0 && input[at - 1] == b'\r';
            if after_crlf && [first, second] == *b"\r\n" {
                take(&input[done..=at]);
                self.look_for_bare_cr(&input[start..at]);
                return (at + 4, true);
            }
            self.ambiguous |= is_line_end(first);
            if after_crlf {
                take(&input[done..=at]);
                done = at + 2;
            }
        }
        self.look_for_bare_cr(&input[start..]);
        let tail = done.max(input.len().saturating_sub(LOOK_AHEAD));
        let end = memchr::memchr2(b'\r', b'\n', &input[tail..]).map_or(input.len(), |at| tail + at);
        if end > done {
            take(&input[done..end]);
        }
        (end, false)
    }

    fn look_for_bare_cr(&mut self, input: &[u8]) {
        let followed = |at: usize| input.get(at + 2).is_some_and(|byte| is_line_end(*byte));
        self.ambiguous = self.ambiguous || memchr::memmem::find_iter(input, b"\r.").any(followed);
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn check_lines(text: &[u8], limit: usize) -> Result<(), Reply> {
    if has_line_longer(text, limit) { Err(replies::TEXT_LINE_TOO_LONG) } else { Ok(()) }
}

/// Jumps from line end to line end, each the last within the limit, so that short lines cost nothing.
fn has_line_longer(text: &[u8], limit: usize) -> bool {
    let mut rest = text;
    // A line of `limit` bytes may be followed by CR LF.
    while rest.len() > limit {
        let reach = rest.len().min(limit + 2);
        match memchr::memrchr(b'\n', &rest[..reach]) {
            Some(end) => rest = &rest[end + 1..],
            None => return true,
        }
    }
    false
}

/// The number of bytes at the end of the input in which an end of the message may begin.
const LOOK_AHEAD: usize = 4;

/// The longest message that is held in memory as a whole, if longer ones can be spilled; and the most that is reserved because of a declared
/// size.
pub(super) const LONG: usize = 1024 * 1024;

/// The length of the pieces in which a longer message is spilled.
const PIECE: usize = 64 * 1024;

/// Additional bytes, because senders count a final line end differently.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input` in pieces that end at `cuts`, as a socket would deliver it; returns the message, the bytes after it, and whether it is
    /// ambiguous.
    fn read(input: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Vec<u8>>, bool) {
        let (mut reader, mut message, mut waiting) = (DotReader::new(), Vec::new(), Vec::new());
        let mut from = 0;
        for to in cuts.iter().copied().chain([input.len()]) {
            waiting.extend_from_slice(&input[from..to]);
            from = to;
            let (done, ended) = reader.read(&waiting, |bytes| message.extend_from_slice(bytes));
            waiting.drain(..done);
            if ended {
                waiting.extend_from_slice(&input[from..]);
                return (message, Some(waiting), reader.is_ambiguous());
            }
        }
        (message, None, reader.is_ambiguous())
    }

    fn whole(input: &str) -> (String, Option<String>, bool) {
        let (message, rest, ambiguous) = read(input.as_bytes(), &[]);
        (String::from_utf8(message).unwrap(), rest.map(|rest| String::from_utf8(rest).unwrap()), ambiguous)
    }

    #[test]
    fn only_a_dot_between_two_crlf_ends_a_message() {
        let ended = |message: &str, rest: &str| (message.to_owned(), Some(rest.to_owned()), false);
        assert_eq!(whole(".\r\nQUIT\r\n"), ended("", "QUIT\r\n"));
        assert_eq!(whole("a\r\n.\r\n"), ended("a\r\n", ""));
        assert_eq!(whole("a\r\n..b\r\n...\r\n.\r\n"), ended("a\r\n.b\r\n..\r\n", ""));
        assert_eq!(whole("..a\r\n.\r\n.\r\n"), ended(".a\r\n", ".\r\n"));
        assert_eq!(whole(".a\r\n.\r\n"), ended("a\r\n", ""));
        assert_eq!(whole("a.\r\nb\r.c\n.d\r\n.\r\n"), ended("a.\r\nb\r.c\n.d\r\n", ""));
        assert_eq!(whole("\r\n.\r\n"), ended("\r\n", ""));
    }

    #[test]
    fn a_dot_between_other_line_ends_is_no_end_but_ambiguous() {
        for trick in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r.\n", "\n.\r", "\r\n.\n", "\r\n.\r"] {
            let (_, rest, ambiguous) = whole(&format!("a{trick}MAIL FROM:<x@y>\r\n.\r\n"));
            assert_eq!((rest.as_deref(), ambiguous), (Some(""), true), "{trick:?}");
        }
        let (_, rest, ambiguous) = whole(".\nb\r\n.\r\n");
        assert_eq!((rest.as_deref(), ambiguous), (Some(""), true));
    }

    #[test]
    fn bytes_after_the_message_do_not_make_it_ambiguous() {
        assert_eq!(whole("a\r\n.\r\n\r.\r"), ("a\r\n".into(), Some("\r.\r".into()), false));
    }

    #[test]
    fn a_line_may_be_as_long_as_the_limit_and_no_longer() {
        let text =
            |lengths: &[usize]| lengths.iter().flat_map(|len| [vec![b'x'; *len], b"\r\n".to_vec()].concat()).collect::<Vec<_>>();
        for (lengths, longer) in
            [(&[10][..], false), (&[11], true), (&[3, 10, 4], false), (&[3, 11, 4], true), (&[9, 1, 0, 10], false), (&[], false)]
        {
            assert_eq!(has_line_longer(&text(lengths), 10), longer, "{lengths:?}");
        }
        assert!(!has_line_longer(&[b'x'; 10], 10));
        assert!(has_line_longer(&[b'x'; 11], 10));
    }

    /// The rule of RFC 5321, applied line by line.
    fn slow(input: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut message = Vec::new();
        let mut rest = input;
        loop {
            if let Some(after) = rest.strip_prefix(b".\r\n") {
                return (message, Some(after.to_vec()));
            }
            rest = rest.strip_prefix(b".").unwrap_or(rest);
            let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") else {
                message.extend_from_slice(rest);
                return (message, None);
            };
            message.extend_from_slice(&rest[..end + 2]);
            rest = &rest[end + 2..];
        }
    }

    /// Line ends and dots in any order, then an end.
    fn hostile() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![3 => Just(b'\r'), 3 => Just(b'\n'), 3 => Just(b'.'), 1 => Just(b'x')], 0..40)
            .prop_map(|bytes| [&bytes[..], b"\r\n.\r\n"].concat())
    }

    proptest! {
        #[test]
        fn any_pieces_give_what_the_rule_gives(input in hostile(), cuts in proptest::collection::vec(0..45_usize, 0..6)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
            cuts.sort_unstable();
            let (message, rest, ambiguous) = read(&input, &cuts);
            let (expected, expected_rest) = slow(&input);
            prop_assert_eq!(&rest, &expected_rest);
            if rest.is_some() {
                prop_assert_eq!(message, expected);
                prop_assert_eq!(ambiguous, read(&input, &[]).2);
            }
        }
    }
}
