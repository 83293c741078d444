//! [`NodeHost`]: an SMTP host and port of a node.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::NodeAddress;

/// An SMTP host of a node: a host name or an IP address, and a port after a colon unless the port is 25. An IPv6 address with a
/// port is in brackets. The displayed form always has the port, as a forwarder takes it.
///
/// ```
/// use voicemail::network::NodeHost;
///
/// let host: NodeHost = "central-1.voicemail.example".parse().unwrap();
/// assert_eq!(host.to_string(), "central-1.voicemail.example:25");
/// assert_eq!("[2001:DB8::5]:2525".parse::<NodeHost>().unwrap().to_string(), "[2001:db8::5]:2525");
/// ```
///
/// # Source
///
/// RFC 5321 §4.5.4.2 for the port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeHost {
    address: NodeAddress,
    port: u16,
}

impl NodeHost {
    /// The host at `address`, on the SMTP port 25.
    pub fn new(address: NodeAddress) -> Self {
        Self { address, port: SMTP_PORT }
    }

    /// The host name or IP address.
    pub fn address(&self) -> &NodeAddress {
        &self.address
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for NodeHost {
    type Err = InvalidNodeHost;

    fn from_str(text: &str) -> Result<Self, InvalidNodeHost> {
        let (address, port) = host_and_port(text).ok_or(InvalidNodeHost)?;
        Ok(Self { address, port: port.unwrap_or(SMTP_PORT) })
    }
}

impl fmt::Display for NodeHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address.as_str(), self.port) {
            (address, port) if address.contains(':') => write!(f, "[{address}]:{port}"),
            (address, port) => write!(f, "{address}:{port}"),
        }
    }
}

/// A text that is no [`NodeHost`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a node's host is a host name or an IP address, with or without a port")]
pub struct InvalidNodeHost;

/// Splits `text` into a host name or an IP address, and the port after a colon if there is one. IPv6 with a port is in brackets.
pub(super) fn host_and_port(text: &str) -> Option<(NodeAddress, Option<u16>)> {
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (host, port) = text.rsplit_once(':')?;
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(bare) => bare.parse::<Ipv6Addr>().ok()?.to_string(),
        None if host.contains(':') => return None,
        None => host.to_owned(),
    };
    let number = port.parse().ok().filter(|number| *number > 0 && !port.starts_with('+'))?;
    Some((host.parse().ok()?, Some(number)))
}

const SMTP_PORT: u16 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_the_port_of_smtp_unless_another_is_given() {
        for (text, shown) in [
            ("Central.Example", "central.example:25"),
            ("central.example:2525", "central.example:2525"),
            ("10.1.1.5", "10.1.1.5:25"),
            ("2001:db8::7", "[2001:db8::7]:25"),
            ("[2001:db8::7]:2525", "[2001:db8::7]:2525"),
        ] {
            let host: NodeHost = text.parse().unwrap();
            assert_eq!(host.to_string(), shown);
            assert_eq!(shown.parse(), Ok(host));
        }
    }

    #[test]
    fn text_that_is_no_host_is_refused() {
        for text in
            ["", ":25", "central.example:", "central.example:0", "central.example:+1", "1:2:3:4:5:6:7:8:25", "[x]:25", "a b"]
        {
            assert_eq!(text.parse::<NodeHost>(), Err(InvalidNodeHost), "{text:?}");
        }
    }
}
