//! [`Channel`]: messages to one peer and from it, and [`Connect`], which opens a channel.

use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::super::message::SipMessage;
use super::{ConnectionStream, Destination, SecureClient, SecureServer, Transport};

/// Opens channels to peers.
#[async_trait]
pub(in crate::sip) trait Connect: Debug + Send + Sync {
    /// A new channel to `destination`.
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>>;
}

/// Messages to one peer, and from it.
#[async_trait]
pub(in crate::sip) trait Channel: Debug + Send + Sync {
    /// The address that the peer sees, if nothing in between changes it.
    fn local(&self) -> SocketAddr;

    /// Sends a whole message. After a dropped call, the channel is of no use.
    async fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// The next message. A dropped call has lost nothing.
    async fn receive(&mut self) -> io::Result<SipMessage>;

    /// Tells the peer that nothing follows.
    async fn close(&mut self) -> io::Result<()>;
}

/// The network of this machine.
#[derive(Debug, Default)]
pub(in crate::sip) struct NetworkConnector {
    /// What TLS is spoken with; without it, no peer is reached over TLS.
    pub(in crate::sip) tls: Option<Arc<dyn SecureClient>>,
}

#[async_trait]
impl Connect for NetworkConnector {
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>> {
        let Destination { transport, address, name } = destination;
        Ok(match transport {
            Transport::Udp => Box::new(UdpChannel::to(*address).await?),
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await?;
                Box::new(StreamChannel::new(&stream.local_addr()?, plain(stream)?))
            }
            Transport::Tls => {
                let tls = self.tls.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, TlsNotConfigured))?;
                let stream = TcpStream::connect(address).await?;
                let local = stream.local_addr()?;
                stream.set_nodelay(true)?;
                Box::new(StreamChannel::new(&local, tls.connect(stream, name).await?))
            }
        })
    }
}

/// Why nobody is reached over TLS.
#[derive(Debug, thiserror::Error)]
#[error("the address asks for TLS, and no TLS is configured: give the builder `ca_pem` or `tls`")]
struct TlsNotConfigured;

/// A connection that a peer has opened, after its handshake where `tls` asks for one.
pub(super) async fn accepted(stream: TcpStream, tls: Option<Arc<dyn SecureServer>>) -> io::Result<Box<dyn Channel>> {
    let local = stream.local_addr()?;
    let stream = match tls {
        None => plain(stream)?,
        Some(tls) => {
            stream.set_nodelay(true)?;
            tls.accept(stream).await?
        }
    };
    Ok(Box::new(StreamChannel::new(&local, stream)))
}

fn plain(stream: TcpStream) -> io::Result<Box<dyn ConnectionStream>> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// The next datagram that reads as SIP, and where it came from. What does not is as good as lost.
pub(in crate::sip) async fn receive_datagram(socket: &UdpSocket, buffer: &mut Vec<u8>) -> io::Result<(SipMessage, SocketAddr)> {
    buffer.resize(MAX_DATAGRAM, 0);
    loop {
        let (len, peer) = socket.recv_from(buffer).await?;
        if let Ok(message) = SipMessage::parse(&buffer[..len]) {
            return Ok((message, peer));
        }
    }
}

#[derive(Debug)]
struct UdpChannel {
    local: SocketAddr,
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl UdpChannel {
    async fn to(peer: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // From now on it receives from this peer alone, and reports when nobody is there.
        socket.connect(peer).await?;
        Ok(Self { local: socket.local_addr()?, socket, buffer: Vec::new() })
    }
}

#[async_trait]
impl Channel for UdpChannel {
    fn local(&self) -> SocketAddr {
        self.local
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send(message).await.map(drop)
    }

    async fn receive(&mut self) -> io::Result<SipMessage> {
        receive_datagram(&self.socket, &mut self.buffer).await.map(|(message, _)| message)
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct StreamChannel {
    local: SocketAddr,
    stream: Box<dyn ConnectionStream>,
    input: BytesMut,
}

impl StreamChannel {
    fn new(local: &SocketAddr, stream: Box<dyn ConnectionStream>) -> Self {
        Self { local: *local, stream, input: BytesMut::new() }
    }
}

#[async_trait]
impl Channel for StreamChannel {
    fn local(&self) -> SocketAddr {
        self.local
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await?;
        self.stream.flush().await
    }

    async fn receive(&mut self) -> io::Result<SipMessage> {
        loop {
            let message = SipMessage::read(&mut self.input).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            if let Some(message) = message {
                return Ok(message);
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }
}

/// Longer datagrams are cut off, and then read as nothing.
const MAX_DATAGRAM: usize = 64 * 1024;
