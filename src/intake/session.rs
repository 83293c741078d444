//! One connection: the sockets and the waiting around a [`Dialogue`].

use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BytesMut;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_rustls::rustls;
use tokio_rustls::server::TlsStream;

use super::connection_slots::SlotPermit;
use super::context::IntakeContext;
use super::listener::ListenMode;
use crate::message::{Origin, TlsVersion};
use crate::retry::{now, wait_until};
use crate::smtp::server::{Action, Delivery, Dialogue, MemoryGrant, Peer, Policy, READ_ROOM, Reply};
use crate::store::StagedMail;

/// A connection, as its listener accepted it.
pub(super) struct AcceptedConnection {
    pub(super) policy: Arc<Policy>,
    pub(super) address: Option<IpAddr>,
    pub(super) mode: ListenMode,
}

/// How far a stop has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StopPhase {
    /// Nobody has asked for one.
    Running,
    /// Messages under way are finished, and nothing else is begun.
    Finishing,
    /// What has not arrived whole is given up.
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
    /// How far the dialogue knows of it.
    stopping: StopPhase,
    /// Whether its place has been given to another.
    leaving: bool,
    input: BytesMut,
    memory: Option<OwnedSemaphorePermit>,
    /// What was spilled of the message that is coming in.
    staged: Option<Box<dyn StagedMail>>,
    /// What the store is at work at, each with the memory that was set aside for it.
    stores: FuturesOrdered<BoxFuture<'a, Reply>>,
}

/// What a session waited for.
enum SessionEvent {
    /// So many bytes, straight into place.
    Chunk(usize),
    /// So many bytes of input.
    Input(usize),
    /// The store's answer for the oldest message that it has.
    Stored(Reply),
    Stop,
    Crowded,
    Time,
}

/// Why a conversation is over.
enum SessionEnd {
    HungUp,
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
            SessionEnd::HungUp => Ok(()),
            SessionEnd::StartTls => {
                let (mut stream, version, origin) = self.shake_hands(stream).await?;
                dialogue.handle_tls(version, origin, now());
                self.converse(&mut *stream, &mut dialogue).await.map(drop)
            }
        }
    }

    /// Does the TLS handshake; answers who it has proven the peer to be.
    async fn shake_hands<S>(&mut self, stream: S) -> io::Result<(Pin<Box<TlsStream<BufReader<S>>>>, TlsVersion, Origin)>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let acceptor = self.context.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        // TLS reads one record after the other: several at once cost one call. Memory that is not used yet is none.
        let stream = BufReader::with_capacity(READ_ROOM, stream);
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
        // A certificate that is here has been verified, as the TLS configuration says.
        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let peer = certificate.and_then(|certificate| self.policy.access.peer_of(certificate));
        let origin = peer.map_or(Origin::Unproven, |peer| Origin::Peer(peer.to_shared()));
        Ok((Box::pin(stream), version, origin))
    }

    /// Does what the dialogue asks for, until it is over or goes on under TLS.
    ///
    /// What the store has begun with is finished even if the peer is gone.
    async fn converse<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<SessionEnd>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + ?Sized,
    {
        let ending = self.go_on(stream, dialogue).await;
        while self.stores.next().await.is_some() {}
        ending
    }

    async fn go_on<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<SessionEnd>
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
                        self.hang_up(stream).await;
                    }
                    return Ok(SessionEnd::HungUp);
                }
                None => {
                    let answered = self.send(stream, dialogue).await?;
                    if !answered && !self.listen(stream, dialogue).await? {
                        // It may have closed its own side only, and still hears what became of its messages.
                        while let Some(reply) = self.stores.next().await {
                            dialogue.handle_stored(&reply, now());
                        }
                        self.send(stream, dialogue).await?;
                        return Ok(SessionEnd::HungUp);
                    }
                }
            }
            self.trim(dialogue.memory_steps());
        }
    }

    /// Gives back the memory that is not needed any more, and what was spilled of a message that is none.
    fn trim(&mut self, room: usize) {
        if room == 0 {
            (self.memory, self.staged) = (None, None);
        } else if let Some(memory) = &mut self.memory {
            drop(memory.split(memory.num_permits().saturating_sub(room)));
        }
    }

    /// Has a message stored, while the dialogue goes on.
    fn store(&mut self, delivery: Delivery) {
        let (context, policy, memory) = (self.context, Arc::clone(&self.policy), self.memory.take());
        let staged = self.staged.take();
        let store = async move {
            let reply = context.store(delivery, staged, &policy.access).await;
            drop(memory);
            reply
        };
        self.stores.push_back(Box::pin(store));
    }

    /// Waits for an answer, while the store goes on.
    async fn meanwhile<T>(&mut self, dialogue: &mut Dialogue, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                Some(reply) = self.stores.next(), if !self.stores.is_empty() => dialogue.handle_stored(&reply, now()),
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

    /// Waits for input, for the time to be up, or for the node to stop; answers `false` when the peer has hung up.
    async fn listen<S>(&mut self, stream: &mut S, dialogue: &mut Dialogue) -> io::Result<bool>
    where
        S: AsyncRead + Unpin + Send + ?Sized,
    {
        if self.handle_stop(dialogue) {
            return Ok(true);
        }
        if self.input.capacity() - self.input.len() < READ_ROOM / 4 {
            self.input.reserve(READ_ROOM);
        }
        self.slot.set_idle_since(dialogue.idle_since());
        let (due, held) = (dialogue.poll_timeout(), dialogue.is_held());
        let mut space = if self.input.is_empty() { dialogue.poll_space() } else { None };
        let read = async {
            match &mut space {
                Some(space) => stream.read_buf(space).await.map(SessionEvent::Chunk),
                None => stream.read_buf(&mut self.input).await.map(SessionEvent::Input),
            }
        };
        let event = tokio::select! {
            biased;
            Some(reply) = self.stores.next(), if !self.stores.is_empty() => SessionEvent::Stored(reply),
            event = read, if !held => event?,
            _ = self.stop.changed(), if self.stopping < StopPhase::Cutting => SessionEvent::Stop,
            () = self.slot.revoked() => SessionEvent::Crowded,
            () = wait_until(due) => SessionEvent::Time,
        };
        match event {
            SessionEvent::Chunk(0) | SessionEvent::Input(0) => return Ok(false),
            SessionEvent::Chunk(len) => dialogue.handle_filled(len, now()),
            SessionEvent::Input(_) => {}
            SessionEvent::Stored(reply) => dialogue.handle_stored(&reply, now()),
            SessionEvent::Stop => drop(self.handle_stop(dialogue)),
            SessionEvent::Crowded => {
                self.leaving = true;
                dialogue.handle_crowded();
            }
            SessionEvent::Time => dialogue.handle_time(now()),
        }
        self.slot.set_idle_since(None);
        Ok(true)
    }

    /// Hands a stop on to the dialogue; answers whether there was anything new in it.
    fn handle_stop(&mut self, dialogue: &mut Dialogue) -> bool {
        // Without anybody to ask for more, this is the end.
        let wish = if self.stop.has_changed().is_err() { StopPhase::Cutting } else { *self.stop.borrow_and_update() };
        if wish <= self.stopping {
            return false;
        }
        self.stopping = wish;
        match wish {
            StopPhase::Running => {}
            StopPhase::Finishing => dialogue.handle_stop(),
            StopPhase::Cutting => dialogue.handle_cut(),
        }
        true
    }

    /// Sends what has gathered, in one write, while the store goes on; answers whether the store has answered meanwhile.
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
                Some(reply) = self.stores.next(), if !self.stores.is_empty() => {
                    dialogue.handle_stored(&reply, now());
                    answered = true;
                }
                () = self.slot.revoked() => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }

    /// Ends the connection so that the last reply arrives: to close with input unread would take it back.
    async fn hang_up<S>(&mut self, stream: &mut S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + ?Sized,
    {
        let end = async {
            stream.shutdown().await?;
            let mut left = LINGER_BYTES;
            while left > 0 {
                self.input.clear();
                self.input.reserve(READ_ROOM);
                match stream.read_buf(&mut self.input).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        let linger = if self.stopping == StopPhase::Cutting { LEAVE_TIME } else { LINGER_TIME };
        // The dialogue is over: whether the peer still listens is its own affair.
        let _ = timeout(linger, end).await;
    }
}

/// How long the last word may take to a peer whose place was given away, and how long one is listened to that a stop has cut off.
const LEAVE_TIME: Duration = Duration::from_millis(500);

/// How long and how much a peer may go on after the last reply before the connection is cut.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;
