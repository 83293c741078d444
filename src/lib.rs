//! Voicemail for PBXs: record at any site, forward by SMTP over TLS, keep in mailboxes, light the lamps.

#[cfg(feature = "wire")]
pub mod audio;
pub mod clock;
#[cfg(any(test, doc, feature = "conformance"))]
pub mod conformance;
pub mod directory;
#[cfg(feature = "fs")]
pub mod disk;
#[cfg(any(feature = "fs", feature = "smtp"))]
pub mod event;
pub mod forward;
#[cfg(feature = "smtp")]
pub mod intake;
pub mod message;
pub mod mwi;
pub mod network;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "node")]
pub mod record;
#[cfg(feature = "node")]
pub mod spool;
pub mod store;
#[cfg(feature = "wire")]
pub mod wire;
