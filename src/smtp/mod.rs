//! SMTP as it is spoken, without a socket, a clock or a task: its words, and both sides of a conversation as state machines.
//!
//! | file | what is in it |
//! |---|---|
//! | `reply.rs`, `status.rs` | replies, their enhanced status codes, and the reader that cuts bytes into replies |
//! | `outcome.rs` | what a server answered for one recipient |
//! | `command.rs`, `path.rs`, `other_protocol.rs` | commands and addresses, parsed; what is no SMTP at all |
//! | `extensions.rs` | what a server offers in its reply to EHLO |
//! | `dot_stuffing.rs` | a message as DATA carries it |
//! | `sasl/` | authentication mechanisms, both sides of each |
//! | `client/` | the client's machines: opening, authentication, transaction |
//! | `server/` | the server's machine: dialogue, mail bodies, access |
//!
//! # Source
//!
//! RFC 5321.

#[cfg(feature = "smtp")]
pub(crate) mod client;
#[cfg(feature = "smtp")]
mod command;
#[cfg(feature = "smtp")]
pub(crate) mod dot_stuffing;
#[cfg(feature = "smtp")]
pub(crate) mod extensions;
#[cfg(feature = "smtp")]
mod other_protocol;
mod outcome;
#[cfg(feature = "smtp")]
mod path;
mod reply;
#[cfg(feature = "smtp")]
pub(crate) mod sasl;
#[cfg(feature = "smtp")]
pub mod server;
mod status;

pub use self::outcome::Outcome;
pub use self::reply::Reply;
#[cfg(any(test, doc, feature = "conformance"))]
#[cfg(feature = "smtp")]
pub(crate) use self::reply::read_hostile_replies;
#[cfg(feature = "smtp")]
pub(crate) use self::reply::{RawReply, ReplyReader};
pub use self::status::{EnhancedStatus, InvalidStatus};
