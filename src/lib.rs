//! Voicemail for PBXs: record at any site, forward by SMTP over TLS, keep in mailboxes, light the lamps.

pub mod message;
