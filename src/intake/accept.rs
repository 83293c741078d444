//! Who comes to a listener: let in, turned away, and told of.

use std::future::Future;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinError;
use tokio::time::sleep;

use super::ListenMode;
use super::reply::Reply;

/// The next that `next` accepts. Without a free descriptor it fails at once, again and again: there is a pause after each failure.
pub(super) async fn accept<T, F>(mut next: impl FnMut() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match next().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
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

pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
