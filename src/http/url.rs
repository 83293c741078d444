//! [`HttpUrl`]: where a request goes.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The address of a server and the path there: `https` or `http`, a host, no user or password, no fragment; at most 2000 bytes.
///
/// An IPv4 address is read in every form that browsers know, so that `http://2130706433/` is `http://127.0.0.1/`. The path may be a secret: `Debug` does not
/// show it.
///
/// ```
/// use voicemail::http::HttpUrl;
///
/// let url: HttpUrl = "https://hooks.example/voicemail?tenant=7".parse()?;
/// assert_eq!((url.host(), url.port()), ("hooks.example", 443));
/// assert_eq!(format!("{url:?}"), "HttpUrl(https://hooks.example:443/..)");
/// assert!("https://user:password@hooks.example/".parse::<HttpUrl>().is_err());
/// # Ok::<(), voicemail::http::InvalidHttpUrl>(())
/// ```
///
/// # Source
///
/// The URL standard of the WHATWG; RFC 9110 §4.2.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpUrl(Url);

impl HttpUrl {
    /// Returns the name or the IP address of the server, an IPv6 address in brackets, as in the header field `Host`.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Returns the address of the server, if the URL has one in place of a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Returns the TCP port: by default 443 for `https`, and 80 for `http`.
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Whether the request goes under TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Returns the server, as the header field `Host` has it: with the port, unless it is the one of the scheme.
    pub fn authority(&self) -> String {
        match self.0.port() {
            Some(port) => format!("{}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// Returns the path with the query, as the first line of a request has it.
    pub fn path_and_query(&self) -> String {
        match self.0.query() {
            Some(query) => format!("{}?{query}", self.0.path()),
            None => self.0.path().to_owned(),
        }
    }

    /// Returns the whole URL as text, which may contain secrets.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for HttpUrl {
    type Err = InvalidHttpUrl;

    fn from_str(text: &str) -> Result<Self, InvalidHttpUrl> {
        if text.len() > LONGEST {
            return Err(InvalidHttpUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidHttpUrl)?;
        let is_http = matches!(url.scheme(), "https" | "http") && url.host_str().is_some_and(|host| !host.is_empty());
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        if is_http && plain { Ok(Self(url)) } else { Err(InvalidHttpUrl) }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpUrl({}://{}:{}/..)", self.0.scheme(), self.host(), self.port())
    }
}

/// A text that is no [`HttpUrl`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a URL begins with https:// or http:// and a host, and has no user, no password and no fragment")]
#[non_exhaustive]
pub struct InvalidHttpUrl;

const LONGEST: usize = 2000;

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> HttpUrl {
        text.parse().unwrap()
    }

    #[test]
    fn a_url_has_a_server_and_a_path() {
        let url = url("http://Receiver.example:8080/a/b?c=d");
        assert_eq!((url.host(), url.port(), url.is_https()), ("receiver.example", 8080, false));
        assert_eq!((url.authority(), url.path_and_query()), ("receiver.example:8080".to_owned(), "/a/b?c=d".to_owned()));
    }

    #[test]
    fn each_form_of_an_address_is_an_address() {
        for (text, address) in [
            ("http://127.0.0.1/", "127.0.0.1"),
            ("http://2130706433/", "127.0.0.1"),
            ("http://0x7f.1/", "127.0.0.1"),
            ("http://0177.0.0.1/", "127.0.0.1"),
            ("http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"),
        ] {
            assert_eq!(url(text).address(), Some(address.parse().unwrap()), "{text}");
        }
        assert_eq!(url("https://127.0.0.1.example/").address(), None);
    }

    #[test]
    fn text_that_is_no_url_of_a_server_is_refused() {
        let long = format!("https://a.example/{}", "a".repeat(2000));
        for text in [
            "",
            "hooks.example",
            "ftp://a.example/",
            "https://",
            "https://u@a.example/",
            "https://a.example/#b",
            "file:///etc",
            &long,
        ] {
            assert_eq!(text.parse::<HttpUrl>(), Err(InvalidHttpUrl), "{text}");
        }
    }
}
