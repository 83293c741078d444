//! [`Channel`]: a way to one peer, and [`Connect`], which opens it.

use std::fmt::Debug;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

use super::Transport;
use super::message::Message;

/// Opens ways to peers.
#[async_trait]
pub(super) trait Connect: Debug + Send + Sync {
    /// A way to `peer` that is not used yet.
    async fn connect(&self, transport: Transport, peer: SocketAddr) -> io::Result<Box<dyn Channel>>;
}

/// A way to one peer, and from it.
#[async_trait]
pub(super) trait Channel: Debug + Send + Sync {
    /// The address that the peer sees, if nothing in between changes it.
    fn local(&self) -> SocketAddr;

    /// Sends a whole message. After a dropped call, the channel is of no use.
    async fn send(&mut self, message: &[u8]) -> io::Result<()>;

    /// The next message. A dropped call has lost nothing.
    async fn receive(&mut self) -> io::Result<Message>;
}

/// The network of this machine.
#[derive(Debug)]
pub(super) struct Network;

#[async_trait]
impl Connect for Network {
    async fn connect(&self, transport: Transport, peer: SocketAddr) -> io::Result<Box<dyn Channel>> {
        Ok(match transport {
            Transport::Udp => {
                let any: SocketAddr = match peer {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any).await?;
                // From now on it hears nobody else, and is told when nobody is there.
                socket.connect(peer).await?;
                Box::new(Datagrams { local: socket.local_addr()?, socket, buffer: vec![0; LONGEST_DATAGRAM] })
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(peer).await?;
                stream.set_nodelay(true)?;
                Box::new(Connection { local: stream.local_addr()?, stream, input: BytesMut::new() })
            }
        })
    }
}

#[derive(Debug)]
struct Datagrams {
    local: SocketAddr,
    socket: UdpSocket,
    buffer: Vec<u8>,
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
        loop {
            let len = self.socket.recv(&mut self.buffer).await?;
            // What does not read as SIP is as good as lost.
            if let Ok(message) = Message::parse(&self.buffer[..len]) {
                return Ok(message);
            }
        }
    }
}

#[derive(Debug)]
struct Connection {
    local: SocketAddr,
    stream: TcpStream,
    input: BytesMut,
}

#[async_trait]
impl Channel for Connection {
    fn local(&self) -> SocketAddr {
        self.local
    }

    async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.stream.write_all(message).await
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
}

/// Longer answers are cut off, and then read as nothing.
const LONGEST_DATAGRAM: usize = 16 * 1024;
