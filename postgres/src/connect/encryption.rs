//! [`Encryption`]: how connections to the database are protected.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::ClientConfig;

/// How connections to the database are protected.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Encryption {
    /// In plain text over a local socket and to a loopback address; a connection to any other host is refused. The default.
    #[default]
    PlainTextLocally,
    /// By TLS with this configuration, which must verify the server's certificate and name, as the verifiers of `rustls` do. Only a local
    /// socket is used in plain text.
    ///
    /// The crypto provider is that of the configuration: nothing is installed for the process.
    Tls(Arc<ClientConfig>),
    /// In plain text to every host, also over a network: passwords, heads and sounds can be read on the way. The same as `sslmode=disable` in
    /// the address.
    PlainTextEverywhere,
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainTextLocally => "PlainTextLocally",
            Self::Tls(_) => "Tls(..)",
            Self::PlainTextEverywhere => "PlainTextEverywhere",
        })
    }
}
