//! [`TargetPolicy`]: which servers a request may go to.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::HttpUrl;
use crate::smtp::server::Cidr;

/// Which servers a request may go to. By default those on the public Internet, by `https` at port 443.
///
/// Addresses of private networks, of this machine and of single links, and all that are reserved, are refused; so are IPv6 addresses that contain such an
/// IPv4 address. A name that has one such address among others is refused.
///
/// ```
/// use voicemail::http::TargetPolicy;
///
/// let policy = TargetPolicy::default().allow_prefix("10.1.0.0/16".parse()?);
/// assert!(policy.check_url(&"https://crm.corp.example/hooks".parse()?).is_ok());
/// assert!(policy.check_addresses(&["10.1.2.3".parse()?]).is_ok());
/// assert!(policy.check_addresses(&["10.1.2.3".parse()?, "10.2.0.1".parse()?]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// RFC 6890 and the IANA registries of special-purpose addresses and of the IPv6 address space; RFC 6052 §2.1 and RFC 3056 §2 for IPv4 addresses in IPv6
/// addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TargetPolicy {
    /// Networks that are reached although they are not public, for receivers on the own premises.
    pub prefixes: Vec<Cidr>,
    /// Ports besides 443; and 80, where plain text is allowed.
    pub ports: BTreeSet<u16>,
    /// Whether `http` is allowed.
    pub plain_text: PlainText,
}

/// Whether requests may go in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PlainText {
    /// Requests go by `https` only.
    #[default]
    Refused,
    /// Requests go by `http` where the URL says so.
    Allowed,
}

impl TargetPolicy {
    /// Allows the addresses of this network, although they are not public.
    #[must_use]
    pub fn allow_prefix(mut self, prefix: Cidr) -> Self {
        self.prefixes.push(prefix);
        self
    }

    /// Allows this port.
    #[must_use]
    pub fn allow_port(mut self, port: u16) -> Self {
        self.ports.insert(port);
        self
    }

    /// Allows `http`, by default at port 80: everybody on the way can read and change such a request.
    #[must_use]
    pub fn allow_plain_text(self) -> Self {
        Self { plain_text: PlainText::Allowed, ..self }
    }

    /// Checks what the URL itself says: scheme, port, and the address if it has one.
    ///
    /// # Errors
    ///
    /// [`TargetRefused`].
    pub fn check_url(&self, url: &HttpUrl) -> Result<(), TargetRefused> {
        let usual = match (url.is_https(), self.plain_text) {
            (true, _) => HTTPS_PORT,
            (false, PlainText::Allowed) => HTTP_PORT,
            (false, PlainText::Refused) => return Err(TargetRefused::PlainText),
        };
        if url.port() != usual && !self.ports.contains(&url.port()) {
            return Err(TargetRefused::Port(url.port()));
        }
        url.address().map_or(Ok(()), |address| self.check_addresses(&[address]))
    }

    /// Checks all addresses of a server: each must be allowed.
    ///
    /// # Errors
    ///
    /// [`TargetRefused`], with the first address that is not allowed; also when there is none.
    pub fn check_addresses(&self, addresses: &[IpAddr]) -> Result<(), TargetRefused> {
        if addresses.is_empty() {
            return Err(TargetRefused::NoAddress);
        }
        let refused = addresses.iter().find(|address| !self.allows(**address));
        refused.map_or(Ok(()), |address| Err(TargetRefused::Address(*address)))
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.prefixes.iter().any(|prefix| prefix.contains(address))
    }
}

/// Why a request may not go to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetRefused {
    /// The URL begins with `http`.
    #[error("plain text is not allowed: use https")]
    PlainText,
    /// The port is not allowed.
    #[error("port {0} is not allowed")]
    Port(u16),
    /// The server has this address, which is not public and not in an allowed network.
    #[error("the address {0} is not public, and no allowed network has it")]
    Address(IpAddr),
    /// The server has no address.
    #[error("the name has no address")]
    NoAddress,
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = match address.octets() {
        [0 | 10 | 127, ..] | [169, 254, ..] | [192, 168, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] => true,
        [100, second, ..] => (64..128).contains(&second),
        [172, second, ..] => (16..32).contains(&second),
        [198, second, third, _] => second == 18 || second == 19 || (second, third) == (51, 100),
        [203, second, third, _] => (second, third) == (0, 113),
        [first, ..] => first >= 224, // multicast, reserved and broadcast
    };
    !reserved
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let inner = |high: u16, low: u16| is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => inner(high, low),
        // Protocols, of which Teredo is one; documentation.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // No other addresses than those in 2000::/3 are assigned to servers.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

const HTTPS_PORT: u16 = 443;
const HTTP_PORT: u16 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_that_are_not_public_are_refused() {
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "100::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "2001:0:1::1",
            "2001:2::1",
            "2001:db8::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fe00::1",
        ] {
            let check = TargetPolicy::default().check_addresses(&[address(refused)]);
            assert_eq!(check, Err(TargetRefused::Address(address(refused))));
        }
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2001:200::1",
            "2002:101:101::1",
            "2600::1",
            "3fff:1000::1",
        ] {
            assert_eq!(TargetPolicy::default().check_addresses(&[address(public)]), Ok(()), "{public}");
        }
    }

    #[test]
    fn one_private_address_among_public_ones_is_refused() {
        let policy = TargetPolicy::default();
        let private = address("192.168.1.1");
        assert_eq!(policy.check_addresses(&[address("1.1.1.1"), private]), Err(TargetRefused::Address(private)));
        assert_eq!(policy.check_addresses(&[]), Err(TargetRefused::NoAddress));
    }

    #[test]
    fn an_allowed_network_is_reached_and_no_other() {
        let policy = TargetPolicy::default().allow_prefix("192.168.1.0/24".parse().unwrap());
        assert_eq!(policy.check_addresses(&[address("192.168.1.7"), address("::ffff:192.168.1.8")]), Ok(()));
        assert!(policy.check_addresses(&[address("192.168.2.7")]).is_err());
        // A translator may lead elsewhere than its addresses say.
        assert!(policy.check_addresses(&[address("64:ff9b::192.168.1.7")]).is_err());
    }

    #[test]
    fn scheme_and_port_must_be_allowed() {
        let check = |policy: &TargetPolicy, url: &str| policy.check_url(&url.parse().unwrap());
        let policy = TargetPolicy::default();
        assert_eq!(check(&policy, "https://a.example/"), Ok(()));
        assert_eq!(check(&policy, "http://a.example/"), Err(TargetRefused::PlainText));
        assert_eq!(check(&policy, "https://a.example:25/"), Err(TargetRefused::Port(25)));
        for literal in
            ["https://127.0.0.1/", "https://2130706433/", "https://[::ffff:127.0.0.1]/", "https://[::1]/", "https://0/"]
        {
            assert!(matches!(check(&policy, literal), Err(TargetRefused::Address(_))), "{literal}");
        }
        let policy = policy.allow_plain_text().allow_port(8080);
        assert_eq!(check(&policy, "http://a.example/"), Ok(()));
        assert_eq!(check(&policy, "http://a.example:8080/"), Ok(()));
        assert_eq!(check(&policy, "http://a.example:443/"), Err(TargetRefused::Port(443)));
    }
}
