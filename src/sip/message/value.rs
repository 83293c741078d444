//! What stands in fields: [`Address`], [`Via`], [`CSeq`], and their [`Params`].

use std::fmt;

use super::super::uri::host_and_port;
use super::super::{SipUri, Transport};
use super::Method;

/// A party or a place: `"Name" <sip:user@host>;param`, or without name and brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address<'a> {
    /// The address itself, as written.
    pub uri: &'a str,
    /// What follows it.
    pub params: Params<'a>,
}

impl<'a> Address<'a> {
    /// Reads one element of a From, To, Contact, Route or Record-Route field.
    ///
    /// # Source
    ///
    /// RFC 3261 §20.10: without brackets, parameters belong to the field, not to the address.
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

    /// The address, if it is one of SIP.
    pub fn sip_uri(&self) -> Option<SipUri> {
        self.uri.parse().ok()
    }

    /// What tells this party's end of a dialog from all others.
    pub fn tag(&self) -> Option<&'a str> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

/// One step of the way back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, or another.
    pub transport: &'a str,
    /// Who sent the request, by its own account.
    pub host: String,
    /// The port there, where one is written.
    pub port: Option<u16>,
    /// What follows.
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

    /// What tells this transaction from all others.
    pub fn branch(&self) -> Option<&'a str> {
        self.params.get("branch").filter(|branch| !branch.is_empty())
    }
}

/// The number of a request within its dialog, and its method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CSeq {
    /// Below 2³¹.
    pub number: u32,
    /// The method of the request.
    pub method: Method,
}

impl CSeq {
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
    /// The transport, if it is known here.
    pub fn known_transport(&self) -> Option<Transport> {
        self.transport.parse().ok()
    }
}

/// Parameters, each behind a semicolon: `;name=value;name`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a>(pub(super) &'a str);

impl<'a> Params<'a> {
    /// Those behind the first word of a field, as of Event or Subscription-State; and that word.
    pub fn after_word(value: &'a str) -> (&'a str, Self) {
        let (word, params) = value.split_at(value.find(';').unwrap_or(value.len()));
        (word.trim(), Self(params))
    }

    /// The value of the parameter `name`, which is empty where there is a name and no value.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let params = split_at(self.0, ';').map(|param| param.split_once('=').unwrap_or((param, "")));
        let mut named = params.filter(|(known, _)| known.trim().eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim().trim_matches('"'))
    }

    /// As written.
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// The elements of a list, without the spaces around them.
pub(super) fn split_list(text: &str) -> impl Iterator<Item = &str> {
    split_at(text, ',').filter(|element| !element.is_empty())
}

/// The pieces between those of `separator` that are neither quoted nor in angle brackets, without the spaces around them.
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

/// Where the quoted text, whose first quotation mark has been read, ends.
pub(in crate::sip) fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.find(|each: char| {
        let was_escaped = std::mem::take(&mut escaped);
        escaped = each == '\\' && !was_escaped;
        each == '"' && !was_escaped
    })
}

/// Whether `text` is one word of SIP.
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
    fn steps_of_the_way_are_read() {
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
