//! [`SipNotifier`]: tells telephones that have subscribed.

mod builder;
mod dialog;
mod driver;
mod id_generator;
mod limits;
mod response_cache;
mod server;
mod subscription;
#[cfg(test)]
mod tests;
mod users;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use self::builder::SipNotifierBuilder;
use self::driver::Driver;
pub use self::limits::SipLimits;
use self::server::Server;
use super::transport::{NetworkConnector, SecureServer};
use crate::mwi::{MwiError, MwiSink, MwiSource, MwiState};

/// Serves telephones that subscribe to their lamps.
///
/// A SUBSCRIBE for `message-summary` is proven by digest (SHA-256 or MD5), answered, and followed at once by a NOTIFY with the true
/// state; so is each refresh. Each change is told, at most once a second, always with the newest state. While a state is not known, the
/// NOTIFY has no body: the telephone knows that it is subscribed, and leaves its lamp as it is.
///
/// A subscription is a dialog: two telephones of one user, whose own addresses may be the same behind two routers, have one each. A NOTIFY
/// goes back where its SUBSCRIBE came from, or to the proxies that stay in between.
///
/// A telephone that answers 481, or nothing for 32 seconds, is forgotten; it subscribes again when it is back. One that answers 503 is
/// told again when it says. At a stop each is told `terminated;reason=deactivated`, upon which it subscribes again.
///
/// It is a sink for a node, and the node is its source:
///
/// ```no_run
/// # #[cfg(feature = "node")]
/// # async fn light(builder: voicemail::node::NodeBuilder) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use tokio::net::{TcpListener, UdpSocket};
/// use voicemail::sip::SipNotifier;
///
/// let notifier = SipNotifier::builder("vm.example")
///     .user("2041", "correct horse battery staple", ["2041".parse()?])
///     .udp(UdpSocket::bind("[::]:5060").await?)
///     .tcp(TcpListener::bind("[::]:5060").await?)
///     .build()?;
/// let notifier = Arc::new(notifier);
/// let node = builder.sink(Arc::clone(&notifier)).open().await?;
/// let stop = || async { drop(tokio::signal::ctrl_c().await) };
/// let (ran, ()) = tokio::join!(node.run(stop()), notifier.run(&node, stop()));
/// # Ok(ran?)
/// # }
/// ```
///
/// # Source
///
/// RFC 6665 §4.2 (notifier) and §4.4.1 (dialogs), RFC 3842, RFC 3261 §17.2.2 (retransmission) and §22 (digest), RFC 3581 (rport),
/// RFC 5630 (`sips:`).
#[derive(Debug)]
pub struct SipNotifier {
    limits: SipLimits,
    udp: Option<UdpSocket>,
    tcp: Option<TcpListener>,
    tls: Option<(TcpListener, Arc<dyn SecureServer>)>,
    /// Opens connections to telephones and proxies.
    network: NetworkConnector,
    server: Mutex<Server>,
    changed: Notify,
}

impl SipNotifier {
    /// A notifier for the realm `realm`, which a telephone shows when it asks for a password.
    pub fn builder(realm: impl Into<String>) -> SipNotifierBuilder {
        SipNotifierBuilder::new(realm.into())
    }

    /// Where datagrams are heard.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// Where connections are taken.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Where connections under TLS are taken.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.server().len()
    }

    /// Serves telephones until `stop`, and asks `source` what they should show. Then every subscription is ended, for at most
    /// [`SipLimits::shutdown_timeout`]. Connections live inside this future, on the runtime's threads; none outlives it. One call runs at a time.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cuts connections, and telephones are not told. They subscribe again when their time is over.
    pub async fn run(&self, source: &dyn MwiSource, stop: impl Future<Output = ()> + Send) {
        Driver::run(self, source, stop).await;
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MwiSink for SipNotifier {
    /// Hands `state` to the subscriptions of its mailbox, which answer for telling it; whoever subscribes later is told the state then.
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.server().handle_state(state, Instant::now().into_std());
        self.changed.notify_one();
        Ok(())
    }
}
