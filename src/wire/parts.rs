//! Finding the sounds of a message among the parts of a mail.
//!
//! The search is made for hostile mail: it looks for boundaries at the beginnings of lines only, checks its limits before it uses memory,
//! and decodes only the first bytes of a part. In a mail of this crate it stops at the part that is marked as the voice message.

use std::borrow::Cow;
use std::ops::Range;
use std::{iter, mem};

use memchr::memmem;

use super::error::printable;
use super::fields::Fields;
use super::foreign::PartFacts;
use super::mime_field::MimeField;
use super::play_order::PlayOrder;
use super::transfer_decoder::{PartEncoding, TransferDecoder};
use super::{DecodeError, DecodeLimits, own};
use crate::audio::may_be_read;
use crate::message::{AudioType, ContentDigest};

/// A part of a mail that is a sound of the message.
#[derive(Debug)]
pub(super) struct SoundPart {
    /// The type of the sound.
    pub(super) media: AudioType,
    /// The transfer encoding in lower case, `7bit` when none is named.
    pub(super) encoding: String,
    /// The duration that the part announces, in seconds.
    pub(super) content_duration_secs: Option<u64>,
    /// The positions of its encoded bytes in the mail.
    pub(super) body: Range<usize>,
    /// Whether the end of the part is in the mail; if not, the mail was cut short.
    pub(super) ended: bool,
    /// The digest that the mail around it says the sound has.
    digest: Option<ContentDigest>,
}

/// The sounds of a mail, and what its parts say of the message.
#[derive(Debug)]
pub(super) struct FoundSounds {
    /// The sounds in the order in which the message plays them; at least one.
    pub(super) sounds: Vec<SoundPart>,
    pub(super) facts: PartFacts,
}

/// The program that wrote a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    /// This crate. The type of a sound is that of its part.
    Own,
    /// Another program. The type of a sound is read from its first bytes, because its name may be wrong.
    Foreign,
}

/// Finds the sound of a mail of this crate: the first part that says `voice=Voice-Message` (RFC 3801 §4.3.2).
pub(super) fn find_sound<M: Mail + ?Sized>(
    mail: &M,
    fields: &Fields<'_>,
    body: usize,
    limits: DecodeLimits,
) -> Result<SoundPart, DecodeError> {
    let (found, _) = search(mail, fields, body, limits, Author::Own)?;
    found.into_iter().next().ok_or(DecodeError::NoAudio)?.part
}

/// Finds the sounds of a foreign mail, in the order in which the message plays them.
///
/// Of one mail, all parts that say `voice=Voice-Message` and can be read are taken (RFC 3801 §4.3.2 and §4.4.3). Where no part says so, a sound is
/// taken, or a file that has a sound's name or first bytes: one that can be read before one that cannot; then the first, but of
/// alternatives the last (RFC 2046 §5.1.4). Spoken names and subjects are not part of the message. A part that says it is the message
/// gives way to no sound that does not, unless they are alternatives. The sounds that a list in the mail names count as saying so, and play in
/// its order.
///
/// Behind the sounds of a mail, which introduce them, come those of the mails that it forwards, as `message/rfc822`. A mail in a report or in
/// an automatic reply is not looked into: a returned message is not a new one.
pub(super) fn find_sounds<M: Mail + ?Sized>(
    mail: &M,
    fields: &Fields<'_>,
    body: usize,
    limits: DecodeLimits,
) -> Result<FoundSounds, DecodeError> {
    let (found, facts) = search(mail, fields, body, limits, Author::Foreign)?;
    let sounds = found.into_iter().map(|candidate| candidate.part).collect::<Result<Vec<_>, _>>()?;
    if sounds.is_empty() { Err(DecodeError::NoAudio) } else { Ok(FoundSounds { sounds, facts }) }
}

fn search<M: Mail + ?Sized>(
    mail: &M,
    fields: &Fields<'_>,
    body: usize,
    limits: DecodeLimits,
    author: Author,
) -> Result<(Vec<Candidate>, PartFacts), DecodeError> {
    let (play_order, forwarded) = (PlayOrder::default(), Vec::new());
    let mut search = PartSearch { mail, limits, author, parts: 0, play_order, forwarded, facts: PartFacts::default() };
    let has_forwarded = author == Author::Foreign && !is_automatic_reply(fields);
    let place = Place { multiparts: 0, mails: 0, has_forwarded, is_voice_message: false };
    let found = search.mail(fields, Span { range: body..mail.len(), ended: true }, place)?;
    Ok((found, search.facts))
}

/// Returns whether a program wrote the mail in answer to another one, such as a failure to deliver it.
///
/// # Source
///
/// RFC 3834 §5.1.
fn is_automatic_reply(fields: &Fields<'_>) -> bool {
    fields.mime("Auto-Submitted").is_some_and(|field| field.value == "auto-replied")
}

/// A mail in memory or in a file.
pub(super) trait Mail {
    /// Returns how many bytes the mail has.
    fn len(&self) -> usize;

    /// Returns at most `at_most` bytes from the beginning of `range`.
    fn beginning(&self, range: Range<usize>, at_most: usize) -> Cow<'_, [u8]>;

    /// Returns the first delimiter that begins in `within`, which must begin at the beginning of a line.
    fn next_delimiter(&self, boundary: &Boundary, within: Range<usize>) -> Option<Delimiter>;
}

impl Mail for [u8] {
    fn len(&self) -> usize {
        self.len()
    }

    fn beginning(&self, range: Range<usize>, at_most: usize) -> Cow<'_, [u8]> {
        self[range.start..range.end.min(range.start.saturating_add(at_most))].into()
    }

    fn next_delimiter(&self, boundary: &Boundary, within: Range<usize>) -> Option<Delimiter> {
        memmem::find_iter(&self[within.clone()], &boundary.dashed).map(|at| within.start + at).find_map(|at| {
            // This is checked first, because a line may have the delimiter a million times.
            if !begins_line(&self[..at]) {
                return None;
            }
            let rest = &self[at + boundary.dashed.len()..within.end];
            let line_len = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            Boundary::read(&self[..at], at, &rest[..line_len], at + boundary.dashed.len() + line_len)
        })
    }
}

impl SoundPart {
    /// Returns the error for a sound that cannot be decoded.
    pub(super) fn unreadable(&self) -> DecodeError {
        DecodeError::TransferEncoding { encoding: printable(&self.encoding) }
    }

    /// Checks the digest of the decoded sound against that of its mail, if the mail has one.
    pub(super) fn check_digest(&self, digest: ContentDigest) -> Result<(), DecodeError> {
        if self.digest.is_none_or(|expected| expected == digest) { Ok(()) } else { Err(DecodeError::DigestMismatch) }
    }
}

/// A stretch of the mail, and whether its end was seen.
#[derive(Clone)]
struct Span {
    range: Range<usize>,
    ended: bool,
}

impl Span {
    /// Returns whether the sound in this span can be read, judged by its first bytes.
    fn may_be_read(&self, media: AudioType, beginning: &[u8]) -> bool {
        if beginning.is_empty() {
            return !self.ended;
        }
        may_be_read(media, beginning, self.ended && self.range.len() <= LOOKED_AT)
    }
}

struct PartSearch<'a, M: ?Sized> {
    mail: &'a M,
    limits: DecodeLimits,
    author: Author,
    parts: usize,
    /// The order in which the present mail plays its sounds.
    play_order: PlayOrder,
    /// The sounds of the mails that the present mail forwards.
    forwarded: Vec<Candidate>,
    facts: PartFacts,
}

/// Where in the mail an entity is.
#[derive(Clone, Copy)]
struct Place {
    /// How many multiparts are around it.
    multiparts: usize,
    /// How many mails are around it, beside the outermost.
    mails: usize,
    /// Whether a mail in it is forwarded. If not, it is returned.
    has_forwarded: bool,
    /// Whether a `multipart/voice-message` is around it.
    is_voice_message: bool,
}

/// The sounds of one mail, without those of the mails that it forwards.
struct Chosen {
    first: Candidate,
    /// More parts that are marked as the voice message and can be read.
    more: Vec<Candidate>,
}

/// A part that may be the message.
struct Candidate {
    rank: Rank,
    /// Whether the part can be read, judged by its first bytes.
    is_readable: bool,
    /// The place in the order in which the mail plays its sounds; the last one if the mail names no order for it.
    place: usize,
    part: Result<SoundPart, DecodeError>,
}

/// How likely a part is the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The part is a file with the name or the first bytes of a sound.
    File,
    /// The part is a sound.
    Sound,
    /// The part is a sound that is marked as the voice message.
    VoiceMessage,
}

impl Rank {
    /// Returns the rank of a part by its media type and its `voice` parameter; `None` for a part that is no sound, or is marked as another one.
    fn of(media_type: &str, voice: Option<&str>) -> Option<Self> {
        let is_audio = || media_type.starts_with("audio/") || AudioType::from_mime(media_type).is_some();
        match voice {
            Some(voice) => voice.eq_ignore_ascii_case("Voice-Message").then_some(Self::VoiceMessage),
            None if is_audio() => Some(Self::Sound),
            None => media_type.starts_with("application/").then_some(Self::File),
        }
    }
}

impl Candidate {
    /// Returns whether the part is marked as the voice message and can be read.
    fn is_certain(&self) -> bool {
        self.rank == Rank::VoiceMessage && self.is_readable
    }
}

impl Chosen {
    /// Returns both of two choices beside each other if both are certain, else the more likely one.
    fn and(mut self, later: Self) -> Self {
        if self.first.is_certain() && later.first.is_certain() {
            self.more.push(later.first);
            self.more.extend(later.more);
            return self;
        }
        let order = |one: &Candidate| (one.rank == Rank::VoiceMessage, one.is_readable, one.rank);
        if order(&later.first) > order(&self.first) { later } else { self }
    }

    /// Returns the preferred one of two alternatives, with the higher rank of both.
    fn or_alternative(self, later: Self) -> Self {
        let rank = self.first.rank.max(later.first.rank);
        let mut taken = if later.first.is_readable || !self.first.is_readable { later } else { self };
        taken.first.rank = rank;
        taken
    }
}

impl<M: Mail + ?Sized> PartSearch<'_, M> {
    /// Reads a mail; returns its own sounds, and then those of the mails that it forwards.
    fn mail(&mut self, fields: &Fields<'_>, body: Span, place: Place) -> Result<Vec<Candidate>, DecodeError> {
        let around = mem::take(&mut self.forwarded);
        let order_around = mem::replace(&mut self.play_order, PlayOrder::read(fields, self.limits));
        let chosen = self.entity(fields, body, place)?;
        self.play_order = order_around;
        let forwarded = mem::replace(&mut self.forwarded, around);
        let Some(Chosen { mut first, mut more }) = chosen else { return Ok(forwarded) };
        if let Ok(part) = &mut first.part {
            part.digest = own::digest(fields);
        }
        more.insert(0, first);
        more.sort_by_key(|candidate| candidate.place);
        more.extend(forwarded);
        Ok(more)
    }

    fn entity(&mut self, fields: &Fields<'_>, body: Span, place: Place) -> Result<Option<Chosen>, DecodeError> {
        let content_type = fields.content_type();
        let media_type = content_type.value.as_str();
        let boundary = if media_type.starts_with("multipart/") { content_type.parameter("boundary") } else { None };
        match boundary {
            Some(_) if place.multiparts >= self.limits.depth => Err(DecodeError::TooDeep),
            Some(boundary) => {
                let place = Place {
                    multiparts: place.multiparts + 1,
                    has_forwarded: place.has_forwarded && media_type != "multipart/report",
                    is_voice_message: place.is_voice_message || media_type == "multipart/voice-message",
                    ..place
                };
                self.multipart(&boundary, media_type == "multipart/alternative", &body, place)
            }
            None if place.has_forwarded && matches!(media_type, "message/rfc822" | "message/global") => {
                self.forwarded_mail(fields, &body, place).map(|()| None)
            }
            None => Ok(self.leaf(fields, &content_type, body, place)),
        }
    }

    fn multipart(
        &mut self,
        boundary: &str,
        are_alternatives: bool,
        body: &Span,
        place: Place,
    ) -> Result<Option<Chosen>, DecodeError> {
        let boundary = Boundary::new(boundary);
        let mut best: Option<Chosen> = None;
        let mut delimiter = self.mail.next_delimiter(&boundary, body.range.clone());
        while let Some(Delimiter { after, closing: false, .. }) = delimiter {
            self.parts += 1;
            if self.parts > self.limits.parts {
                return Err(DecodeError::TooManyParts);
            }
            let next = self.mail.next_delimiter(&boundary, after..body.range.end);
            let end = next.as_ref().map_or(body.range.end, |next| next.start.max(after));
            let beginning = self.mail.beginning(after..end, self.limits.head);
            let (fields, start) = Fields::of_part(&beginning, self.limits)?;
            let found = self.entity(&fields, Span { range: after + start..end, ended: next.is_some() && body.ended }, place)?;
            best = match (best, found) {
                (Some(best), Some(found)) if are_alternatives => Some(best.or_alternative(found)),
                (Some(best), Some(found)) => Some(best.and(found)),
                (best, found) => best.or(found),
            };
            let is_certain = || best.as_ref().is_some_and(|best| best.first.is_certain());
            if self.author == Author::Own && !are_alternatives && is_certain() {
                break;
            }
            delimiter = next;
        }
        Ok(best)
    }

    /// Reads a part that is a whole mail.
    ///
    /// # Source
    ///
    /// RFC 2046 §5.2.1: it has no transfer encoding, and may have no more than some fields.
    fn forwarded_mail(&mut self, part: &Fields<'_>, body: &Span, place: Place) -> Result<(), DecodeError> {
        if PartEncoding::named(&transfer_encoding(part)) != Some(PartEncoding::Identity) {
            return Err(DecodeError::EncodedMail);
        }
        if place.mails >= self.limits.depth {
            return Err(DecodeError::TooDeep);
        }
        let beginning = self.mail.beginning(body.range.clone(), self.limits.head);
        let (fields, start) = Fields::of_part(&beginning, self.limits)?;
        let body = Span { range: body.range.start + start..body.range.end, ended: body.ended };
        let sounds = self.mail(&fields, body, Place { mails: place.mails + 1, ..place })?;
        if !sounds.is_empty() {
            self.facts.add_forwarded(&fields);
        }
        self.forwarded.extend(sounds);
        Ok(())
    }

    /// Reads a part without parts inside it; `None` if it cannot be the message.
    fn leaf(&mut self, fields: &Fields<'_>, content_type: &MimeField, body: Span, place: Place) -> Option<Chosen> {
        let media_type = content_type.value.as_str();
        if place.is_voice_message && matches!(media_type, "text/directory" | "text/vcard" | "text/x-vcard") {
            self.card(fields, &body, place);
            return None;
        }
        let disposition = fields.mime("Content-Disposition");
        let voice = disposition.as_ref().and_then(|disposition| disposition.parameter("voice"));
        let mut rank = Rank::of(media_type, voice.as_deref())?;
        let file_name = || disposition.as_ref().and_then(|disposition| disposition.parameter("filename"));
        let name = || file_name().or_else(|| content_type.parameter("name"));
        let place = self.play_order.place_of(name);
        if place.is_some() {
            rank = Rank::VoiceMessage;
        }
        let place = place.unwrap_or(usize::MAX);
        let encoding = transfer_encoding(fields);
        let beginning = match self.author {
            Author::Own => None,
            Author::Foreign => self.first_bytes(&encoding, &body, LOOKED_AT),
        };
        let by_bytes = beginning.as_deref().and_then(AudioType::from_first_bytes);
        let by_name = || {
            let name = name().filter(|_| media_type == "application/octet-stream")?;
            AudioType::from_extension(name.rsplit_once('.')?.1)
        };
        let Some(media) = by_bytes.or_else(|| AudioType::from_mime(media_type)).or_else(by_name) else {
            let unsupported = DecodeError::UnsupportedAudio { found: printable(media_type) };
            let candidate = Candidate { rank, is_readable: false, place, part: Err(unsupported) };
            return (rank > Rank::File).then_some(Chosen { first: candidate, more: Vec::new() });
        };
        let is_readable = match self.author {
            Author::Own => true,
            Author::Foreign => beginning.is_some_and(|beginning| body.may_be_read(media, &beginning)),
        };
        let duration = fields.mime("Content-Duration");
        let part = SoundPart {
            media,
            encoding,
            content_duration_secs: duration.and_then(|duration| duration.value.parse().ok()),
            body: body.range,
            ended: body.ended,
            digest: None,
        };
        Some(Chosen { first: Candidate { rank, is_readable, place, part: Ok(part) }, more: Vec::new() })
    }

    /// Reads the business card of the sender. Those of forwarded mails are of other people.
    fn card(&mut self, fields: &Fields<'_>, body: &Span, place: Place) {
        if place.mails == 0 && self.author == Author::Foreign {
            let card = self.first_bytes(&transfer_encoding(fields), body, CARD_LIMIT);
            self.facts.add_card(&card.unwrap_or_default());
        }
    }

    /// Decodes the first bytes of a part, up to `at_most` encoded ones, from its transfer encoding; `None` if that fails.
    fn first_bytes(&self, encoding: &str, body: &Span, at_most: usize) -> Option<Vec<u8>> {
        let beginning = self.mail.beginning(body.range.clone(), at_most).into_owned();
        TransferDecoder::new(PartEncoding::named(encoding)?, iter::once(Ok(beginning))).next()?.ok()
    }
}

/// Returns the transfer encoding of a part in lower case, `7bit` when none is named.
fn transfer_encoding(fields: &Fields<'_>) -> String {
    let encoding = fields.mime("Content-Transfer-Encoding").map(|field| field.value).filter(|value| !value.is_empty());
    encoding.unwrap_or_else(|| "7bit".to_owned())
}

/// Returns whether a line begins after `before`.
pub(super) fn begins_line(before: &[u8]) -> bool {
    before.ends_with(b"\n")
}

/// How many bytes of the transfer encoding of a foreign part are decoded to find out its type.
const LOOKED_AT: usize = 4096;
/// How many bytes of the transfer encoding of a business card are decoded.
const CARD_LIMIT: usize = 16 * 1024;

/// The boundary of one multipart, by which its delimiter lines are found.
pub(super) struct Boundary {
    pub(super) dashed: Vec<u8>,
}

/// A delimiter line between parts.
pub(super) struct Delimiter {
    /// The position of its beginning: the line end before it belongs to it (RFC 2046 §5.1.1).
    start: usize,
    /// The position after the line.
    after: usize,
    /// Whether it is the last one of the multipart.
    closing: bool,
}

impl Boundary {
    fn new(boundary: &str) -> Self {
        Self { dashed: format!("--{}", boundary.trim_end()).into_bytes() }
    }

    /// Reads a delimiter at `at`, after `before`: there is one if a line begins there, and if `rest`, the rest of the line, is white space, or
    /// `--` and white space. The next line begins at `after`.
    pub(super) fn read(before: &[u8], at: usize, rest: &[u8], after: usize) -> Option<Delimiter> {
        let start = match before {
            [.., b'\r', b'\n'] => at - 2,
            [.., b'\n'] => at - 1,
            _ => return None,
        };
        let (closing, padding) = match rest {
            [b'-', b'-', padding @ ..] => (true, padding),
            padding => (false, padding),
        };
        padding.iter().all(u8::is_ascii_whitespace).then_some(Delimiter { start, after, closing })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use crate::wire::{DecodeError, DecodeLimits, HEAD_LIMIT, decode, decode_head, decode_within};

    const DATE: &str = "Date: Mon, 26 Aug 2019 10:20:20 -0700\r\n";

    fn error(mail: String) -> DecodeError {
        decode(&Bytes::from(mail)).unwrap_err()
    }

    /// `depth` multiparts inside each other, around a sound.
    fn nested(depth: usize) -> String {
        let level = |level| format!("Content-Type: multipart/mixed; boundary=b{level}.\r\n\r\n--b{level}.\r\n");
        let levels: String = (0..depth).map(level).collect();
        format!("{DATE}{levels}Content-Type: audio/basic\r\n\r\nsound")
    }

    /// A multipart whose `count`th part is a sound.
    fn with_parts(count: usize) -> String {
        let others = "--b\r\n\r\ntext\r\n".repeat(count - 1);
        format!(
            "{DATE}Content-Type: multipart/mixed; boundary=b\r\n\r\n{others}--b\r\nContent-Type: audio/basic\r\n\r\nsound\r\n--b--\r\n"
        )
    }

    #[test]
    fn multiparts_may_be_eight_deep_and_parts_sixty_four() {
        for mail in [nested(8), with_parts(64)] {
            assert_eq!(&decode(&Bytes::from(mail)).unwrap().audio().bytes()[..], b"sound");
        }
        assert_eq!(error(nested(9)), DecodeError::TooDeep);
        assert_eq!(error(nested(20_000)), DecodeError::TooDeep);
        assert_eq!(error(with_parts(65)), DecodeError::TooManyParts);
        assert_eq!(error(with_parts(100_000)), DecodeError::TooManyParts);
    }

    #[test]
    fn every_limit_can_be_set_and_holds_at_its_edge() {
        let limits = DecodeLimits { head: 400, fields: 3, depth: 2, parts: 4 };
        let refusal = |mail: String| decode_within(&Bytes::from(mail), limits).err();
        assert_eq!((refusal(nested(2)), refusal(nested(3))), (None, Some(DecodeError::TooDeep)));
        assert_eq!((refusal(with_parts(4)), refusal(with_parts(5))), (None, Some(DecodeError::TooManyParts)));
        let fields = |others: &str| format!("{DATE}{others}Content-Type: audio/basic\r\n\r\nsound");
        assert_eq!(refusal(fields("X: a\r\n\tb\r\n c\r\n")), None, "lines that go on are no fields");
        assert_eq!(refusal(fields("X: a\r\nY: b\r\n")), Some(DecodeError::TooManyFields));
        let head = |len: usize| {
            let others = format!("{DATE}Content-Type: audio/basic\r\nX: \r\n\r\n").len();
            fields(&format!("X: {}\r\n", "x".repeat(len - others)))
        };
        assert_eq!((refusal(head(400)), refusal(head(401))), (None, Some(DecodeError::HeaderTooLong)));
    }

    #[test]
    fn a_header_block_has_a_thousand_fields_and_no_more() {
        let mail = |count: usize| format!("{DATE}{}\r\n", "X:y\r\n".repeat(count - 1));
        assert!(decode_head(mail(1000).as_bytes()).is_ok());
        assert_eq!(decode_head(mail(1001).as_bytes()), Err(DecodeError::TooManyFields));
    }

    #[test]
    fn a_header_block_may_fill_its_limit_and_no_more() {
        let block = |len: usize| format!("{DATE}X: {}\r\n\r\n", "x".repeat(len - DATE.len() - 7));
        assert_eq!(block(HEAD_LIMIT).len(), HEAD_LIMIT);
        assert!(decode_head(block(HEAD_LIMIT).as_bytes()).is_ok());
        assert_eq!(error(block(HEAD_LIMIT + 1)), DecodeError::HeaderTooLong);
        let part = block(HEAD_LIMIT + 1);
        assert_eq!(
            error(format!("{DATE}Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}")),
            DecodeError::HeaderTooLong
        );
    }

    #[test]
    fn a_boundary_counts_only_as_a_line_of_its_own() {
        let sound = "x--b\r\n --b\r\n--bb\r\n--b-\r\n--b--x\r\n\r\n";
        for padding in ["", " ", "\t \t"] {
            let mail = format!(
                "{DATE}Content-Type: multipart/mixed; boundary=b\r\n\r\nPreamble --b\r\n--b{padding}\r\nContent-Type: audio/basic\r\n\r\n{sound}\r\n--b--{padding}\r\nEpilogue\r\n--b\r\n"
            );
            assert_eq!(decode(&Bytes::from(mail)).unwrap().audio().bytes(), sound.as_bytes());
        }
    }

    #[test]
    fn a_mail_that_was_returned_is_no_new_message() {
        let returned = with_parts(1);
        let report = format!(
            "{DATE}Content-Type: multipart/report; boundary=r\r\n\r\n--r\r\n\r\nNo such mailbox\r\n--r\r\nContent-Type: message/rfc822\r\n\r\n{returned}\r\n--r--\r\n"
        );
        assert_eq!(error(report), DecodeError::NoAudio);
    }

    #[test]
    fn the_part_marked_as_the_message_goes_before_other_sounds() {
        let part = |fields: &str, body: &str| format!("--b\r\n{fields}\r\n\r\n{body}\r\n");
        let named = part("Content-Type: application/octet-stream; name=a.wav\r\nContent-Transfer-Encoding: base64", "UklGRg==");
        let sound = part("Content-Type: audio/basic", "sound");
        let spoken_subject = part("Content-Type: audio/basic\r\nContent-Disposition: inline; voice=Spoken-Subject", "subject");
        let message = part("Content-Type: audio/basic\r\nContent-Disposition: attachment; voice=VOICE-message", "message");
        for (parts, expected) in [
            ([&named, &sound, &message], "message"),
            ([&spoken_subject, &named, &sound], "sound"),
            ([&sound, &named, &spoken_subject], "sound"),
        ] {
            let parts = parts.map(String::as_str).concat();
            let mail = format!("{DATE}Content-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n");
            assert_eq!(&decode(&Bytes::from(mail)).unwrap().audio().bytes()[..], expected.as_bytes());
        }
    }
}
