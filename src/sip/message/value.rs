//! Values of header fields: [`Address`], [`Via`], [`CSeq`], and their [`Params`].

use std::fmt;

use super::super::uri::host_and_port;
use super::super::{SipUri, Transport};
use super::Method;

/// The value of a From, To, Contact, Route or Record-Route field: `"Name" <sip:user@host>;param`, or without name and brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Address<'a> {
    /// The URI, as written.
    pub uri: &'a str,
    /// The parameters of the field, after the URI.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one element of a From, To, Contact, Route or Record-Route field.
    ///
    /// # Source
    ///
    /// RFC 3261 §20.10: without brackets, parameters belong to the field, not to the URI.
    pub fn parse(text: &'a str) -> Option<Self> {
        let quoted_end = match text.strip_prefix('"') {
            Some(rest) => 2 + end_of_quoted(rest)?,
            None => 0,
        };
        let (uri, params) = match text[quoted_end..].find('<') {
            Some(open) => text[quoted_end + open + 1..].split_once('>')?,
            None if quoted_end > 0 => return None,
            None => text.split_at(text.find(';').unwrap_or(text.len())),
        };
        let params = params.trim_start();
        (params.is_empty() || params.starts_with(';')).then(|| Self { uri: uri.trim(), params: Params(params) })
    }

    /// The URI, if it is a SIP or SIPS URI.
    pub fn sip_uri(&self) -> Option<SipUri> {
        self.uri.parse().ok()
    }

    /// The tag of this party in its dialog, if there is one.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// An element of a Via field: one hop that the request has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via<'a> {
    /// The transport of the hop: `UDP`, `TCP`, or another.
    pub transport: &'a str,
    /// The host of the sender, as the sender wrote it.
    pub host: String,
    /// The port of the sender, where it wrote one.
    pub port: Option<u16>,
    /// The parameters.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Reads one element of a Via field.
    ///
    /// # Source
    ///
    /// RFC 3261 §20.42.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (sent, params) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut protocol = sent.splitn(3, '/');
        let (name, version, rest) = (protocol.next()?.trim(), protocol.next()?.trim(), protocol.next()?.trim());
        let (transport, sent_by) = rest.split_once(char::is_whitespace)?;
        let (host, port) = host_and_port(sent_by.trim())?;
        let known = name.eq_ignore_ascii_case("SIP") && version == "2.0" && is_token(transport);
        known.then_some(Self { transport, host, port, params: Params(params) })
    }

    /// The branch, which identifies the transaction, if there is one.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }
}

/// The number of a request within its dialog, and its method.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CSeq {
    /// The number, below 2³¹.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
    /// The value for a request of `method` with `number`.
    pub const fn new(number: u32, method: Method) -> Self {
        Self { number, method }
    }

    /// Reads the value of a `CSeq` field.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, method) = text.split_once(char::is_whitespace)?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| digits && *number < 1 << 31)?;
        Some(Self { number, method: Method::parse(method.trim())? })
    }
}

impl fmt::Display for CSeq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.method.as_str())
    }
}

impl Via<'_> {
    /// The transport, if it is a [`Transport`].
    pub fn known_transport(&self) -> Option<Transport> {
        self.transport.parse().ok()
    }
}

/// The parameters of a header field, each after a semicolon: `;name=value;name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a>(pub(super) &'a str);

impl<'a> Params<'a> {
    /// Splits a value such as that of Event or Subscription-State into its first word and its parameters.
    pub fn after_word(value: &'a str) -> (&'a str, Self) {
        let (word, params) = value.split_at(value.find(';').unwrap_or(value.len()));
        (word.trim(), Self(params))
    }

    /// The value of the parameter `name`; empty where the parameter has no value.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let params = split_at(self.0, ';').map(|param| param.split_once('=').unwrap_or((param, "")));
        let mut named = params.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().trim_matches('"'))
    }

    /// The parameters as written.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// The elements of a comma-separated list, trimmed.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_at(text, ',').filter(|element| !element.is_empty())
}

/// Splits `text` at each `separator` that is neither quoted nor in angle brackets, and trims the pieces.
fn split_at(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let pieces = text.split(move |each: char| {
        let was_escaped = std::mem::take(&mut escaped);
        match each {
            '\\' if quoted => escaped = !was_escaped,
            '"' if !was_escaped => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => return each == separator && !quoted && !bracketed,
        }
        false
    });
    pieces.map(str::trim)
}

/// The index of the closing quotation mark of a quoted string; `text` begins after the opening one.
pub(in crate::sip) fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|each: char| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = each == '\\' && !was_escaped;
        each == '"' && !was_escaped
    })
}

/// Whether `text` is a token. RFC 3261 §25.1.
pub(in crate::sip) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parties_are_read_with_and_without_name_and_brackets() {
        for (text, uri, tag) in [
            ("<sip:a@b>;tag=x", "sip:a@b", Some("x")),
            ("sip:a@b;tag=x", "sip:a@b", Some("x")),
            ("Alice <sip:a@b;transport=tcp>;TAG=\"x\"", "sip:a@b;transport=tcp", Some("x")),
            (r#""A, \"<sip:no>\" B" <sip:a@b> ; tag=x"#, "sip:a@b", Some("x")),
            ("<sip:a@b;tag=no>", "sip:a@b;tag=no", None),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.uri, address.tag()), (uri, tag), "{text}");
        }
        for text in ["\"Alice\" sip:a@b", "<sip:a@b", "\"Alice", "<sip:a@b> tag=x"] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn lists_are_split_outside_of_quotes_and_brackets() {
        let list = r#"<sip:p1,x;lr>, "a,\",b" <sip:p2> ,, <sip:p3>;q="1,2""#;
        let elements: Vec<_> = split_list(list).collect();
        assert_eq!(elements, ["<sip:p1,x;lr>", r#""a,\",b" <sip:p2>"#, r#"<sip:p3>;q="1,2""#]);
    }

    #[test]
    fn via_and_cseq_are_read() {
        let via = Via::parse("SIP / 2.0 / UDP  [2001:db8::1]:5061 ;rport;branch=z9hG4bK77").unwrap();
        assert_eq!((via.transport, via.host.as_str(), via.port), ("UDP", "[2001:db8::1]", Some(5061)));
        assert_eq!((via.branch(), via.params.get("rport"), via.params.get("received")), (Some("z9hG4bK77"), Some(""), None));
        assert_eq!(via.known_transport(), Some(Transport::Udp));
        for text in ["SIP/2.0/UDP", "SIP/1.0/UDP h", "HTTP/2.0/UDP h", "SIP/2.0/U<P h", "SIP/2.0/UDP h:x", ""] {
            assert_eq!(Via::parse(text), None, "{text}");
        }
        assert_eq!(CSeq::parse("7  NOTIFY"), Some(CSeq { number: 7, method: Method::Notify }));
        for text in ["7", "2147483648 NOTIFY", "+7 NOTIFY", "7 NO TIFY", " NOTIFY"] {
            assert_eq!(CSeq::parse(text), None, "{text}");
        }
    }
}
