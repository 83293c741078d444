//! [`EncodedInPieces`]: a mail whose sound is encoded while it is sent or stored.

use std::io::{self, Read};

use bytes::Bytes;
use encodify::base64;

use super::TransferEncoding;
use crate::message::Audio;

/// A mail whose sound is not encoded yet; made by [`encode_in_pieces`](super::encode_in_pieces).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncodedInPieces {
    /// All bytes before the sound.
    pub head: Bytes,
    /// The sound as it was recorded.
    pub audio: Audio,
    /// The transfer encoding of the sound.
    pub encoding: TransferEncoding,
    /// The end of the last part.
    pub tail: Bytes,
}

impl EncodedInPieces {
    /// Returns how many bytes the mail has.
    pub fn len(&self) -> u64 {
        let sound = self.audio.len();
        let encoded = match self.encoding {
            TransferEncoding::Base64 => {
                let characters = sound.div_ceil(3) * 4;
                characters + characters.div_ceil(LINE) * 2
            }
            TransferEncoding::Binary => sound,
        };
        (self.head.len() + self.tail.len()) as u64 + encoded
    }

    /// Returns whether the mail has no bytes, which is never the case.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the sound in its transfer encoding, from its beginning.
    pub fn sound(&self) -> EncodedSound {
        EncodedSound { reader: self.audio.reader(), left: self.audio.len(), encoding: self.encoding }
    }
}

/// An iterator over the pieces of a sound in its transfer encoding. `next` blocks while the sound is read.
///
/// After an error there are no more pieces. A program that has sent some must not end the mail as if it were complete.
pub struct EncodedSound {
    reader: Box<dyn Read + Send>,
    left: u64,
    encoding: TransferEncoding,
}

impl EncodedSound {
    fn read(&mut self) -> io::Result<Bytes> {
        let len = self.left.min(PIECE);
        let mut piece = Vec::with_capacity(usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?);
        let read = (&mut self.reader).take(len).read_to_end(&mut piece)?;
        if (read as u64) < len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= len;
        if self.encoding == TransferEncoding::Binary {
            return Ok(piece.into());
        }
        Ok(base64::MIME.encode(&piece).into())
    }
}

impl Iterator for EncodedSound {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.left == 0 {
            return None;
        }
        let piece = self.read();
        if piece.is_err() {
            self.left = 0;
        }
        Some(piece)
    }
}

impl std::fmt::Debug for EncodedSound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EncodedSound").field("left", &self.left).field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

/// Characters in a line of base64; each line, the last one too, ends with CR LF.
const LINE: u64 = 76;
/// How many bytes of a sound are in memory at once: whole lines of 57 bytes, about 64 KiB of base64.
const PIECE: u64 = 57 * 840;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::{AudioSource, AudioType, ClockQuality, ClockSource, ContentDigest, Message, RecordedAt};
    use crate::wire::{Addresses, decode, encode, encode_in_pieces};

    fn message(audio: Audio) -> Message {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let recorded_at = RecordedAt { instant: chrono::DateTime::UNIX_EPOCH, zone: chrono_tz::UTC, quality };
        Message::builder(audio, recorded_at).build()
    }

    #[test]
    fn pieces_join_to_the_whole_mail_of_the_length_announced() {
        let recipients = ["1".parse().unwrap()];
        let addresses = Addresses::new("n.example", "example", &recipients);
        let piece = usize::try_from(PIECE).unwrap();
        for len in [0, 1, 2, 3, 56, 57, 58, 114, piece - 1, piece, piece + 1, piece + 57, 3 * piece, 3 * piece + 2] {
            let sound: Vec<u8> = (0..len).map(|at| (at % 251).to_le_bytes()[0]).collect();
            let message = message(Audio::new(AudioType::Basic, sound));
            for encoding in [TransferEncoding::Base64, TransferEncoding::Binary] {
                let in_pieces = encode_in_pieces(&message, &addresses, encoding);
                let pieces: Vec<Bytes> = in_pieces.sound().map(Result::unwrap).collect();
                assert_eq!(pieces.concat(), encode(&message, &addresses, encoding).audio, "{len} {encoding:?}");
                let mail = Bytes::from([&in_pieces.head[..], &pieces.concat(), &in_pieces.tail].concat());
                assert_eq!((mail.len() as u64, decode(&mail).unwrap().audio()), (in_pieces.len(), message.audio()), "{len}");
            }
        }
    }

    #[test]
    fn a_sound_that_has_lost_its_end_is_an_error_and_then_over() {
        #[derive(Debug)]
        struct Short;
        impl AudioSource for Short {
            fn size(&self) -> u64 {
                PIECE + 11
            }

            fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
                Box::new(io::repeat(7).take(PIECE + 10))
            }
        }
        let audio = Audio::from_source(AudioType::Basic, Short, ContentDigest::of(b""));
        let addresses = Addresses::new("n.example", "example", &[]);
        let mut sound = encode_in_pieces(&message(audio), &addresses, TransferEncoding::Base64).sound();
        assert!(sound.next().unwrap().is_ok());
        assert_eq!(sound.next().unwrap().unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(sound.next().is_none());
    }
}
