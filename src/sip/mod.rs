//! Lamps by SIP: [`SipSink`] sends NOTIFYs to a PBX or a telephone without a subscription, [`SipNotifier`] serves telephones that subscribe.
//!
//! Both stand on parts that have no socket and read no clock: [`message`] reads and writes requests and responses, [`digest`] authenticates
//! their senders, and [`MessageSummary`] is the body of a NOTIFY. UDP, TCP and TLS are values of [`Transport`]; a new one is added in the
//! one file of that type.
//!
//! # Source
//!
//! RFC 3261 (SIP), RFC 6665 (events), RFC 3842 (message summary), RFC 7616 and RFC 8760 (digest), RFC 5630 and
//! RFC 5922 (TLS).

pub mod digest;
mod locate;
pub mod message;
mod notifier;
mod sink;
mod summary;
mod target;
mod transaction;
mod transport;
mod uri;

pub use self::notifier::{SipLimits, SipNotifier, SipNotifierBuilder};
pub use self::sink::{SipSink, SipSinkBuilder};
pub use self::summary::{InvalidMessageSummary, MessageSummary};
pub use self::target::SipTargets;
#[cfg(feature = "sip-tls")]
pub use self::transport::SipTlsError;
pub use self::transport::{InvalidTransport, Transport};
pub use self::uri::{InvalidSipUri, SipUri};
