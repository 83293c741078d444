//! SMTP as it is spoken, without a socket, a clock or a task: commands, addresses, SASL, and the receiving side.
//!
//! # Source
//!
//! RFC 5321.

mod command;
mod foreign;
mod path;
pub(crate) mod sasl;
pub mod server;
