//! [`Channel`]: lines in and bytes out, over one transport.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::Instant;

use super::dial::Transport;
use super::payload::Piece;
use super::reply::ReplyLines;

/// Reads lines of replies, and writes all that is queued in as few pieces as the transport takes.
pub(super) struct Channel {
    transport: Box<dyn Transport>,
    received: ReplyLines,
    queued: VecDeque<Piece>,
    silent: bool,
    /// When the transport last took a byte.
    sent_at: Instant,
}

/// How much of what was queued is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    Part,
}

impl Channel {
    /// A channel over a transport on which nothing was read or written yet.
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self { transport, received: ReplyLines::default(), queued: VecDeque::new(), silent: false, sent_at: Instant::now() }
    }

    /// The transport, or `None` if something is here that was received and not read, or queued and not sent.
    pub(super) fn into_transport(self) -> Option<Box<dyn Transport>> {
        (self.received.is_empty() && self.queued.is_empty()).then_some(self.transport)
    }

    /// The next line, with its CRLF. The end of the connection is an error.
    pub(super) fn poll_line(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<String>> {
        loop {
            if let Some(line) = self.received.poll_line().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                return Poll::Ready(Ok(line));
            }
            ready!(self.poll_receive(cx))?;
        }
    }

    /// Whether nothing was received that nobody read, and the connection is not known to have ended. Waits for nothing.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.received.is_empty() && self.poll_receive(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// Whether a reply is here that nobody asked for. Waits for nothing.
    pub(super) fn has_surplus(&mut self) -> bool {
        // An end of the connection is left to be found by who reads.
        !self.is_quiet() && !self.received.is_empty()
    }

    /// Puts `piece` after what is queued.
    pub(super) fn queue(&mut self, piece: Piece) {
        let nothing = matches!(&piece, Piece::Bytes(bytes) if bytes.is_empty());
        if !nothing && !self.silent {
            self.queued.push_back(piece);
        }
    }

    /// Drops what is queued, and takes nothing more.
    pub(super) fn silence(&mut self) {
        self.queued.clear();
        self.silent = true;
    }

    /// When the transport last took a byte of what is queued, or of what was; and whether it has taken all.
    pub(super) fn sent(&self) -> (Instant, Sent) {
        (self.sent_at, if self.queued.is_empty() { Sent::All } else { Sent::Part })
    }

    /// Counts the time since [`sent`](Self::sent) from now.
    pub(super) fn begin(&mut self) {
        self.sent_at = Instant::now();
    }

    /// Writes all that is queued. A sound that cannot be read to its end leaves nothing that could pass for one: nobody speaks any more.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(first) = self.queued.front_mut() {
            if let Piece::Sound(sound) = first {
                match ready!(sound.poll_next(cx)).transpose() {
                    Ok(Some(bytes)) => self.queued.push_front(Piece::Bytes(bytes)),
                    Ok(None) => drop(self.queued.pop_front()),
                    Err(error) => {
                        self.silence();
                        return Poll::Ready(Err(error));
                    }
                }
                continue;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let bytes = self.queued.iter().map_while(|piece| match piece {
                Piece::Bytes(bytes) => Some(bytes),
                Piece::Sound(_) => None,
            });
            let count = bytes.zip(&mut slices).map(|(bytes, slice)| *slice = IoSlice::new(bytes)).count();
            let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent_at = Instant::now();
            self.take_off(written);
        }
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    /// Ends the sending side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    /// Says QUIT as far as that can be done without waiting.
    pub(super) fn farewell(&mut self) {
        self.queue(Piece::Bytes(Bytes::from_static(b"QUIT\r\n")));
        // Who does not hear it sees the connection end.
        let _ = self.poll_flush(&mut Context::from_waker(Waker::noop()));
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [0; PIECE];
        let mut piece = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut piece))?;
        if piece.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        self.received.handle_bytes(piece.filled());
        Poll::Ready(Ok(()))
    }

    fn take_off(&mut self, mut written: usize) {
        while let Some(Piece::Bytes(first)) = self.queued.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.queued.pop_front();
        }
    }
}

impl fmt::Debug for Channel {
    /// Shows nothing of what goes over it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

const PIECE: usize = 2048;
const SLICES: usize = 16;
