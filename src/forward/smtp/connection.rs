//! [`Connection`]: a [`Client`] with its byte stream. It moves bytes, and decides nothing.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf as _;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::dial::ByteStream;
use super::payload::{Payload, Piece};
use super::progress::Progress;
use crate::retry::now;
use crate::smtp::client::{BodyFraming, Client, Event, MessageNumber, Output};

/// One connection to the peer.
pub(super) struct Connection {
    transport: Box<dyn ByteStream>,
    pub(super) client: Client,
    /// The messages that are not sent to their end yet.
    messages: HashMap<MessageNumber, (Payload, Option<Progress>)>,
    sending: VecDeque<Sending>,
    /// Whether bytes were written and not flushed since.
    unflushed: bool,
    ended: bool,
}

/// An entry of the queue of what is to be sent.
enum Sending {
    Piece(Piece),
    /// The end of a message.
    End(MessageNumber),
}

impl Connection {
    pub(super) fn new(transport: Box<dyn ByteStream>, client: Client) -> Self {
        let (messages, sending) = (HashMap::new(), VecDeque::new());
        Self { transport, client, messages, sending, unflushed: false, ended: false }
    }

    /// Holds a message until the client sends it.
    pub(super) fn keep(&mut self, number: MessageNumber, mail: Payload, progress: Option<Progress>) {
        self.messages.insert(number, (mail, progress));
    }

    /// Drops a message that was not begun.
    pub(super) fn abandon(&mut self, number: MessageNumber) {
        self.client.abandon(number);
        if !self.client.has(number) {
            self.messages.remove(&number);
        }
    }

    /// Whether nothing is to be sent, no reply is expected, and none was received in part.
    pub(super) fn is_quiet(&self) -> bool {
        self.client.is_idle() && self.sending.is_empty()
    }

    /// Returns the byte stream, or `None` if something was received that was not expected.
    pub(super) fn into_transport(self) -> Option<Box<dyn ByteStream>> {
        self.is_quiet().then_some(self.transport)
    }

    /// Waits for the next event of the client.
    pub(super) async fn next_event(&mut self) -> Event {
        let mut timer = Timer::default();
        poll_fn(|cx| {
            loop {
                self.drive(cx);
                if let Some(event) = self.client.poll_event() {
                    return Poll::Ready(event);
                }
                if timer.poll_due(&mut self.client, cx).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Moves all bytes that can be moved without waiting.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        // Received bytes come first, so that a reply that came before its command is recognised as such.
        self.receive(cx);
        while let Some(output) = self.client.poll_output() {
            self.queue(output);
        }
        if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            self.sending.clear();
            self.client.handle_write_failure(error, now());
        }
    }

    /// Moves all bytes that can be moved without waiting, when no caller waits.
    pub(super) fn drive_unattended(&mut self) {
        self.drive(&mut Context::from_waker(Waker::noop()));
    }

    fn receive(&mut self, cx: &mut Context<'_>) {
        while !(self.ended || self.client.is_starting_tls()) {
            let mut space = [0; RECEIVED_AT_ONCE];
            let mut received = ReadBuf::new(&mut space);
            match Pin::new(&mut self.transport).poll_read(cx, &mut received) {
                Poll::Pending => return,
                Poll::Ready(Ok(())) if !received.filled().is_empty() => self.client.handle_input(received.filled(), now()),
                Poll::Ready(end) => {
                    self.ended = true;
                    self.client.handle_end(end.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
                }
            }
            self.ended |= self.client.is_closed();
        }
    }

    fn queue(&mut self, output: Output) {
        match output {
            Output::Bytes(bytes) => self.sending.push_back(Sending::Piece(Piece::Bytes(bytes))),
            Output::Body(number, form) => {
                let Some((mail, _)) = self.messages.get(&number) else { return };
                let pieces = match form {
                    BodyFraming::Chunk => mail.pieces(),
                    BodyFraming::Dots => mail.stuffed(),
                };
                let filled = pieces.into_iter().filter(|piece| !matches!(piece, Piece::Bytes(bytes) if bytes.is_empty()));
                self.sending.extend(filled.map(Sending::Piece));
                self.sending.push_back(Sending::End(number));
            }
        }
    }

    /// Writes all that is queued, in as few calls as possible.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(first) = self.sending.front_mut() {
            match first {
                Sending::End(number) => {
                    let number = *number;
                    self.sending.pop_front();
                    self.handle_sent(number);
                }
                Sending::Piece(Piece::Sound(sound)) => match ready!(sound.poll_next(cx)).transpose() {
                    Ok(Some(bytes)) if bytes.is_empty() => {}
                    Ok(Some(bytes)) => self.sending.push_front(Sending::Piece(Piece::Bytes(bytes))),
                    Ok(None) => drop(self.sending.pop_front()),
                    // Nothing may follow that the peer could take for the rest of the sound.
                    Err(error) => {
                        self.sending.clear();
                        self.client.handle_end(error);
                    }
                },
                Sending::Piece(Piece::Bytes(_)) => {
                    let written = ready!(self.poll_write(cx))?;
                    self.unflushed = true;
                    self.take_off(written);
                    self.client.handle_sent(self.sending.is_empty(), now());
                }
            }
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.transport).poll_flush(cx))?;
            self.unflushed = false;
            self.client.handle_sent(true, now());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let bytes = self.sending.iter().take_while(|sending| !matches!(sending, Sending::Piece(Piece::Sound(_))));
        let bytes = bytes.filter_map(|sending| match sending {
            Sending::Piece(Piece::Bytes(bytes)) => Some(bytes),
            Sending::Piece(Piece::Sound(_)) | Sending::End(_) => None,
        });
        let count = bytes.zip(&mut slices).map(|(bytes, slice)| *slice = IoSlice::new(bytes)).count();
        let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, &slices[..count]))?;
        Poll::Ready(if written == 0 { Err(io::ErrorKind::WriteZero.into()) } else { Ok(written) })
    }

    fn take_off(&mut self, mut written: usize) {
        loop {
            match self.sending.front_mut() {
                Some(Sending::Piece(Piece::Bytes(first))) if written < first.len() => {
                    first.advance(written);
                    return;
                }
                Some(Sending::Piece(Piece::Bytes(first))) => {
                    written -= first.len();
                    self.sending.pop_front();
                }
                Some(Sending::End(number)) => {
                    let number = *number;
                    self.sending.pop_front();
                    self.handle_sent(number);
                }
                Some(Sending::Piece(Piece::Sound(_))) | None => return,
            }
        }
    }

    /// Handles that a message was sent to its end.
    fn handle_sent(&mut self, number: MessageNumber) {
        self.client.handle_body_sent(number, now());
        if let Some((_, Some(progress))) = self.messages.remove(&number) {
            progress.sent();
        }
    }
}

/// A timer that wakes a caller when the client's next reply is due.
#[derive(Debug, Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Waits until a reply is due, and then makes the client handle the timeout.
    pub(super) fn poll_due(&mut self, client: &mut Client, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = client.poll_timeout().map(Instant::from_std) else { return Poll::Pending };
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() != due {
            sleep.as_mut().reset(due);
        }
        ready!(sleep.as_mut().poll(cx));
        client.handle_timeout(now());
        Poll::Ready(())
    }
}

impl fmt::Debug for Connection {
    /// Shows nothing of what goes over it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("client", &self.client).finish_non_exhaustive()
    }
}

const RECEIVED_AT_ONCE: usize = 2048;
const SLICES: usize = 16;
