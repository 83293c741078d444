//! [`Acceptor`]: a listener that neither spins nor gives up when file descriptors run out.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep_until};

use super::SecureServer;

/// Takes the connections of one listener.
#[derive(Debug)]
pub(in crate::sip) struct Acceptor<'a> {
    listener: Option<&'a TcpListener>,
    tls: Option<&'a Arc<dyn SecureServer>>,
    /// It has failed, and tries again then.
    paused_until: Option<Instant>,
    failing: bool,
}

/// A connection that a peer has opened.
#[derive(Debug)]
pub(in crate::sip) struct AcceptedConnection {
    pub(in crate::sip) stream: TcpStream,
    pub(in crate::sip) peer: SocketAddr,
    /// What the handshake is done with.
    pub(in crate::sip) tls: Option<Arc<dyn SecureServer>>,
}

impl<'a> Acceptor<'a> {
    /// An acceptor of `listener`, under TLS if there is `tls`.
    pub(in crate::sip) fn new(listener: Option<&'a TcpListener>, tls: Option<&'a Arc<dyn SecureServer>>) -> Self {
        Self { listener, tls, paused_until: None, failing: false }
    }

    /// Waits for the next connection; for ever without a listener.
    ///
    /// # Errors
    ///
    /// When file descriptors have run out, mostly: a connection that nobody needs should be closed. The next call waits for a tenth of a
    /// second, however often calls are dropped meanwhile, or less after [`handle_descriptor_freed`](Self::handle_room).
    pub(in crate::sip) async fn accept(&mut self) -> io::Result<AcceptedConnection> {
        let Some(listener) = self.listener else { return std::future::pending().await };
        if let Some(deadline) = self.paused_until {
            sleep_until(deadline).await;
            self.paused_until = None;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                self.failing = false;
                Ok(AcceptedConnection { stream, peer, tls: self.tls.cloned() })
            }
            Err(error) => {
                self.paused_until = Some(Instant::now() + PAUSE);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "the SIP listener does not accept");
                }
                Err(error)
            }
        }
    }

    /// A connection is being closed for the next one.
    pub(in crate::sip) fn handle_descriptor_freed(&mut self) {
        self.paused_until = Some(Instant::now() + SHORT_PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(100);
/// Time enough for a connection to end.
const SHORT_PAUSE: Duration = Duration::from_millis(2);
