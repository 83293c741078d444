//! [`Listener`]: where clients connect. [`ListenerPolicy`]: how their connections begin, and which of them may deliver.

use std::fmt;
use std::future::Future;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinError;
use tokio::time::sleep;

use super::socket_file::SocketFile;
use crate::smtp::Reply;
use crate::smtp::server::{Access, Protocol};

/// A socket at which clients connect to an intake or a node.
#[derive(Debug)]
#[non_exhaustive]
pub enum Listener {
    /// A TCP port.
    Tcp(TcpListener),
    /// A Unix socket, for clients on this host.
    Unix(SocketFile),
}

impl Listener {
    /// Accepts the next connection; returns the client's address, too, which a Unix socket has not.
    pub(super) async fn accept(&self) -> io::Result<(Connection, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok((Connection::Tcp(stream), Some(address.ip())))
            }
            Self::Unix(socket) => Ok((Connection::Unix(socket.accept().await?), None)),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl From<SocketFile> for Listener {
    fn from(socket: SocketFile) -> Self {
        Self::Unix(socket)
    }
}

impl fmt::Display for Listener {
    /// Writes the address and port, or the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => write!(f, "{address}"),
                Err(_) => f.write_str("an unknown address"),
            },
            Self::Unix(socket) => write!(f, "{}", socket.path().display()),
        }
    }
}

/// A connection that a listener has accepted.
#[derive(Debug)]
pub(super) enum Connection {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Connection {
    /// Sends the client the reply that refuses it, and closes the connection without waiting.
    pub(super) fn turn_away(self, mode: ListenMode, reason: &Reply) {
        let mut text = bytes::BytesMut::new();
        reason.write_to(&mut text);
        // The send buffer of a new connection has space for one line. If it fails, the client sees the connection close.
        match (mode, self) {
            (ListenMode::StartTls, Self::Tcp(stream)) => drop(stream.into_std().and_then(|mut stream| stream.write(&text))),
            (ListenMode::StartTls, Self::Unix(stream)) => drop(stream.into_std().and_then(|mut stream| stream.write(&text))),
            (ListenMode::ImplicitTls, Self::Tcp(_) | Self::Unix(_)) => {}
        }
    }
}

/// How connections to a listener begin, and which clients may deliver there.
///
/// A [`ListenMode`] alone is a policy, too: only clients on [this host](Access::this_machine) may deliver.
///
/// ```
/// use voicemail::intake::{Access, ListenerPolicy, ListenMode};
///
/// let inside = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_on(["10.1.0.0/16".parse()?]));
/// let here = ListenerPolicy::from(ListenMode::StartTls);
/// let from_mail_server = here.clone().lmtp();
/// # Ok::<(), voicemail::intake::InvalidCidr>(())
/// ```
#[derive(Debug, Clone)]
pub struct ListenerPolicy {
    pub(super) mode: ListenMode,
    pub(super) access: Access,
    pub(super) protocol: Protocol,
}

/// How connections to a port begin: in plain text, or with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenMode {
    /// The connection begins in plain text, and STARTTLS is offered if the intake has a certificate: RFC 3207.
    StartTls,
    /// The connection begins with a TLS handshake: RFC 8314 §3.
    ImplicitTls,
}

impl ListenerPolicy {
    /// A policy for SMTP connections that begin by `mode`, where clients with `access` may deliver.
    pub fn new(mode: ListenMode, access: Access) -> Self {
        Self { mode, access, protocol: Protocol::Smtp }
    }

    /// Speaks LMTP at this listener instead of SMTP, with a mail server on this host or in its own network that hands messages to this node.
    ///
    /// LMTP has one reply for each recipient of a message: if one mailbox is full, the mail server sends only that copy again. It is never
    /// the protocol of port 25 (RFC 2033 §5). For a mail server on this host, a [`SocketFile`] needs no port.
    ///
    /// # Source
    ///
    /// RFC 2033.
    #[must_use]
    pub fn lmtp(mut self) -> Self {
        self.protocol = Protocol::Lmtp;
        self
    }
}

impl From<ListenMode> for ListenerPolicy {
    /// A policy for clients on this host only.
    fn from(mode: ListenMode) -> Self {
        Self::new(mode, Access::default())
    }
}

/// Accepts the next connection by `next`, and tries again when that fails.
///
/// While no file descriptor is free, accepting fails at once each time. Then `free_a_slot` closes an unproductive connection, if there is
/// one, and there is a pause after each failure.
pub(super) async fn accept<T, F>(mut next: impl FnMut() -> F, free_a_slot: impl Fn() -> bool) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match next().await {
            Ok(accepted) => return accepted,
            // This client has gone already; another one may be waiting.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let freed = lacks_descriptors(&error) && free_a_slot();
                tracing::warn!(%error, freed, "a connection could not be accepted");
                sleep(if freed { CLOSE_PAUSE } else { ACCEPT_PAUSE }).await;
            }
        }
    }
}

/// Logs how a session ended.
pub(super) fn report(ended: Result<io::Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Err(error) => tracing::error!(%error, "a session panicked"),
    }
}

/// Whether the process, or the system, can open no more files.
fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// The pause for a connection to close, before accepting is tried again.
const CLOSE_PAUSE: Duration = Duration::from_millis(10);

/// The pause after accepting failed.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
