//! Makes forwarders to other nodes from a configuration file.

use std::path::Path;

use voicemail::clock::SystemClock;
use voicemail::event::Events;
use voicemail::forward::smtp::{SmtpForwarderBuilder, TlsMemory};
use voicemail::forward::{Custody, SmtpForwarder};
use voicemail::network::NodeAddress;
use voicemail::smtp::{CustodyKey, ReturnPaths};

use super::config::Peer;
use super::explain;

/// The node that connects, with the parts that its forwarders share.
pub struct LocalNode {
    /// Its own address.
    pub node: NodeAddress,
    /// The domain of the mailboxes.
    pub domain: String,
    /// The memory of peers that have spoken TLS.
    pub memory: TlsMemory,
    /// The events that its forwarders report to.
    pub events: Events,
}

impl LocalNode {
    /// Returns a forwarder to the node `there`; an error names `section` of the file at `config`.
    pub fn forwarder_to(&self, there: &NodeAddress, peer: &Peer, config: &Path, section: &str) -> Result<SmtpForwarder, String> {
        let of_ca = format!("; it is the certificate of {there}, which writes one at its first start if it is self_signed");
        let forwarder = self.builder(peer, &of_ca)?.server_name(there.as_str());
        forwarder.build().map_err(|error| format!("{} [{section}]: {}", config.display(), explain(&error)))
    }

    /// Returns a forwarder to the node `there`, or to a mail server that sends messages on to it; an error names `section` of the file at `config`.
    ///
    /// The certificate of a mail server has the name of the host that the section connects to.
    pub fn forwarder_by_relay(
        &self,
        there: &NodeAddress,
        peer: &Peer,
        (custody, key, paths): (Custody, CustodyKey, ReturnPaths),
        config: &Path,
        section: &str,
    ) -> Result<SmtpForwarder, String> {
        let forwarder = self.builder(peer, "; it is the certificate of the server's authority")?;
        let forwarder = match custody {
            Custody::Relay => forwarder,
            _ => forwarder.server_name(there.as_str()),
        };
        let forwarder = forwarder.return_paths(paths, SystemClock).custody(custody, key);
        forwarder.build().map_err(|error| format!("{} [{section}]: {}", config.display(), explain(&error)))
    }

    /// Returns a forwarder to a mail server; an error names `section` of the file at `config`.
    pub fn forwarder_to_mail_server(&self, peer: &Peer, config: &Path, section: &str) -> Result<SmtpForwarder, String> {
        let forwarder = self.builder(peer, "; it is the certificate of the mail server's authority")?;
        forwarder.build().map_err(|error| format!("{} [{section}]: {}", config.display(), explain(&error)))
    }

    /// Returns a builder of a forwarder to `peer`; `of_ca` describes the file that its `ca` has to be.
    fn builder(&self, peer: &Peer, of_ca: &str) -> Result<SmtpForwarderBuilder, String> {
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
