//! [`ListenerPolicy`]: how connections of a listener begin, and who may deliver there; and how they are accepted.

use std::future::Future;
use std::io::{self, Write as _};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::task::JoinError;
use tokio::time::sleep;

use crate::smtp::server::{Access, Reply};

/// How connections to a listener begin, and who may deliver there.
///
/// A [`ListenMode`] alone is a policy, too: for clients on [this machine](Access::this_machine) and no others.
///
/// ```
/// use voicemail::intake::{Access, ListenerPolicy, ListenMode};
///
/// let inside = ListenerPolicy::new(ListenMode::StartTls, Access::anyone_on(["10.1.0.0/16".parse()?]));
/// let here = ListenerPolicy::from(ListenMode::StartTls);
/// # Ok::<(), voicemail::intake::InvalidCidr>(())
/// ```
#[derive(Debug, Clone)]
pub struct ListenerPolicy {
    pub(super) mode: ListenMode,
    pub(super) access: Access,
}

/// How connections to a port begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenMode {
    /// In plain text; STARTTLS is offered if the intake has a certificate. RFC 3207.
    StartTls,
    /// With a TLS handshake. RFC 8314 §3.
    ImplicitTls,
}

impl ListenerPolicy {
    /// Connections begin as `mode` says, and who has `access` may deliver.
    pub fn new(mode: ListenMode, access: Access) -> Self {
        Self { mode, access }
    }
}

impl From<ListenMode> for ListenerPolicy {
    /// For this machine only.
    fn from(mode: ListenMode) -> Self {
        Self::new(mode, Access::default())
    }
}

/// The next that `next` accepts.
///
/// Without a free descriptor it fails at once, again and again: `free_a_slot` closes a connection that is of no use then, if there is one,
/// and after each failure there is a pause.
pub(super) async fn accept<T, F>(mut next: impl FnMut() -> F, free_a_slot: impl Fn() -> bool) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match next().await {
            Ok(accepted) => return accepted,
            // The client is gone already; the next one may be there.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                let place = lacks_descriptors(&error) && free_a_slot();
                tracing::warn!(%error, place, "a connection could not be accepted");
                sleep(if place { CLOSE_PAUSE } else { ACCEPT_PAUSE }).await;
            }
        }
    }
}

/// Tells a peer why there is no place for it, without waiting for it.
pub(super) fn turn_away(stream: TcpStream, mode: ListenMode, reason: &Reply) {
    let mut text = bytes::BytesMut::new();
    reason.write_to(&mut text);
    match (mode, stream.into_std()) {
        // The buffer of a new connection takes one line; should it not, the closed connection says enough.
        (ListenMode::StartTls, Ok(mut stream)) => drop(stream.write(&text)),
        (ListenMode::ImplicitTls, _) | (_, Err(_)) => {}
    }
}

pub(super) fn report(ended: Result<io::Result<()>, JoinError>) {
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
        Err(error) => tracing::error!(%error, "a session failed"),
    }
}

/// Whether the process, or the system, can open no more files.
fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

/// How long a connection may take to close before another accept is tried.
const CLOSE_PAUSE: Duration = Duration::from_millis(10);

pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
