//! Lamps by SIP: message waiting indication as `application/simple-message-summary`, and the parts of SIP that it takes.
//!
//! [`message`] reads and writes requests and responses, [`digest`] proves who sends them, and [`MessageSummary`] is the body that a
//! telephone understands. All of them are values: no socket, no clock.
//!
//! # Source
//!
//! RFC 3261 (SIP), RFC 6665 (events), RFC 3842 (message summary), RFC 7616 and RFC 8760 (digest).

pub mod digest;
pub mod message;
mod summary;
mod uri;

pub use self::summary::{MessageSummary, NoSummary};
pub use self::uri::{InvalidSipUri, SipUri, Transport};
