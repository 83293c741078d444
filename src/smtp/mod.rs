//! The SMTP protocol without sockets, clocks or tasks: commands, replies, and both sides of a session as state machines.
//!
//! | file | content |
//! |---|---|
//! | `reply.rs`, `status.rs` | replies, their enhanced status codes, and the reader that splits bytes into replies |
//! | `outcome.rs` | the outcome for one recipient |
//! | `command.rs`, `path.rs`, `other_protocol.rs` | commands and addresses, parsed; detection of other protocols |
//! | `custody_key.rs` | the keys by which the node that stores a message proves its receipt |
//! | `delivery_request.rs` | requests for delivery reports, in the parameters of MAIL and RCPT |
//! | `return_path.rs` | return paths that a node signs, and knows again |
//! | `extensions.rs` | the extensions in a server's reply to EHLO |
//! | `dot_stuffing.rs` | the dots that DATA adds to a message |
//! | `sasl/` | authentication mechanisms, both sides of each |
//! | `client/` | the client's state machine: opening, authentication, mail transactions |
//! | `server/` | the server's state machine: dialogue, mail bodies, access |
//!
//! # Source
//!
//! RFC 5321.

#[cfg(feature = "smtp")]
pub(crate) mod client;
#[cfg(feature = "smtp")]
mod command;
#[cfg(feature = "smtp")]
mod custody_key;
#[cfg(feature = "smtp")]
mod delivery_request;
#[cfg(feature = "smtp")]
pub(crate) mod dot_stuffing;
#[cfg(feature = "smtp")]
pub(crate) mod extensions;
#[cfg(feature = "smtp")]
mod other_protocol;
mod outcome;
#[cfg(feature = "smtp")]
#[cfg(test)]
mod pair_tests;
#[cfg(feature = "smtp")]
mod path;
mod reply;
#[cfg(feature = "smtp")]
mod return_path;
#[cfg(feature = "smtp")]
pub(crate) mod sasl;
#[cfg(feature = "smtp")]
pub mod server;
mod status;

#[cfg(feature = "smtp")]
pub(crate) use self::command::BodyType;
#[cfg(feature = "smtp")]
pub use self::custody_key::{CustodyKey, CustodySecret};
#[cfg(feature = "smtp")]
pub use self::delivery_request::{MailRequest, RecipientRequest};
pub use self::outcome::Outcome;
pub use self::reply::Reply;
#[cfg(any(test, doc, feature = "conformance"))]
#[cfg(feature = "smtp")]
pub(crate) use self::reply::read_hostile_replies;
#[cfg(feature = "smtp")]
pub(crate) use self::reply::{RawReply, ReplyReader};
#[cfg(feature = "smtp")]
pub use self::return_path::{ReturnPathError, ReturnPaths, SignedReturnPath};
pub use self::status::{EnhancedStatus, InvalidStatus};
