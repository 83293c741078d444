//! [`Channel`]: messages to one peer and from it, and [`Connect`], which opens a channel.

use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::super::message::Message;
use super::{Destination, SecureClient, SecureServer, Stream, Transport};

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
    async fn receive(&mut self) -> io::Result<Message>;

    /// Tells the peer that nothing follows.
    async fn close(&mut self) -> io::Result<()>;
}

/// The network of this machine.
#[derive(Debug, Default)]
pub(in crate::sip) struct Network {
    /// What TLS is spoken with; without it, no peer is reached over TLS.
    pub(in crate::sip) tls: Option<Arc<dyn SecureClient>>,
}

#[async_trait]
impl Connect for Network {
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>> {
        let Destination { transport, address, name } = destination;
        Ok(match transport {
            Transport::Udp => Box::new(Datagrams::to(*address).await?),
            Transport::Tcp => {
                let stream = TcpStream::connect(address).await?;
                Box::new(Connection::new(&stream.local_addr()?, plain(stream)?))
            }
            Transport::Tls => {
                let tls = self.tls.as_ref().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, NoTls))?;
                let stream = TcpStream::connect(address).await?;
                let local = stream.local_addr()?;
                stream.set_nodelay(true)?;
                Box::new(Connection::new(&local, tls.connect(stream, name).await?))
            }
        })
    }
}

/// Why nobody is reached over TLS.
#[derive(Debug, thiserror::Error)]
#[error("the address asks for TLS, and no TLS is configured: give the builder `ca_pem` or `tls`")]
struct NoTls;

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
    Ok(Box::new(Connection::new(&local, stream)))
}

fn plain(stream: TcpStream) -> io::Result<Box<dyn Stream>> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// The next datagram that reads as SIP, and where it came from. What does not is as good as lost.
pub(in crate::sip) async fn receive_datagram(socket: &UdpSocket, buffer: &mut Vec<u8>) -> io::Result<(Message, SocketAddr)> {
    buffer.resize(LONGEST_DATAGRAM, 0);
    loop {
        let (len, peer) = socket.recv_from(buffer).await?;
        if let Ok(message) = Message::parse(&buffer[..len]) {
            return Ok((message, peer));
        }
    }
}

#[derive(Debug)]
struct Datagrams {
    local: SocketAddr,
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl Datagrams {
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
impl Channel for Datagrams {
    fn local(&self) -> SocketAddr {
        self.local
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.socket.send(message).await.map(drop)
    }

    async fn receive(&mut self) -> io::Result<Message> {
        receive_datagram(&self.socket, &mut self.buffer).await.map(|(message, _)| message)
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct Connection {
    local: SocketAddr,
    stream: Box<dyn Stream>,
    input: BytesMut,
}

impl Connection {
    fn new(local: &SocketAddr, stream: Box<dyn Stream>) -> Self {
        Self { local: *local, stream, input: BytesMut::new() }
    }
}

#[async_trait]
impl Channel for Connection {
    fn local(&self) -> SocketAddr {
        self.local
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await?;
        self.stream.flush().await
    }

    async fn receive(&mut self) -> io::Result<Message> {
        loop {
            let message = Message::read(&mut self.input).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
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
const LONGEST_DATAGRAM: usize = 64 * 1024;
