//! [`SipUri`]: an address of a user or a host.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::Transport;

/// A SIP or SIPS URI: `sip:` or `sips:`, an optional user, a host, an optional port, and parameters; at most 512 bytes of printable ASCII.
///
/// A value of this type is safe in a request line and between the angle brackets of a header. Headers behind a `?` are dropped when a text
/// is parsed; a text with a password is refused.
///
/// ```
/// use voicemail::sip::{SipUri, Transport};
///
/// let uri: SipUri = "sip:2041@pbx.example:5070;transport=tcp".parse()?;
/// assert_eq!((uri.user(), uri.host(), uri.port()), (Some("2041"), "pbx.example", Some(5070)));
/// assert_eq!(uri.transport(), Some(Transport::Tcp));
/// assert!("sip:2041@pbx.example\r\nX: y".parse::<SipUri>().is_err());
/// # Ok::<(), voicemail::sip::InvalidSipUri>(())
/// ```
///
/// # Source
///
/// RFC 3261 §19.1; RFC 5630 for `sips:`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SipUri {
    secure: bool,
    user: Option<String>,
    host: String,
    port: Option<u16>,
    params: String,
}

impl SipUri {
    /// Whether the scheme is `sips`: each hop to it uses TLS.
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// The user part as it is written, with its `%` escapes.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The host: a domain name, an IPv4 address, or an IPv6 address in brackets; in lower case.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The host as an IP address, or `None` where it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The port, or `None` where none is written.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The value of the parameter `name`; empty where the parameter has no value.
    pub fn param(&self, name: &str) -> Option<&str> {
        let params = self.params.split(';').map(|param| param.split_once('=').unwrap_or((param, "")));
        params.filter(|(known, _)| !known.is_empty()).find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The transport that it asks for: TLS for `sips:`, else that of the parameter `transport`. `None` without one, or where it is not a
    /// [`Transport`].
    ///
    /// # Source
    ///
    /// RFC 5630 §3.1.3: `transport=tls` is read, though it is deprecated in favour of `sips:`.
    pub fn transport(&self) -> Option<Transport> {
        if self.secure { Some(Transport::Tls) } else { self.param("transport").and_then(|name| name.parse().ok()) }
    }

    /// The same URI without port and parameters: the name of an account rather than a route to it.
    #[must_use]
    pub fn account(&self) -> Self {
        Self { secure: self.secure, user: self.user.clone(), host: self.host.clone(), port: None, params: String::new() }
    }
}

impl FromStr for SipUri {
    type Err = InvalidSipUri;

    fn from_str(text: &str) -> Result<Self, InvalidSipUri> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'\\'));
        let after = |scheme: &str| {
            text.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme)).map(|_| &text[scheme.len()..])
        };
        let known = SCHEMES.iter().find_map(|(scheme, secure)| Some((after(scheme)?, *secure)));
        let Some((rest, secure)) = known.filter(|_| printable && text.len() <= MAX_LEN) else { return Err(InvalidSipUri) };
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.is_empty() || user.contains([':', ','])) {
            return Err(InvalidSipUri);
        }
        let rest = rest.split('?').next().unwrap_or_default();
        let (authority, params) = rest.split_at(rest.find(';').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority).ok_or(InvalidSipUri)?;
        if params.contains('@') {
            return Err(InvalidSipUri);
        }
        Ok(Self { secure, user: user.map(str::to_owned), host, port, params: params.to_owned() })
    }
}

/// Reads `host` or `host:port`; returns the host in lower case.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, rest) = if let Some(inner) = text.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        (format!("[{}]", address.parse::<Ipv6Addr>().ok()?), rest)
    } else {
        let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
        let name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        ((1..=255).contains(&host.len()) && name).then(|| (host.to_ascii_lowercase(), rest))?
    };
    let port = match rest.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok().filter(|port| *port > 0)?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    Some((host, port))
}

impl fmt::Display for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secure { "sips:" } else { "sip:" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.host)?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.params)
    }
}

impl fmt::Debug for SipUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a [`SipUri`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a SIP address reads sip:USER@HOST:PORT;PARAMETERS or sips:.., where only the scheme and HOST are required")]
pub struct InvalidSipUri;

const SCHEMES: [(&str, bool); 2] = [("sip:", false), ("sips:", true)];
const MAX_LEN: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written_the_same() {
        for text in [
            "sip:2041@pbx.example",
            "sip:+493023125014@pbx.example:5070;transport=tcp;lr",
            "sip:10.1.1.5",
            "sip:2041@[2001:db8::1]:5060;ob",
            "sip:2041-0x55d@10.0.0.7:43210",
            "sips:2041@pbx.example:5071",
        ] {
            assert_eq!(text.parse::<SipUri>().map(|uri| uri.to_string()), Ok(text.to_owned()));
        }
        let uri: SipUri = "SIP:Alice@PBX.Example;Transport=UDP?subject=x".parse().unwrap();
        assert_eq!(uri.to_string(), "sip:Alice@pbx.example;Transport=UDP");
        assert_eq!((uri.transport(), uri.param("lr"), uri.ip()), (Some(Transport::Udp), None, None));
        assert_eq!(uri.account().to_string(), "sip:Alice@pbx.example");
        let uri: SipUri = "SIPS:2041@pbx.example;transport=tcp".parse().unwrap();
        assert_eq!((uri.is_secure(), uri.transport()), (true, Some(Transport::Tls)));
        assert_eq!("sip:a@pbx;transport=tls".parse::<SipUri>().unwrap().transport(), Some(Transport::Tls));
        assert_eq!("sip:[::1]".parse::<SipUri>().unwrap().ip(), Some(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_text_that_could_break_a_line_or_a_bracket_is_refused() {
        for text in [
            "",
            "sip:",
            "sip:@host",
            "sipss:2041@host",
            "sips",
            "tel:2041",
            "sip:2041@host\r\nVia: x",
            "sip:2041@ho st",
            "sip:20>41@host",
            "sip:2041:secret@host",
            "sip:2041@host:0",
            "sip:2041@host:65536",
            "sip:2041@host:",
            "sip:2041@[::1",
            "sip:2041@[host]",
            "sip:2041@höst",
            "sip:a@b@c",
        ] {
            assert_eq!(text.parse::<SipUri>(), Err(InvalidSipUri), "{text:?}");
        }
        assert!(format!("sip:{}@host", "1".repeat(600)).parse::<SipUri>().is_err());
    }
}
