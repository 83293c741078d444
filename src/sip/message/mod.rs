//! [`SipMessage`]: a request or a response, read from bytes and written to bytes.
//!
//! A head has at most 16 KiB in 128 header fields of at most 4096 bytes, a body at most 16 KiB. No value that is pushed into a header field
//! adds a line to the message.

mod header;
mod parse;
#[cfg(test)]
mod tests;
mod value;

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

use bytes::{Bytes, BytesMut};

pub use self::header::{HeaderName, Headers};
pub use self::value::{Address, CSeq, Params, Via};
pub(super) use self::value::{end_of_quoted, is_token};

/// A SIP message.
///
/// SIP has these two kinds only, so no variant is added to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipMessage {
    /// The message is a request.
    Request(Request),
    /// The message is a response.
    Response(Response),
}

impl SipMessage {
    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; the datagram is then dropped without a response.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        parse::datagram(datagram)
    }

    /// Takes the first message out of `input`, which was read from a connection; `None` while the message is incomplete.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; the start of the next message is then unknown, so the connection should be closed.
    pub fn read(input: &mut BytesMut) -> Result<Option<Self>, ParseError> {
        parse::stream(input)
    }

    /// The message as bytes.
    pub fn to_bytes(&self) -> Bytes {
        match self {
            Self::Request(request) => request.to_bytes(),
            Self::Response(response) => response.to_bytes(),
        }
    }
}

/// The bytes are not a [`SipMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The message, a header field or the body is larger than the limits allow.
    #[error("the message is larger than the limits allow")]
    TooLarge,
    /// The message is malformed.
    #[error("the message is malformed")]
    Malformed,
}

/// A SIP request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI, as written.
    pub uri: String,
    /// The header fields; Content-Length is written from the body.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// A request without header fields and without a body.
    pub fn new(method: Method, uri: impl Into<String>) -> Self {
        Self { method, uri: uri.into(), headers: Headers::default(), body: Bytes::new() }
    }

    /// The request as bytes, with its Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        let uri = self.uri.replace(|each: char| each.is_control() || each == ' ', "");
        written(&format!("{} {uri} {}", self.method.as_str(), parse::VERSION), &self.headers, &self.body)
    }

    /// The value of the `CSeq` field; `None` where it is missing or malformed.
    pub fn cseq(&self) -> Option<CSeq> {
        self.headers.get(HeaderName::CSeq).and_then(CSeq::parse)
    }

    /// The topmost Via, of the hop that sent the request; `None` where it is missing or malformed.
    pub fn via(&self) -> Option<Via<'_>> {
        self.headers.elements(HeaderName::Via).next().and_then(Via::parse)
    }

    /// Adds the address that the request came from to its topmost Via, so that the response goes back there.
    ///
    /// # Source
    ///
    /// RFC 3261 §18.2.1, RFC 3581 §4.
    pub fn note_source(&mut self, source: SocketAddr) {
        let Some(first) = self.headers.get(HeaderName::Via).map(str::to_owned) else { return };
        let Some(top) = value::split_list(&first).next() else { return };
        let rest = first.split_at(first.find(top).unwrap_or_default() + top.len()).1;
        let Some(via) = Via::parse(top) else { return };
        let (wants_port, ip) = (via.params.get("rport") == Some(""), source.ip().to_canonical());
        let says_so = via.host.trim_matches(['[', ']']).parse() == Ok(ip);
        if !wants_port && says_so {
            return;
        }
        let (sent, params) = top.split_at(top.find(';').unwrap_or(top.len()));
        let mut noted = sent.to_owned();
        for param in params.split(';').filter(|param| !param.is_empty()) {
            let name = param.split('=').next().unwrap_or_default().trim();
            let noted_anew = name.eq_ignore_ascii_case("received") || (wants_port && name.eq_ignore_ascii_case("rport"));
            if !noted_anew {
                noted.push(';');
                noted.push_str(param);
            }
        }
        // Writing to a text does not fail.
        let _ = write!(noted, ";received={ip}");
        if wants_port {
            let _ = write!(noted, ";rport={}", source.port());
        }
        noted.push_str(rest);
        self.headers.replace(HeaderName::Via, noted);
    }

    /// The address that a response is sent to over UDP, for a request that came from `source`. It is always on the host of `source`.
    ///
    /// # Source
    ///
    /// RFC 3261 §18.2.2, RFC 3581 §4.
    pub fn response_address(&self, source: SocketAddr) -> SocketAddr {
        let Some(via) = self.via() else { return source };
        match via.params.get("rport") {
            Some(_) => source,
            None => SocketAddr::new(source.ip(), via.port.unwrap_or(DEFAULT_PORT)),
        }
    }

    /// A response to the request. Its To field gets `tag` if that of the request has none.
    ///
    /// # Source
    ///
    /// RFC 3261 §8.2.6.2.
    pub fn response(&self, status: StatusCode, tag: &str) -> Response {
        let mut headers = Headers::default();
        for name in [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
            for value in self.headers.all(name) {
                let untagged = name == HeaderName::To && Address::parse(value).is_none_or(|to| to.params.get("tag").is_none());
                headers.push(name, if untagged { format!("{value};tag={tag}") } else { value.to_owned() });
            }
        }
        Response { status, headers, body: Bytes::new() }
    }
}

/// A SIP response; [`Request::response`] makes the one to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The header fields; Content-Length is written from the body.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// A response without header fields and without a body.
    pub fn new(status: StatusCode) -> Self {
        Self { status, headers: Headers::default(), body: Bytes::new() }
    }

    /// The response as bytes, with its Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        written(&format!("{} {}", parse::VERSION, self.status), &self.headers, &self.body)
    }

    /// Whether this is a response to the request whose topmost Via has `branch` and whose method is `method`.
    ///
    /// # Source
    ///
    /// RFC 3261 §17.1.3.
    pub fn answers(&self, branch: &str, method: &Method) -> bool {
        let via = self.headers.elements(HeaderName::Via).next().and_then(Via::parse);
        let cseq = self.headers.get(HeaderName::CSeq).and_then(CSeq::parse);
        via.is_some_and(|via| via.branch() == Some(branch)) && cseq.is_some_and(|cseq| cseq.method == *method)
    }
}

/// The method of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// NOTIFY reports a state to a subscriber.
    Notify,
    /// SUBSCRIBE asks for the reports of a state.
    Subscribe,
    /// OPTIONS asks for the capabilities of a peer.
    Options,
    /// ACK acknowledges the final response to an INVITE; there is no response to it.
    Ack,
    /// Any other method, by its name.
    Other(String),
}

impl Method {
    /// The method that `text` names, which is case-sensitive; `None` where `text` is not a token or has more than 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let known = [Self::Notify, Self::Subscribe, Self::Options, Self::Ack].into_iter().find(|method| method.as_str() == text);
        known.or_else(|| (is_token(text) && text.len() <= 32).then(|| Self::Other(text.to_owned())))
    }

    /// The name of the method.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Notify => "NOTIFY",
            Self::Subscribe => "SUBSCRIBE",
            Self::Options => "OPTIONS",
            Self::Ack => "ACK",
            Self::Other(name) => name,
        }
    }
}

/// The status code of a response: 100 to 699.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

impl StatusCode {
    /// The status code with this number; `None` where the number is below 100 or above 699.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether the response is provisional: a final response follows.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// Whether the request succeeded.
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2
    }

    /// The reason phrase; empty for codes that this crate does not send.
    const fn reason(self) -> &'static str {
        match self.0 {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            406 => "Not Acceptable",
            407 => "Proxy Authentication Required",
            408 => "Request Timeout",
            416 => "Unsupported URI Scheme",
            420 => "Bad Extension",
            423 => "Interval Too Brief",
            480 => "Temporarily Unavailable",
            481 => "Subscription Does Not Exist",
            482 => "Loop Detected",
            483 => "Too Many Hops",
            489 => "Bad Event",
            500 => "Server Internal Error",
            503 => "Service Unavailable",
            513 => "Message Too Large",
            _ => "",
        }
    }
}

macro_rules! statuses {
    ($($name:ident = $code:literal),* $(,)?) => {
        impl StatusCode {
            $(#[doc = concat!("Status code ", $code, ".")] pub const $name: Self = Self($code);)*
        }
    };
}

statuses! {
    OK = 200, BAD_REQUEST = 400, UNAUTHORIZED = 401, FORBIDDEN = 403, NOT_FOUND = 404, METHOD_NOT_ALLOWED = 405,
    NOT_ACCEPTABLE = 406, PROXY_UNAUTHORIZED = 407, UNSUPPORTED_SCHEME = 416,
    BAD_EXTENSION = 420, INTERVAL_TOO_BRIEF = 423, NO_SUBSCRIPTION = 481, LOOP_DETECTED = 482, TOO_MANY_HOPS = 483,
    BAD_EVENT = 489, SERVER_ERROR = 500, SERVICE_UNAVAILABLE = 503, MESSAGE_TOO_LARGE = 513,
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.reason())
    }
}

/// Writes an IP address as in a Via field or a SIP URI: IPv6 in brackets.
pub fn host_of(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn written(start: &str, headers: &Headers, body: &Bytes) -> Bytes {
    let mut bytes = format!("{start}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.into()
}

/// The port of SIP over UDP and TCP where none is given.
pub const DEFAULT_PORT: u16 = 5060;
