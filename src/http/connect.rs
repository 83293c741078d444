//! Connects to a server at an address that was checked.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{HttpError, HttpUrl, Resolve, TargetPolicy};

/// A connection to a server, under TLS or not.
pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Resolves the name once, checks all addresses, and connects to one of them.
pub(super) async fn connect(
    url: &HttpUrl,
    policy: &TargetPolicy,
    resolver: &dyn Resolve,
    tls: Option<&Arc<ClientConfig>>,
) -> Result<Box<dyn Connection>, HttpError> {
    policy.check_url(url).map_err(HttpError::Refused)?;
    let addresses = match url.address() {
        Some(address) => vec![address],
        None => resolver.resolve(url.host()).await.map_err(HttpError::Unresolved)?,
    };
    policy.check_addresses(&addresses).map_err(HttpError::Refused)?;
    let stream = reach(&addresses, url.port()).await.map_err(HttpError::Unreachable)?;
    if !url.is_https() {
        return Ok(Box::new(stream));
    }
    let config = tls.ok_or(HttpError::NoTls)?;
    let name = match url.address() {
        Some(address) => ServerName::IpAddress(address.into()),
        None => ServerName::try_from(url.host().to_owned()).map_err(|error| HttpError::InvalidRequest(error.into()))?,
    };
    let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    secured.map(|stream| Box::new(stream) as _).map_err(HttpError::Tls)
}

/// Connects to the first address that answers. Each has its share of the time, so that one that is silent leaves some for the others.
async fn reach(addresses: &[IpAddr], port: u16) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses.iter().take(MOST_ADDRESSES) {
        match timeout(CONNECT_LIMIT, TcpStream::connect(SocketAddr::new(*address, port))).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failure)
}

const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const MOST_ADDRESSES: usize = 4;
