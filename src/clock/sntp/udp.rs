//! [`Udp`]: queries a time server by UDP.

use std::collections::HashMap;
use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::net::UdpSocket;
use tokio::time::{sleep_until, timeout};

use super::SntpError;
use super::discipline::Sample;
use super::packet::{self, Reply, ReplyError};
use super::polling::GAP;
use crate::lock::Lock;
use crate::retry::now;

/// Makes one exchange with a time server.
#[async_trait]
pub(super) trait TimeQuery: Debug + Send + Sync + 'static {
    /// Queries `server`, written `host:port`, for the time.
    async fn query(&self, server: &str) -> Result<Sample, SntpError>;
}

/// Queries servers by UDP. Two names of one address are one server: it gets no two requests within [`GAP`].
#[derive(Debug, Default)]
pub(super) struct Udp {
    /// When each address that was queried in the last seconds may be queried again.
    not_before: Lock<HashMap<SocketAddr, Instant>>,
}

#[async_trait]
impl TimeQuery for Udp {
    async fn query(&self, server: &str) -> Result<Sample, SntpError> {
        let unreachable = |source| SntpError::Unreachable { server: server.to_owned(), source };
        let socket = connect(server).await.map_err(unreachable)?;
        let address = socket.peer_addr().map_err(unreachable)?;
        sleep_until(self.reserve(address, now()).into()).await;
        match timeout(ANSWER_TIME, exchange(&socket, server)).await {
            Ok(sample) => sample.map_err(unreachable)?,
            Err(_) => Err(SntpError::NoAnswer { server: server.to_owned() }),
        }
    }
}

impl Udp {
    /// Returns the moment at which the caller may send to `address`, `now` or later.
    fn reserve(&self, address: SocketAddr, now: Instant) -> Instant {
        let mut not_before = self.not_before.lock();
        not_before.retain(|_, until| *until > now);
        let at = not_before.get(&address).copied().unwrap_or(now);
        not_before.insert(address, at + GAP);
        at
    }
}

async fn exchange(socket: &UdpSocket, server: &str) -> io::Result<Result<Sample, SntpError>> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let nonce = u64::from_be_bytes(nonce);
    let server = || server.to_owned();
    let sent = now();
    socket.send(&packet::request(nonce)).await?;
    let mut buffer = [0; 2 * packet::LEN];
    loop {
        let len = socket.recv(&mut buffer).await?;
        let received = now();
        return Ok(match Reply::parse(&buffer[..len], nonce) {
            Ok(reply) => Sample::of(sent, &reply, received).ok_or_else(|| SntpError::Inconsistent { server: server() }),
            // The right reply may still come.
            Err(ReplyError::NotOurs) => continue,
            Err(ReplyError::Rate { interval }) => Err(SntpError::RateLimited { server: server(), interval }),
            Err(ReplyError::Denied) => Err(SntpError::Denied { server: server() }),
            Err(ReplyError::NotSynchronized) => Err(SntpError::NotSynchronized { server: server() }),
            Err(ReplyError::Inconsistent) => Err(SntpError::Inconsistent { server: server() }),
        });
    }
}

/// Returns a socket that receives from the server only.
async fn connect(server: &str) -> io::Result<UdpSocket> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for address in tokio::net::lookup_host(server).await? {
        let local: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let connected = async {
            let socket = UdpSocket::bind(local).await?;
            socket.connect(address).await.map(|()| socket)
        };
        match connected.await {
            Ok(socket) => return Ok(socket),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

const ANSWER_TIME: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_two_names_is_asked_once_in_2_s() {
        let (udp, start) = (Udp::default(), Instant::now());
        let [one, other]: [SocketAddr; 2] = ["192.0.2.1:123", "192.0.2.2:123"].map(|address| address.parse().unwrap());
        assert_eq!(udp.reserve(one, start), start);
        assert_eq!(udp.reserve(other, start), start);
        assert_eq!(udp.reserve(one, start + GAP / 2), start + GAP);
        assert_eq!(udp.reserve(one, start + GAP), start + 2 * GAP, "after the one that waits");
        assert_eq!(udp.reserve(one, start + 9 * GAP), start + 9 * GAP);
        assert_eq!(udp.not_before.lock().len(), 1, "what is over is forgotten");
    }
}
