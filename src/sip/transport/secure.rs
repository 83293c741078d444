//! [`SecureClient`] and [`SecureServer`]: the two sides of a TLS handshake.

use std::fmt::Debug;
use std::io;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A byte stream to a peer, with or without TLS.
pub(in crate::sip) trait ConnectionStream: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> ConnectionStream for S {}

/// Makes the handshake on connections that this side opens.
#[async_trait]
pub(in crate::sip) trait SecureClient: Debug + Send + Sync {
    /// Makes the handshake; the certificate of the peer must be that of `name`.
    async fn connect(&self, stream: TcpStream, name: &str) -> io::Result<Box<dyn ConnectionStream>>;
}

/// Makes the handshake on connections that peers open.
#[async_trait]
pub(in crate::sip) trait SecureServer: Debug + Send + Sync {
    /// Makes the handshake.
    async fn accept(&self, stream: TcpStream) -> io::Result<Box<dyn ConnectionStream>>;
}
