//! A session serves one connection: it reads, writes and waits for a [`Dialogue`], which decides.

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

use super::connection_slots::SlotPermit;
use super::context::IntakeContext;
use super::listener::ListenMode;
use super::read_ahead::{ReadAhead, read_some};
use crate::message::{Origin, TlsVersion};
use crate::retry::{now, wait_until};
use crate::smtp::Reply;
use crate::smtp::server::{Action, Delivery, Dialogue, MemoryGrant, Peer, Policy};
use crate::store::StagedMail;

/// The circumstances of a connection, from its listener.
pub(super) struct AcceptedConnection {
    pub(super) policy: Arc<Policy>,
    pub(super) address: Option<IpAddr>,
    pub(super) mode: ListenMode,
}

/// The phase of a graceful stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StopPhase {
    /// No stop was requested.
    Running,
    /// Messages under way are finished, and nothing else is begun.
    Finishing,
    /// Messages that have not arrived completely are given up.
    Cutting,
}

/// Serves one connection to its end.
pub(super) async fn run<S>(
    context: &IntakeContext,
    stream: S,
    accepted: AcceptedConnection,
    slot: SlotPermit,
    stop: watch::Receiver<StopPhase>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let session = context.sessions.fetch_add(1, Ordering::Relaxed);
    let AcceptedConnection { policy, address, mode } = accepted;
    let peer = Peer { address, session, ..Peer::default() };
    let (stopping, leaving) = (StopPhase::Running, false);
    let input = BytesMut::new();
    let stores = FuturesOrdered::new();
    let mut session =
        Session { context, policy, address, slot, stop, stopping, leaving, input, memory: None, staged: None, stores };
    match mode {
        ListenMode::StartTls => session.start_plain(stream, peer).await,
        ListenMode::ImplicitTls => {
            let (mut stream, version, origin) = session.shake_hands(stream).await?;
            let mut dialogue = session.dialogue(Peer { tls: Some(version), origin, ..peer });
            session.converse(&mut *stream, &mut dialogue).await.map(drop)
        }
    }
}

struct Session<'a> {
    context: &'a IntakeContext,
    policy: Arc<Policy>,
    address: Option<IpAddr>,
    slot: SlotPermit,
    stop: watch::Receiver<StopPhase>,
    /// The phase that the dialogue knows.
    stopping: StopPhase,
    /// Whether the slot was taken away.
    leaving: bool,
    input: BytesMut,
    memory: Option<OwnedSemaphorePermit>,
    /// The part of the incoming message that was written by the store.
    staged: Option<Box<dyn StagedMail>>,
    /// The deposits under way, each with the memory that was reserved for it.
    stores: FuturesOrdered<BoxFuture<'a, Vec<Reply>>>,
}

/// The event that ended a session's wait.
enum SessionEvent {
    /// This many bytes of a message were read directly into the dialogue's memory.
    Chunk(usize),
    /// This many bytes of input were read.
    Input(usize),
    /// The replies to the oldest message whose deposit was under way.
    Stored(Vec<Reply>),
    /// A stop was requested, or has come to its next phase.
    Stop,
    /// The slot was taken away.
    SlotRevoked,
    /// A timeout of the dialogue is due.
    Timeout,
}

/// How a conversation ended.
enum SessionEnd {
    /// The connection is closed.
    Closed,
    /// The conversation goes on after a TLS handshake.
    StartTls,
}

impl Session<'_> {
    fn dialogue(&self, peer: Peer) -> Dialogue {
        Dialogue::new(Arc::clone(&self.policy), peer, now())
    }

    async fn start_plain<S>(&mut self, mut stream: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut dialogue = self.dialogue(peer);
        match self.converse(&mut stream, &mut dialogue).await? {
            SessionEnd::Closed => Ok(()),
            SessionEnd::StartTls => {
                let (mut stream, version, origin) = self.shake_hands(stream).await?;
                dialogue.handle_tls(version, origin, now());
                self.converse(&mut *stream, &mut dialogue).await.map(drop)
            }
        }
    }

    /// Does the TLS handshake; returns the origin that the client's certificate proves.
    async fn shake_hands<S>(&mut self, stream: S) -> io::Result<(Pin<Box<TlsStream<ReadAhead<S>>>>, TlsVersion, Origin)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let acceptor = self.context.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        // rustls reads a part of a record at a time.
        let stream = ReadAhead::new(stream);
        let handshake = timeout(self.context.policy.limits.handshake_time, acceptor.accept(stream));
        let stream = tokio::select! {
            biased;
            result = handshake => result.map_err(|_| io::ErrorKind::TimedOut)??,
            _ = self.stop.changed() => return Err(io::ErrorKind::Interrupted.into()),
            () = self.slot.revoked() => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            Some(rustls::ProtocolVersion::TLSv1_2) => TlsVersion::V1_2,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        // rustls has verified the certificate, by the rules of the TLS configuration.
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let peer = certificate.and_then(|certificate| self.policy.access.peer_of(certificate));
        let origin = peer.map_or(Origin::Unproven, |peer| Origin::Peer(peer.to_shared()));
        Ok((Box::pin(stream), version, origin))
    }

    /// Executes the dialogue's actions, until it ends or goes on under TLS.
    ///
    /// Deposits that have begun are finished even if the client is gone.
    async fn converse<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<SessionEnd>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + ?Sized,
    {
        let ending = self.run_dialogue(stream, dialogue).await;
        while self.stores.next().await.is_some() {}
        ending
    }

    async fn run_dialogue<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<SessionEnd>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + ?Sized,
    {
        let context = self.context;
        loop {
            dialogue.handle_input(&mut self.input, now());
            match dialogue.poll_action() {
                Some(Action::LookUp(recipient, size)) => {
                    let lookup = self.meanwhile(dialogue, context.look_up(&recipient, size, self.address)).await;
                    dialogue.handle_lookup(lookup, now());
                }
                Some(Action::Reserve) => {
                    let permit = self.meanwhile(dialogue, context.reserve()).await;
                    dialogue.handle_memory_grant(self.take_memory(permit), now());
                }
                Some(Action::Spill(bytes)) => {
                    let staged = self.staged.take();
                    let (staged, spill) = self.meanwhile(dialogue, context.spill(staged, bytes)).await;
                    self.staged = staged;
                    dialogue.handle_spill(spill, now());
                }
                Some(Action::PermitLogin) => {
                    let permit = context.login_permit(self.address);
                    dialogue.handle_login_permit(permit, now());
                }
                Some(Action::CheckLogin(attempt)) => {
                    let login = context.check_login(attempt, self.address).await;
                    dialogue.handle_login(login, now());
                }
                Some(Action::Store(delivery)) => self.store(delivery),
                Some(Action::StartTls) => {
                    self.send(stream, dialogue).await?;
                    return Ok(SessionEnd::StartTls);
                }
                Some(Action::Close) => {
                    self.send(stream, dialogue).await?;
                    if !self.leaving {
                        self.close(stream).await;
                    }
                    return Ok(SessionEnd::Closed);
                }
                None => {
                    let answered = self.send(stream, dialogue).await?;
                    if !answered && !self.wait(stream, dialogue).await? {
                        // The client may have closed only its sending side, and still reads the replies to its messages.
                        while let Some(replies) = self.stores.next().await {
                            dialogue.handle_stored_each(&replies, now());
                        }
                        self.send(stream, dialogue).await?;
                        return Ok(SessionEnd::Closed);
                    }
                }
            }
            self.trim(dialogue.memory_steps());
        }
    }

    /// Gives back the memory that is not needed any more, and the spilled part of a message that was given up.
    fn trim(&mut self, room: usize) {
        if room == 0 {
            (self.memory, self.staged) = (None, None);
        } else if let Some(memory) = &mut self.memory {
            drop(memory.split(memory.num_permits().saturating_sub(room)));
        }
    }

    /// Begins the deposit of a message; the dialogue goes on meanwhile.
    fn store(&mut self, delivery: Delivery) {
        let (context, policy, memory) = (self.context, Arc::clone(&self.policy), self.memory.take());
        let staged = self.staged.take();
        let store = async move {
            let replies = context.store(delivery, staged, &policy).await;
            drop(memory);
            replies
        };
        self.stores.push_back(Box::pin(store));
    }

    /// Waits for an answer, while deposits go on.
    async fn meanwhile<T>(&mut self, dialogue: &mut Dialogue, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                Some(replies) = self.stores.next(), if !self.stores.is_empty() => dialogue.handle_stored_each(&replies, now()),
            }
        }
    }

    fn take_memory(&mut self, permit: Option<OwnedSemaphorePermit>) -> MemoryGrant {
        let Some(permit) = permit else { return MemoryGrant::Denied };
        match &mut self.memory {
            Some(memory) => memory.merge(permit),
            None => self.memory = Some(permit),
        }
        MemoryGrant::Granted { at: self.context.clock.now().instant }
    }

    /// Waits for input, a timeout, a reply of the store or a stop; returns `false` when the client has closed the connection.
    async fn wait<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<bool>
    where
        S: AsyncRead + Unpin + Send + ?Sized,
    {
        if self.handle_stop(dialogue) {
            return Ok(true);
        }
        self.slot.set_idle_since(dialogue.idle_since());
        let (due, held) = (dialogue.poll_timeout(), dialogue.is_held());
        let mut space = if self.input.is_empty() { dialogue.poll_space() } else { None };
        if space.is_some() {
            self.input = BytesMut::new();
        }
        let read = async {
            match &mut space {
                Some(space) => stream.read_buf(space).await.map(SessionEvent::Chunk),
                None => read_some(stream, &mut self.input).await.map(SessionEvent::Input),
            }
        };
        let event = tokio::select! {
            biased;
            Some(replies) = self.stores.next(), if !self.stores.is_empty() => SessionEvent::Stored(replies),
            event = read, if !held => event?,
            _ = self.stop.changed(), if self.stopping < StopPhase::Cutting => SessionEvent::Stop,
            () = self.slot.revoked() => SessionEvent::SlotRevoked,
            () = until(due) => SessionEvent::Timeout,
        };
        match event {
            SessionEvent::Chunk(0) | SessionEvent::Input(0) => return Ok(false),
            SessionEvent::Chunk(len) => dialogue.handle_filled(len, now()),
            SessionEvent::Input(_) => {}
            SessionEvent::Stored(replies) => dialogue.handle_stored_each(&replies, now()),
            SessionEvent::Stop => drop(self.handle_stop(dialogue)),
            SessionEvent::SlotRevoked => {
                self.leaving = true;
                dialogue.handle_crowded();
            }
            SessionEvent::Timeout => dialogue.handle_time(now()),
        }
        self.slot.set_idle_since(None);
        Ok(true)
    }

    /// Passes the phase of a stop on to the dialogue; returns whether it was new.
    fn handle_stop(&mut self, dialogue: &mut Dialogue) -> bool {
        // If the sender of the phase is gone, the session must end.
        let phase = if self.stop.has_changed().is_err() { StopPhase::Cutting } else { *self.stop.borrow_and_update() };
        if phase <= self.stopping {
            return false;
        }
        self.stopping = phase;
        match phase {
            StopPhase::Running => {}
            StopPhase::Finishing => dialogue.handle_stop(),
            StopPhase::Cutting => dialogue.handle_cut(),
        }
        true
    }

    /// Sends all pending output in one write, while deposits go on; returns whether one of them ended meanwhile.
    async fn send<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<bool>
    where
        S: AsyncWrite + Unpin + Send + ?Sized,
    {
        let Some(output) = dialogue.poll_output() else { return Ok(false) };
        let write = async {
            stream.write_all(&output).await?;
            stream.flush().await
        };
        if self.leaving {
            timeout(LEAVE_TIME, write).await.map_err(|_| io::ErrorKind::TimedOut)??;
            return Ok(false);
        }
        let mut write = pin!(timeout(self.context.policy.limits.command_time, write));
        let mut answered = false;
        loop {
            self.slot.set_idle_since(dialogue.idle_since());
            tokio::select! {
                biased;
                written = &mut write => return written.map_err(|_| io::ErrorKind::TimedOut)?.map(|()| answered),
                Some(replies) = self.stores.next(), if !self.stores.is_empty() => {
                    dialogue.handle_stored_each(&replies, now());
                    answered = true;
                }
                () = self.slot.revoked() => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }

    /// Closes the connection so that the last reply arrives: a socket that is closed with unread input is reset, and the reply may be lost.
    async fn close<S>(&mut self, stream: &mut S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + ?Sized,
    {
        let end = async {
            stream.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.input.clear();
                match read_some(stream, &mut self.input).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        let linger = if self.stopping == StopPhase::Cutting { LEAVE_TIME } else { LINGER_TIME };
        // The dialogue is over, so an error here does not matter.
        let _ = timeout(linger, end).await;
    }
}

/// Waits until `due`, or for ever without it. A time that is over needs no timer, which would delay each greeting by up to two milliseconds.
async fn until(due: Option<Instant>) {
    if due.is_none_or(|due| due > now()) {
        wait_until(due).await;
    }
}

/// How long the last reply may take to a client whose slot was taken away, and how long input is still read after a stop has cut it off.
const LEAVE_TIME: Duration = Duration::from_millis(500);

/// How long, and how many bytes, a client may go on sending after the last reply, before the connection is cut.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;
