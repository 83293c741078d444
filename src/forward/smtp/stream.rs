//! [`Stream`]: a [`Channel`] as lettre's connection wants it.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use super::channel::{Channel, Sent};
use super::notice::Notice;
use super::payload::Piece;

/// A handle to a channel: lettre holds one and speaks through it, we hold another.
///
/// It does for lettre what lettre cannot: it hands out one line at a time, so that a surplus reply stays here, where it is seen,
/// instead of answering the next command; and it sends a message's bytes right behind the command that announces them, uncopied.
#[derive(Debug, Clone)]
pub(super) struct Stream(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    channel: Channel,
    line: Bytes,
    payload: Vec<Piece>,
    /// Who is told when the payload went.
    notice: Option<Notice>,
    opening: Opening,
}

/// lettre opens a connection by reading a greeting and saying EHLO. Ours is open by then, so it meets a greeter of its own.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    Replayed,
    Done,
}

impl Stream {
    /// A stream over a channel whose peer has been greeted.
    pub(super) fn opened(channel: Channel) -> Self {
        let line = Bytes::from_static(b"220 ready\r\n250 ready\r\n");
        let (payload, notice, opening) = (Vec::new(), None, Opening::Replayed);
        Self(Arc::new(Mutex::new(State { channel, line, payload, notice, opening })))
    }

    /// Sends `payload` with the next command, behind it; `notice` tells when all of it went.
    pub(super) fn stage(&self, payload: Vec<Piece>, notice: Option<Notice>) {
        let mut state = self.state();
        (state.payload, state.notice) = (payload, notice);
    }

    /// Puts `piece` after what is queued; [`poll_flush`](Self::poll_flush) sends it.
    pub(super) fn queue(&self, piece: Piece) {
        self.state().channel.queue(piece);
    }

    /// Sends all that is queued.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().channel.poll_flush(cx)
    }

    /// Drops what is queued: half of something is said, and nothing may follow on it.
    pub(super) fn silence(&self) {
        self.state().channel.silence();
    }

    /// Whether a reply is here that nobody asked for.
    pub(super) fn has_surplus(&self) -> bool {
        let mut state = self.state();
        !state.line.is_empty() || state.channel.has_surplus()
    }

    /// Whether the connection stands and nothing was received that nobody read. Waits for nothing.
    pub(super) fn is_quiet(&self) -> bool {
        let mut state = self.state();
        state.line.is_empty() && state.channel.is_quiet()
    }

    /// Waits until the transport has taken nothing for as long as `block` while there is something to take, or until all was taken
    /// as long ago as `reply`.
    pub(super) async fn stalled(&self, block: Duration, reply: Duration) {
        loop {
            let due = match self.state().channel.sent() {
                (at, Sent::Part) => at + block,
                (at, Sent::All) => at + reply,
            };
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }

    /// Counts [`stalled`](Self::stalled) from now.
    pub(super) fn begin(&self) {
        self.state().channel.begin();
    }

    /// Says QUIT as far as that can be done without waiting.
    pub(super) fn farewell(&self) {
        self.state().channel.farewell();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.line.is_empty() {
            state.line = ready!(state.channel.poll_line(cx))?.into();
        }
        let count = state.line.len().min(buf.remaining());
        buf.put_slice(&state.line.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        if state.opening == Opening::Done {
            state.channel.queue(Piece::Bytes(Bytes::copy_from_slice(buf)));
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if mem::replace(&mut state.opening, Opening::Done) == Opening::Replayed {
            return Poll::Ready(Ok(()));
        }
        for piece in mem::take(&mut state.payload) {
            state.channel.queue(piece);
        }
        ready!(state.channel.poll_flush(cx))?;
        if let Some(notice) = state.notice.take() {
            notice.sent();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.state().channel.poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Stream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
