//! Connections that stop in the middle until all have come so far: so many transfers are under way at once, and not one after the other.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use voicemail::forward::smtp::{ByteStream, Dial};

/// Opens when so many stand at it.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    missing: usize,
    waiting: Vec<Waker>,
}

impl Gate {
    pub(super) fn of(count: usize) -> Self {
        Self(Arc::new(Mutex::new(State { missing: count, waiting: Vec::new() })))
    }

    /// One more has come to the gate.
    fn arrive(&self) {
        let mut state = self.0.lock().unwrap();
        state.missing = state.missing.checked_sub(1).expect("no more come than were expected");
        if state.missing == 0 {
            state.waiting.drain(..).for_each(Waker::wake);
        }
    }

    fn poll_open(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().unwrap();
        if state.missing == 0 {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// Connects to a peer by TCP; each connection stops at the gate.
#[derive(Debug)]
pub(super) struct Gated {
    pub(super) peer: String,
    pub(super) gate: Gate,
}

#[async_trait]
impl Dial for Gated {
    async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let stream = TcpStream::connect(&self.peer).await?;
        Ok(Box::new(Stopping { stream, gate: self.gate.clone(), written: 0, at_the_gate: false }))
    }
}

#[derive(Debug)]
struct Stopping {
    stream: TcpStream,
    gate: Gate,
    written: usize,
    at_the_gate: bool,
}

impl AsyncRead for Stopping {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stopping {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.written > FREE {
            if !std::mem::replace(&mut self.at_the_gate, true) {
                self.gate.arrive();
            }
            ready!(self.gate.poll_open(cx));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.written += written;
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// How much is sent before the gate: half of a recording of ten minutes.
const FREE: usize = 3_000_000;
