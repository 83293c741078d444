//! [`Payload`]: a mail to send, in memory or read from a file while it is sent.

use std::fmt;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::smtp::dot_stuffing::DotStuffing;
use crate::wire::{Encoded, EncodedInPieces, EncodedSound};

/// A mail to send.
#[derive(Debug)]
pub(super) enum Payload {
    Whole(Encoded),
    InPieces(EncodedInPieces),
}

/// A piece of a mail: bytes, or a sound that is read and encoded while it is sent.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    Sound(StreamedSound),
}

impl Payload {
    /// The size of the mail in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(mail) => mail.len(),
            Self::InPieces(mail) => usize::try_from(mail.len()).unwrap_or(usize::MAX),
        }
    }

    /// The mail unchanged, in its pieces.
    pub(super) fn pieces(&self) -> Vec<Piece> {
        match self {
            Self::Whole(Encoded { head, audio, tail }) => [head, audio, tail].map(|bytes| Piece::Bytes(bytes.clone())).into(),
            Self::InPieces(mail) => {
                let sound = Piece::Sound(StreamedSound::new(mail.sound()));
                vec![Piece::Bytes(mail.head.clone()), sound, Piece::Bytes(mail.tail.clone())]
            }
        }
    }

    /// The mail in the form for DATA: dot-stuffed, and with the end of data.
    pub(super) fn stuffed(&self) -> Vec<Piece> {
        let mut stuffing = DotStuffing::default();
        let mut pieces = Vec::new();
        for piece in self.pieces() {
            match piece {
                Piece::Bytes(bytes) => stuffing.push(&bytes, |bytes| pieces.push(Piece::Bytes(bytes))),
                // A sound that is sent by DATA is base64, which contains no dots and ends with a line end.
                sound @ Piece::Sound(_) => {
                    stuffing.pass();
                    pieces.push(sound);
                }
            }
        }
        pieces.push(Piece::Bytes(stuffing.end()));
        pieces
    }
}

/// A sound whose next piece is read after the one before was sent.
pub(super) struct StreamedSound(ReadState);

enum ReadState {
    Waiting(EncodedSound),
    Reading(JoinHandle<(EncodedSound, Option<io::Result<Bytes>>)>),
    Over,
}

impl StreamedSound {
    fn new(sound: EncodedSound) -> Self {
        Self(ReadState::Waiting(sound))
    }

    /// Returns the next piece; `None` at the end, and after an error.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if let ReadState::Waiting(_) = &self.0
            && let ReadState::Waiting(mut sound) = std::mem::replace(&mut self.0, ReadState::Over)
        {
            self.0 = ReadState::Reading(spawn_blocking(move || {
                let piece = sound.next();
                (sound, piece)
            }));
        }
        let ReadState::Reading(reading) = &mut self.0 else { return Poll::Ready(None) };
        match ready!(Pin::new(reading).poll(cx)) {
            Ok((sound, piece)) => {
                self.0 = if matches!(piece, Some(Ok(_))) { ReadState::Waiting(sound) } else { ReadState::Over };
                Poll::Ready(piece)
            }
            Err(error) => {
                self.0 = ReadState::Over;
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
        }
    }
}

impl fmt::Debug for StreamedSound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamedSound")
    }
}
