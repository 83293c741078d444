//! [`Channel`]: sends messages to one peer and receives its messages, and [`Connect`], which opens a channel.

use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::super::message::SipMessage;
use super::{ConnectionStream, Destination, SecureServer};

/// Opens channels to peers.
#[async_trait]
pub(in crate::sip) trait Connect: Debug + Send + Sync {
    /// Opens a channel to `destination`.
    async fn connect(&self, destination: &Destination) -> io::Result<Box<dyn Channel>>;
}

/// Sends messages to one peer, and receives its messages.
#[async_trait]
pub(in crate::sip) trait Channel: Debug + Send + Sync {
    /// The local address, which the peer sees if there is no address translation.
    fn local(&self) -> SocketAddr;

    /// Sends a whole message.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have sent a part of the message, so the channel must not be used again.
    async fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// Receives the next message.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost nothing.
    async fn receive(&mut self) -> io::Result<SipMessage>;

    /// Closes the channel for sending; the peer sees the end of the stream.
    async fn close(&mut self) -> io::Result<()>;
}

/// A channel on a connection that a peer has opened, after the TLS handshake if there is `tls`.
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

pub(super) fn plain(stream: TcpStream) -> io::Result<Box<dyn ConnectionStream>> {
    stream.set_nodelay(true)?;
    Ok(Box::new(stream))
}

/// Receives the next datagram that is a SIP message, and the address that it came from. Other datagrams are dropped.
pub(in crate::sip) async fn receive_datagram(socket: &UdpSocket, buffer: &mut Vec<u8>) -> io::Result<(SipMessage, SocketAddr)> {
    buffer.resize(MAX_DATAGRAM, 0);
    loop {
        let (len, peer) = socket.recv_from(buffer).await?;
        if let Ok(message) = SipMessage::parse(&buffer[..len]) {
            return Ok((message, peer));
        }
    }
}

/// A channel over UDP.
#[derive(Debug)]
pub(super) struct UdpChannel {
    local: SocketAddr,
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl UdpChannel {
    pub(super) async fn to(peer: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match peer {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        // A connected socket receives from this peer alone, and reports an unreachable port.
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

/// A channel over TCP, with or without TLS.
#[derive(Debug)]
pub(super) struct StreamChannel {
    local: SocketAddr,
    stream: Box<dyn ConnectionStream>,
    input: BytesMut,
}

impl StreamChannel {
    pub(super) fn new(local: &SocketAddr, stream: Box<dyn ConnectionStream>) -> Self {
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

/// Longer datagrams are cut off, so they are malformed and dropped.
const MAX_DATAGRAM: usize = 64 * 1024;
