//! [`SipNotifier`]: sends NOTIFYs to telephones that have subscribed.

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
use std::sync::{Arc, MutexGuard};

use async_trait::async_trait;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Notify;

pub use self::builder::SipNotifierBuilder;
use self::driver::Driver;
pub use self::limits::SipLimits;
use self::server::Server;
use super::transport::{NetworkConnector, SecureServer};
use crate::lock::Lock;
use crate::mwi::{LampPermit, MwiError, MwiSink, MwiSource, MwiState};
use crate::retry::now;

/// A notifier (RFC 6665) of the event package `message-summary`: serves telephones that subscribe to the lamps of their mailboxes.
///
/// A SUBSCRIBE is authenticated by digest (SHA-256 or MD5), answered, and followed at once by a NOTIFY with the current state; so is each
/// refresh. Each change is notified with the newest state, at most once a second. While a state is unknown, the NOTIFY has no body: the
/// telephone sees that it is subscribed, and leaves its lamp as it is.
///
/// Each subscription is a separate dialog. Two telephones of one user have two subscriptions, even if their addresses behind two routers
/// are the same. A NOTIFY is sent to the address that its SUBSCRIBE came from, or through the proxies in its Record-Route.
///
/// The subscription of a telephone ends if it answers 481, or does not answer for 32 seconds; the telephone subscribes again when it is back.
/// A telephone that answers 503 is notified again after its Retry-After. When the notifier stops, each subscription ends with
/// `terminated;reason=deactivated`, after which the telephone subscribes again.
///
/// The notifier is a sink of a node, and the node is the source of its states:
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
    server: Lock<Server>,
    changed: Notify,
}

impl SipNotifier {
    /// A builder of a notifier for `realm`, which a telephone shows when it asks its user for a password.
    pub fn builder(realm: impl Into<String>) -> SipNotifierBuilder {
        SipNotifierBuilder::new(realm.into())
    }

    /// The local address of the UDP socket, if there is one.
    pub fn udp_address(&self) -> Option<SocketAddr> {
        self.udp.as_ref().and_then(|socket| socket.local_addr().ok())
    }

    /// The local address of the TCP listener, if there is one.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// The local address of the TLS listener, if there is one.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// The number of subscriptions.
    pub fn subscriptions(&self) -> usize {
        self.server().len()
    }

    /// Serves telephones until `stop`, with the states that `source` returns. Then it ends all subscriptions, within
    /// [`SipLimits::shutdown_timeout`]. Connections are served by tasks that end with this future. Only one call may run at a time.
    ///
    /// # Cancel safety
    ///
    /// A dropped call closes all connections and sends no NOTIFY. The telephones subscribe again when their subscriptions expire.
    pub async fn run(&self, source: &dyn MwiSource, stop: impl Future<Output = ()> + Send) {
        Driver::run(self, source, stop).await;
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock()
    }
}

#[async_trait]
impl MwiSink for SipNotifier {
    /// Hands `state` to the subscriptions of its mailbox, which send it until the telephone has it. A later subscriber gets the state of then.
    async fn show(&self, state: &MwiState) -> Result<(), MwiError> {
        self.server().handle_state(state, now());
        self.changed.notify_one();
        Ok(())
    }

    /// Shows `state` whatever the permit, because a subscription is with one node, which alone serves it.
    async fn show_permitted(&self, state: &MwiState, _: &LampPermit) -> Result<(), MwiError> {
        self.show(state).await
    }
}
