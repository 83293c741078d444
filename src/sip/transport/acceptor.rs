//! [`Acceptor`]: accepts connections; when file descriptors have run out, it waits a moment and tries again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep_until};

use super::{SecureServer, Transport};

/// Accepts the connections of one listener.
#[derive(Debug)]
pub(in crate::sip) struct Acceptor<'a> {
    transport: Transport,
    listener: Option<&'a TcpListener>,
    tls: Option<&'a Arc<dyn SecureServer>>,
    /// When the next attempt is made after a failure.
    paused_until: Option<Instant>,
    failing: bool,
}

/// A connection that a peer has opened.
#[derive(Debug)]
pub(in crate::sip) struct AcceptedConnection {
    pub(in crate::sip) stream: TcpStream,
    pub(in crate::sip) peer: SocketAddr,
    pub(in crate::sip) transport: Transport,
    /// Makes the TLS handshake, if there is one.
    pub(in crate::sip) tls: Option<Arc<dyn SecureServer>>,
}

impl<'a> Acceptor<'a> {
    /// An acceptor of the connections of `listener`, which are of `transport`; each begins with a TLS handshake if there is `tls`.
    pub(in crate::sip) const fn new(
        transport: Transport,
        listener: Option<&'a TcpListener>,
        tls: Option<&'a Arc<dyn SecureServer>>,
    ) -> Self {
        Self { transport, listener, tls, paused_until: None, failing: false }
    }

    /// Waits for the next connection; for ever without a listener.
    ///
    /// # Errors
    ///
    /// Mostly when file descriptors have run out: the caller should close a connection that is not needed. The next call waits for a tenth
    /// of a second, however often calls are dropped meanwhile, or less after [`handle_descriptor_freed`](Self::handle_descriptor_freed).
    pub(in crate::sip) async fn accept(&mut self) -> io::Result<AcceptedConnection> {
        let Some(listener) = self.listener else { return std::future::pending().await };
        if let Some(deadline) = self.paused_until {
            sleep_until(deadline).await;
            self.paused_until = None;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                self.failing = false;
                Ok(AcceptedConnection { stream, peer, transport: self.transport, tls: self.tls.cloned() })
            }
            Err(error) => {
                self.paused_until = Some(Instant::now() + PAUSE);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the SIP listener cannot accept connections");
                }
                Err(error)
            }
        }
    }

    /// Another connection is being closed, so the next attempt is made soon.
    pub(in crate::sip) fn handle_descriptor_freed(&mut self) {
        self.paused_until = Some(Instant::now() + SHORT_PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(100);
/// The time that a connection needs to close.
const SHORT_PAUSE: Duration = Duration::from_millis(2);
