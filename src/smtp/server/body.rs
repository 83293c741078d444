//! [`Body`]: a message as it arrives, and [`DotReader`], which finds the end of one that comes with DATA.

use bytes::buf::Limit;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::READ_ROOM;
use super::reply::{self, Reply};

/// The bytes of one message: our trace, then what the peer sends.
///
/// Whatever arrives is copied once, into place; what is stored is this buffer. Of a long message, only a piece is here: the others were
/// spilled, to where the store wants them.
#[derive(Debug)]
pub(super) struct Body {
    mail: BytesMut,
    /// How many bytes the trace has.
    trace: usize,
    announced: usize,
    limit: usize,
    /// How many bytes of the mail were spilled, trace included.
    spilled: usize,
    /// Whether there is nowhere to spill anything to.
    stays_in_memory: bool,
}

impl Body {
    /// A body that may grow to `limit` bytes and is said to become `announced` bytes long. It takes memory once it is opened.
    pub(super) fn new(announced: usize, limit: usize) -> Self {
        Self { mail: BytesMut::new(), trace: 0, announced, limit, spilled: 0, stays_in_memory: false }
    }

    /// Begins the message with `trace`, which no limit counts.
    pub(super) fn open(&mut self, trace: &str) {
        let ahead = if self.is_long() { PIECE } else { self.announced.min(self.limit).min(LONG) };
        self.mail.reserve(trace.len() + ahead + SLACK);
        self.mail.extend_from_slice(trace.as_bytes());
        self.trace = trace.len();
    }

    /// Whether it has begun.
    pub(super) fn is_open(&self) -> bool {
        self.trace > 0
    }

    /// How many bytes the peer has sent.
    pub(super) fn len(&self) -> usize {
        self.spilled + self.mail.len() - self.trace
    }

    /// How many of them are here.
    pub(super) fn held(&self) -> usize {
        self.mail.len() - self.trace.saturating_sub(self.spilled)
    }

    /// How many bytes of the mail were spilled.
    pub(super) fn spilled(&self) -> usize {
        self.spilled
    }

    /// Whether it is spilled in pieces, as far as is known.
    pub(super) fn is_long(&self) -> bool {
        !self.stays_in_memory && (self.announced > LONG || self.spilled > 0)
    }

    /// Whether `due` more bytes are too many for the memory set aside, and what is here has to go first; if so many bytes are set aside.
    pub(super) fn must_spill(&self, due: usize, room: usize) -> bool {
        let held = self.held();
        if self.is_long() {
            held >= PIECE || held > 0 && held + due > PIECE
        } else {
            !self.stays_in_memory && room >= LONG && held + due > room
        }
    }

    /// Room for at most `most` bytes more, as far as the limit allows any, to read them straight into place.
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

    /// Takes out what can be spilled: all, or all whole lines of a text whose lines may be so long; then nothing, if none is whole.
    pub(super) fn split_off(&mut self, text_line: Option<usize>) -> Result<Option<Bytes>, Reply> {
        let mut end = self.mail.len();
        if let Some(limit) = text_line {
            let Some(lines) = memchr::memrchr(b'\n', &self.mail) else {
                return if self.held() > limit + 2 { Err(reply::TEXT_LINE_TOO_LONG) } else { Ok(None) };
            };
            end = lines + 1;
            check_lines(&self.mail[self.trace.saturating_sub(self.spilled).min(end)..end], limit)?;
        }
        self.spilled += end;
        Ok(Some(self.mail.split_to(end).freeze()))
    }

    /// Takes back what was split off first, because there is nowhere to spill it to.
    pub(super) fn take_back(&mut self, bytes: &[u8]) {
        let mut mail = BytesMut::with_capacity(bytes.len() + self.announced.min(self.limit).min(LONG) + SLACK);
        mail.extend_from_slice(bytes);
        mail.extend_from_slice(&self.mail);
        (self.mail, self.spilled, self.stays_in_memory) = (mail, 0, true);
    }

    /// What is here: the whole, trace included, or the rest.
    pub(super) fn freeze(self) -> Bytes {
        self.mail.freeze()
    }
}

/// Where the bytes of a message go.
#[derive(Debug)]
pub(super) enum BodySink {
    /// They are kept.
    Keep(Body),
    /// They are counted and dropped, because the message is refused already.
    Discard { refusal: Reply, discarded: usize },
}

impl BodySink {
    /// Takes in the next bytes; a body that grows too big is dropped at once.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        match self {
            Self::Keep(body) if bytes.len() <= body.limit - body.len() => body.mail.extend_from_slice(bytes),
            Self::Keep(body) => *self = Self::Discard { refusal: reply::TOO_BIG, discarded: body.len() + bytes.len() },
            Self::Discard { discarded, .. } => *discarded = discarded.saturating_add(bytes.len()),
        }
    }

    /// Refuses the message for what it is, unless it is refused already.
    pub(super) fn refuse(&mut self, refusal: Reply) {
        if let Self::Keep(body) = self {
            *self = Self::Discard { refusal, discarded: body.len() };
        }
    }
}

/// Reads a message that ends with a dot on a line by itself, and takes out the dots that its sender put in.
///
/// Only CR LF ends a line. A dot between other ends is no end here, but may be one for somebody else: two messages for one of
/// us and one for the other. Such a message is told apart, to be refused.
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

    /// Whether there was a dot between line ends of which one was no CR LF.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Reads `input`, hands the message's bytes to `take`, and answers how much of `input` is done with, and whether that was all.
    ///
    /// The last few bytes stay where they are when they may belong to the end: whoever calls again shows them again.
    pub(super) fn read(&mut self, input: &[u8], mut take: impl FnMut(&[u8])) -> (usize, bool) {
        let mut done = 0;
        if !self.begun {
            // The message begins as if after CR LF.
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
    if has_line_longer(text, limit) { Err(reply::TEXT_LINE_TOO_LONG) } else { Ok(()) }
}

/// Leaps from the last line end within reach to the next, so that short lines cost nothing.
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

/// What may follow the CR LF before the final dot, and must be seen with it.
const LOOK_AHEAD: usize = 4;

/// The longest message that is in memory whole, if the store has a place for longer ones; and the most that is reserved on a peer's word
/// alone.
pub(super) const LONG: usize = 1024 * 1024;

/// How much of a longer one is in memory at once.
const PIECE: usize = 64 * 1024;

/// Senders count a final line end differently.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input` in pieces that end at `cuts`, as a socket would deliver it; answers the message and what follows it.
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
    fn a_dot_between_other_line_ends_is_no_end_and_is_told_apart() {
        for trick in ["\n.\n", "\n.\r\n", "\r.\r\n", "\r.\r", "\r.\n", "\n.\r", "\r\n.\n", "\r\n.\r"] {
            let (_, rest, ambiguous) = whole(&format!("a{trick}MAIL FROM:<x@y>\r\n.\r\n"));
            assert_eq!((rest.as_deref(), ambiguous), (Some(""), true), "{trick:?}");
        }
        let (_, rest, ambiguous) = whole(".\nb\r\n.\r\n");
        assert_eq!((rest.as_deref(), ambiguous), (Some(""), true));
    }

    #[test]
    fn what_follows_the_message_makes_it_no_trick() {
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

    /// What RFC 5321 says, byte by byte.
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
