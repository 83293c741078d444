//! [`TimeSource`]: the source of a PBX's time.

use std::fmt;
use std::str::FromStr;

use super::NodeAddress;
use super::host::host_and_port;

/// The source of a PBX's time. Every PBX of a network needs SNTP, because other PBXs rely on the times of its messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TimeSource {
    /// SNTP, from these servers, the preferred one first.
    Sntp(Vec<TimeServer>),
    /// Another source, by the name that the description gives.
    Other(String),
    /// No source: the clock is set by hand.
    #[default]
    None,
}

impl fmt::Display for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sntp(servers) if servers.is_empty() => f.write_str("SNTP without a server"),
            Self::Sntp(_) => f.write_str("SNTP"),
            Self::Other(name) => write!(f, "{name:?}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// An SNTP server: a host name or an IP address, and a port after a colon unless the port is 123. An IPv6 address with a port is
/// in brackets.
///
/// ```
/// use voicemail::network::TimeServer;
///
/// let server: TimeServer = "[2001:db8::7]:1123".parse().unwrap();
/// assert_eq!((server.host().as_str(), server.port()), ("2001:db8::7", 1123));
/// assert_eq!("ntp.example".parse::<TimeServer>().unwrap().port(), 123);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TimeServer {
    host: NodeAddress,
    port: u16,
}

impl TimeServer {
    /// The host name or IP address.
    pub fn host(&self) -> &NodeAddress {
        &self.host
    }

    /// The UDP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for TimeServer {
    type Err = InvalidTimeServer;

    fn from_str(text: &str) -> Result<Self, InvalidTimeServer> {
        let (host, port) = host_and_port(text).ok_or(InvalidTimeServer)?;
        Ok(Self { host, port: port.unwrap_or(SNTP_PORT) })
    }
}

impl fmt::Display for TimeServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.port, self.host.as_str()) {
            (SNTP_PORT, host) => f.write_str(host),
            (port, host) if host.contains(':') => write!(f, "[{host}]:{port}"),
            (port, host) => write!(f, "{host}:{port}"),
        }
    }
}

/// A text that is no [`TimeServer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time server is a host name or an IP address, with or without a port")]
pub struct InvalidTimeServer;

/// RFC 4330 §4.
const SNTP_PORT: u16 = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_read_back_as_written() {
        for text in ["ntp.example", "ntp.example:1123", "10.1.1.5", "10.1.1.5:1123", "2001:db8::7", "[2001:db8::7]:1123"] {
            assert_eq!(text.parse::<TimeServer>().map(|server| server.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn text_that_is_no_server_is_refused() {
        for text in [
            "",
            ":123",
            "ntp.example:",
            "ntp.example:0",
            "ntp.example:+1",
            "ntp.example:65536",
            "1:2:3:4:5:6:7:8:123",
            "[ntp]:1",
            "a b",
        ] {
            assert_eq!(text.parse::<TimeServer>(), Err(InvalidTimeServer), "{text:?}");
        }
    }
}
