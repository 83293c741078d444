//! [`NodeAddress`]: the address of a voicemail node.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

/// The address of a voicemail node: a host name such as `central.voicemail.example`, or an IP address such as `10.1.1.5`.
///
/// It has no port, no brackets and no dot at the end. Host names are stored in lower case and IP addresses in their canonical
/// form, so two spellings of one address are equal.
///
/// ```
/// use voicemail::network::NodeAddress;
///
/// let address: NodeAddress = "Central.Voicemail.Example".parse().unwrap();
/// assert_eq!(address, "central.voicemail.example".parse().unwrap());
/// assert_eq!("2001:DB8:0::5".parse::<NodeAddress>().unwrap().to_string(), "2001:db8::5");
/// assert!("10.1.1.555".parse::<NodeAddress>().is_err());
/// ```
///
/// # Source
///
/// RFC 1123 §2.1 for host names, compared without regard to case (RFC 4343); RFC 5952 for IPv6 addresses.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeAddress(Arc<str>);

impl NodeAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The IP address; `None` for a host name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.0.parse().ok()
    }
}

impl FromStr for NodeAddress {
    type Err = InvalidNodeAddress;

    fn from_str(text: &str) -> Result<Self, InvalidNodeAddress> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            Ok(Self(ip.to_canonical().to_string().into()))
        } else if is_host_name(text) {
            Ok(Self(text.to_ascii_lowercase().into()))
        } else {
            Err(InvalidNodeAddress)
        }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text that is no [`NodeAddress`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an address is a host name or an IP address, without a port")]
pub struct InvalidNodeAddress;

/// Returns whether `text` is a host name: labels of letters, digits and inner hyphens, the last one not all digits.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // RFC 1123 §2.1: a name whose last label is a number is meant as an IP address.
    let ends_in_a_number = text.rsplit('.').next().is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
    text.len() <= MAX_HOST_NAME && text.split('.').all(is_label) && !ends_in_a_number
}

/// RFC 1035 §2.3.4, without the length bytes at either end.
const MAX_HOST_NAME: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal() {
        for (one, other) in
            [("NODE-1.Example", "node-1.example"), ("2001:db8:0:0::5", "2001:DB8::5"), ("::ffff:10.1.1.5", "10.1.1.5")]
        {
            assert_eq!(one.parse::<NodeAddress>(), other.parse::<NodeAddress>());
            assert!(one.parse::<NodeAddress>().is_ok());
        }
    }

    #[test]
    fn text_that_is_no_host_name_and_no_ip_address_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = vec!["a".repeat(63); 4].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "node.",
            "-a.example",
            "a-.example",
            "a_b.example",
            "10.1.1",
            "10.1.1.555",
            "node:25",
            "[::1]",
            "node name",
            "nöde.example",
            "user@node",
            &long_label,
            &long_name,
        ] {
            assert_eq!(text.parse::<NodeAddress>(), Err(InvalidNodeAddress), "{text:?}");
        }
    }
}
