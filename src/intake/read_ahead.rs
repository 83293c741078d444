//! [`ReadAhead`] and [`read_some`]: reading many bytes at once, with no memory while nothing arrives.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use crate::smtp::server::READ_ROOM;

/// A stream that is read many bytes at once, however few are asked for. Most connections wait most of the time: unlike a
/// [`BufReader`](tokio::io::BufReader), this has no buffer while it waits.
#[derive(Debug)]
pub(super) struct ReadAhead<S> {
    stream: S,
    ahead: BytesMut,
}

impl<S> ReadAhead<S> {
    /// Nothing was read ahead yet.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, ahead: BytesMut::new() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, ahead } = &mut *self;
        if ahead.is_empty() {
            ready!(poll_read_some(stream, ahead, READ_AHEAD, cx))?;
        }
        let len = ahead.len().min(buf.remaining());
        buf.put_slice(&ahead[..len]);
        ahead.advance(len);
        if ahead.is_empty() {
            *ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Appends what `stream` has to `input`, and returns the number of bytes, 0 at its end. While it waits, an empty `input` has no memory.
///
/// # Cancel safety
///
/// A dropped call has read nothing.
pub(super) async fn read_some<S: AsyncRead + Unpin + ?Sized>(stream: &mut S, input: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| poll_read_some(stream, input, READ_ROOM, cx)).await
}

fn poll_read_some<S: AsyncRead + Unpin + ?Sized>(
    stream: &mut S,
    input: &mut BytesMut,
    room: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if input.capacity() - input.len() < room / 4 {
        input.reserve(room);
    }
    let read = pin!(stream.read_buf(input)).poll(cx);
    if input.is_empty() {
        *input = BytesMut::new();
    }
    read
}

/// How many bytes are read ahead: two records of TLS. They stay in memory while a piece of a message is written to the disk.
const READ_AHEAD: usize = 32 * 1024;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn a_stream_that_waits_has_no_buffer() {
        let (mut peer, stream) = duplex(READ_ROOM);
        let mut stream = ReadAhead::new(stream);
        let mut two = [0; 2];
        let poll = pin!(stream.read_exact(&mut two)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        assert_eq!(stream.ahead.capacity(), 0, "before the first byte");

        peer.write_all(b"250 ok").await.unwrap();
        stream.read_exact(&mut two).await.unwrap();
        assert_eq!(stream.ahead, "0 ok", "all was read at once");
        let mut rest = [0; 4];
        stream.read_exact(&mut rest).await.unwrap();
        assert_eq!((&two, &rest), (b"25", b"0 ok"));
        assert_eq!(stream.ahead.capacity(), 0, "after the last one");

        drop(peer);
        assert_eq!(stream.read(&mut rest).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn input_that_waits_has_memory_only_for_what_it_holds() {
        let (mut peer, mut stream) = duplex(READ_ROOM);
        let mut input = BytesMut::new();
        let poll = pin!(read_some(&mut stream, &mut input)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        assert_eq!(input.capacity(), 0);

        peer.write_all(b"NOOP").await.unwrap();
        assert_eq!(read_some(&mut stream, &mut input).await.unwrap(), 4);
        let poll = pin!(read_some(&mut stream, &mut input)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll.is_pending());
        peer.write_all(b"\r\n").await.unwrap();
        assert_eq!(read_some(&mut stream, &mut input).await.unwrap(), 2);
        assert_eq!(input, "NOOP\r\n");
    }
}
