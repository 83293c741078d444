//! [`Security`] and [`TlsMode`]: what a peer must offer before it is trusted with a message.

/// What a connection to the peer must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Security {
    /// Under TLS, with a certificate that verifies; else there is no connection.
    #[default]
    Tls,
    /// Under TLS, even with a certificate that does not verify; when TLS cannot be had for whatever reason, in plain text.
    ///
    /// Each fall to plain text is a new connection and an [`Event::PlainTextFallback`](crate::event::Event::PlainTextFallback).
    /// A TLS connection that breaks *after* its handshake is no reason for one, and a peer that has spoken TLS before is not believed
    /// that it cannot any more: see [`TlsMemory`](super::TlsMemory).
    PlainTextIfNoTls,
    /// The same, also with a peer that has spoken TLS before: whoever stands between can have every message by taking TLS away.
    PlainTextEvenAfterTls,
    /// In plain text, without asking for TLS.
    PlainText,
}

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TlsMode {
    /// After a few lines in plain text, by the STARTTLS command. RFC 3207; ports 25 and 587.
    #[default]
    StartTls,
    /// With the first byte. RFC 8314 §3.3; port 465.
    Implicit,
}
