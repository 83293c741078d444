//! [`Cidr`]: a network of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network of IP addresses: `192.0.2.0/24`, `2001:db8::/32`, or a single address.
///
/// ```
/// use voicemail::intake::Cidr;
///
/// let network: Cidr = "10.1.0.0/16".parse()?;
/// assert!(network.contains("10.1.255.7".parse()?) && !network.contains("10.2.0.1".parse()?));
/// assert!("10.1.2.3/16".parse::<Cidr>().is_err()); // is it 10.1.0.0/16 or 10.1.2.3 that was meant?
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// RFC 4632 §3.1 and RFC 4291 §2.3 for the notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    first: IpAddr,
    bits: u32,
}

impl Cidr {
    /// The loopback addresses of this machine, IPv4 and IPv6.
    pub const THIS_MACHINE: [Self; 2] = [
        Self { first: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), bits: 8 },
        Self { first: IpAddr::V6(Ipv6Addr::LOCALHOST), bits: 128 },
    ];

    /// All addresses, IPv4 and IPv6.
    pub const ANYWHERE: [Self; 2] =
        [Self { first: IpAddr::V4(Ipv4Addr::UNSPECIFIED), bits: 0 }, Self { first: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0 }];

    /// Whether `address` is in the network. An IPv4-mapped IPv6 address counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => agree(first.to_bits().into(), address.to_bits().into(), 32 - self.bits),
            (IpAddr::V6(first), IpAddr::V6(address)) => agree(first.to_bits(), address.to_bits(), 128 - self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Whether both are equal except for their last `free` bits.
fn agree(one: u128, other: u128, free: u32) -> bool {
    (one ^ other).checked_shr(free).unwrap_or(0) == 0
}

impl From<IpAddr> for Cidr {
    /// The network of this address alone.
    fn from(address: IpAddr) -> Self {
        let first = address.to_canonical();
        Self { first, bits: width(first) }
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;

    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| InvalidCidr)?;
        let Some(bits) = bits else { return Ok(first.into()) };
        let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|bits| digits && *bits <= width(first)).ok_or(InvalidCidr)?;
        let below = |value: u128, free: u32| value & !u128::MAX.checked_shl(free).unwrap_or(0);
        let rest = match first {
            IpAddr::V4(first) => below(first.to_bits().into(), 32 - bits),
            IpAddr::V6(first) => below(first.to_bits(), 128 - bits),
        };
        if rest == 0 { Ok(Self { first, bits }) } else { Err(InvalidCidr) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// The error for a text that is no [`Cidr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a network is written 192.0.2.0/24 or 2001:db8::/32, with no bit set behind its length; or it is a single address")]
pub struct InvalidCidr;

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Cidr>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.127"),
            ("192.0.2.7", "::ffff:192.0.2.7", "192.0.2.8"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
            ("2001:db8::1", "2001:db8::1", "2001:db8::2"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "::1", "10.0.0.1"),
        ] {
            assert!(contains(network, inside) && !contains(network, outside), "{network}");
        }
        for address in ["127.0.0.1", "127.9.9.9", "::1"] {
            assert!(Cidr::THIS_MACHINE.iter().any(|network| network.contains(address.parse().unwrap())), "{address}");
        }
    }

    #[test]
    fn an_ambiguous_or_malformed_text_is_no_network() {
        for text in
            ["", "10", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.1/8", "::1/127", "::/129", "10.0.0.0/8/8", "a/8"]
        {
            assert_eq!(text.parse::<Cidr>(), Err(InvalidCidr), "{text}");
        }
        for text in ["10.0.0.0/8", "::/0", "192.0.2.7/32"] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), text);
        }
    }
}
