//! [`Dial`]: makes connections to the peer, by TCP or otherwise.

use std::fmt::Debug;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

/// Makes connections to one peer. By default the forwarder connects by TCP;
/// [`SmtpForwarderBuilder::dial`](super::SmtpForwarderBuilder::dial) sets another way to connect.
///
/// An implementation sends mail through a tunnel, a proxy, or pipes in a test. TLS runs inside the byte stream that it returns.
///
/// ```
/// use std::io;
/// use std::time::Duration;
///
/// use async_trait::async_trait;
/// use tokio::net::UnixStream;
/// use voicemail::forward::smtp::{Dial, Security, SmtpForwarder, ByteStream};
///
/// /// A central node on the same machine, behind a socket that only its group may open.
/// #[derive(Debug)]
/// struct Socket;
///
/// #[async_trait]
/// impl Dial for Socket {
///     async fn dial(&self, _budget: Duration) -> io::Result<Box<dyn ByteStream>> {
///         Ok(Box::new(UnixStream::connect("/run/voicemail.sock").await?))
///     }
/// }
///
/// let builder = SmtpForwarder::builder("central.example:25", "vm.example").dial(Socket);
/// builder.security(Security::PlainText).build()?;
/// # Ok::<(), voicemail::forward::smtp::SetupError>(())
/// ```
#[async_trait]
pub trait Dial: Debug + Send + Sync + 'static {
    /// Connects to the peer, trying each of its addresses, within `budget` in total; a call that takes longer is dropped.
    ///
    /// # Errors
    ///
    /// After any error, the message is tried again later.
    ///
    /// # Cancel safety
    ///
    /// A dropped call leaves no connection.
    async fn dial(&self, budget: Duration) -> io::Result<Box<dyn ByteStream>>;
}

/// Passes every call on, so that an implementation in an `Arc` or a `Box` is one too.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<D: Dial + ?Sized> Dial for $wrapper<D> {
            async fn dial(&self, budget: Duration) -> io::Result<Box<dyn ByteStream>> {
                (**self).dial(budget).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);

/// A byte stream in both directions, such as a TCP connection.
///
/// A stream that can distinguish a dead path from a silent peer should fail when the path dies, as TCP does here within 20 seconds. Over any
/// other stream, a transfer that is under way when the path dies ends by its [`Timeouts`](super::Timeouts).
pub trait ByteStream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> ByteStream for T {}

/// Connects by TCP.
#[derive(Debug)]
pub(super) struct TcpDial {
    pub(super) host: String,
    pub(super) port: u16,
}

#[async_trait]
impl Dial for TcpDial {
    async fn dial(&self, budget: Duration) -> io::Result<Box<dyn ByteStream>> {
        let deadline = Instant::now() + budget;
        let addresses: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port)).await?.collect();
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (tried, address) in addresses.iter().enumerate() {
            // An address that does not answer must leave the later ones their share of the time.
            let left = u32::try_from(addresses.len() - tried).unwrap_or(u32::MAX);
            let share = deadline.saturating_duration_since(Instant::now()) / left;
            match timeout(share, connect(*address)).await {
                Ok(Ok(stream)) => return Ok(Box::new(stream)),
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failure)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Each command waits for the reply to the one before. Nagle's algorithm would delay it by 40 ms.
    socket.set_nodelay(true)?;
    socket.set_keepalive(true)?;
    // Timeouts count from the last byte that the socket accepted, so few bytes may wait in its buffer.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    notice_a_dead_path(&socket);
    socket.connect(address).await
}

/// Makes the connection fail soon after the path to the peer has died.
///
/// By default TCP retransmits for 15 minutes, and probes an idle peer after 2 hours. The kernel of a peer that is merely slow still answers,
/// so such a peer gets the full time of the timeouts.
///
/// # Source
///
/// RFC 5482 (the limit on unanswered bytes), RFC 9293 §3.8.4 (keep-alive).
#[cfg(target_os = "linux")]
fn notice_a_dead_path(socket: &TcpSocket) {
    use rustix::net::sockopt;

    // If a kernel does not support these options, the timeouts apply, which are longer.
    let _ = sockopt::set_tcp_user_timeout(socket, DEAD_AFTER_MILLIS);
    let _ = sockopt::set_tcp_keepidle(socket, SIGN_OF_LIFE);
    let _ = sockopt::set_tcp_keepintvl(socket, SIGN_OF_LIFE);
}

#[cfg(not(target_os = "linux"))]
fn notice_a_dead_path(_: &TcpSocket) {}

/// Returns host and port of `host:port`, without the brackets of an IPv6 address.
pub(super) fn host_and_port(peer: &str) -> Option<(&str, u16)> {
    let (host, port) = peer.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let readable = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic());
    Some((host, port.parse().ok()?)).filter(|_| readable)
}

const SEND_BUFFER: u32 = 256 * 1024;
/// A path on which bytes are unacknowledged for this long is dead.
#[cfg(target_os = "linux")]
const DEAD_AFTER_MILLIS: u32 = 15_000;
/// How long a connection is silent before TCP sends a keep-alive probe.
#[cfg(target_os = "linux")]
const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
