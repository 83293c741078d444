//! The way to another node, as a configuration file says.

use std::path::Path;

use voicemail::event::Events;
use voicemail::forward::SmtpForwarder;
use voicemail::forward::smtp::{SmtpForwarderBuilder, TlsMemory};
use voicemail::network::NodeAddress;

use super::config::Peer;
use super::explain;

/// What a node knows that reaches another.
pub struct LocalNode {
    /// Its own address.
    pub node: NodeAddress,
    /// The domain of the mailboxes.
    pub domain: String,
    /// Which peers have spoken TLS.
    pub memory: TlsMemory,
    /// Where it tells what happens.
    pub events: Events,
}

impl LocalNode {
    /// The way to the node `there`; a fault is that of `section` of the file at `config`.
    pub fn to(&self, there: &NodeAddress, peer: &Peer, config: &Path, section: &str) -> Result<SmtpForwarder, String> {
        let of_ca = format!("; it is the certificate of {there}, which writes one at its first start if it is self_signed");
        let forwarder = self.forwarder(peer, &of_ca)?.server_name(there.as_str());
        forwarder.build().map_err(|error| format!("{} [{section}]: {}", config.display(), explain(&error)))
    }

    /// The way to a mail server; a fault is that of `section` of the file at `config`.
    pub fn to_mail_server(&self, peer: &Peer, config: &Path, section: &str) -> Result<SmtpForwarder, String> {
        let forwarder = self.forwarder(peer, "; it is the certificate of the mail server's authority")?;
        forwarder.build().map_err(|error| format!("{} [{section}]: {}", config.display(), explain(&error)))
    }

    /// What reaches `peer`; `of_ca` says which file its `ca` has to be.
    fn forwarder(&self, peer: &Peer, of_ca: &str) -> Result<SmtpForwarderBuilder, String> {
        let mut forwarder = SmtpForwarder::builder(&peer.connect, &self.domain)
            .node(self.node.as_str())
            .security(peer.security)
            .tls_memory(self.memory.clone())
            .events(self.events.clone());
        if let Some(password) = &peer.password {
            forwarder = forwarder.credentials(self.node.as_str(), password);
        }
        if let Some(ca) = &peer.ca {
            forwarder = forwarder.ca_pem(&super::tls::read(ca).map_err(|error| error + of_ca)?);
        }
        Ok(forwarder)
    }
}
