//! RTP packets of a call: an [`RtpReceiver`] reads sound and telephone keys from datagrams, an [`RtpSender`] writes datagrams of sound.
//!
//! Nothing here does I/O: the socket is the caller's. Payload is never copied on its way in.

mod error;
mod event;
mod format;
mod packet;
mod payloads;
mod receiver;
mod sender;
#[cfg(test)]
mod tests;

pub use self::error::RtpError;
pub use self::format::RtpFormat;
pub use self::packet::Packet;
pub use self::payloads::Payloads;
pub use self::receiver::{Received, RtpReceiver};
pub use self::sender::RtpSender;
