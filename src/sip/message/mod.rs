//! A [`SipMessage`] of SIP: bytes in, values out, and back.
//!
//! A head has at most 16 KiB in 128 fields of at most 4096 bytes, a body at most 16 KiB. Whatever is pushed into a field, no line is
//! added by it.

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

/// What is sent from one party to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SipMessage {
    /// Asks for something.
    Request(Request),
    /// Answers a request.
    Response(Response),
}

impl SipMessage {
    /// Reads a datagram.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; then there is nobody to answer.
    pub fn parse(datagram: &[u8]) -> Result<Self, ParseError> {
        parse::datagram(datagram)
    }

    /// Takes the first message out of what has been read from a connection, or nothing when it is not whole yet.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; then nobody knows where the next message begins, and the connection should be closed.
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

/// Bytes that are no [`SipMessage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// A part of it is larger than is taken here.
    #[error("the message is larger than is taken here")]
    TooLarge,
    /// It does not read as SIP.
    #[error("the message does not read as SIP")]
    Malformed,
}

/// Asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// For what.
    pub method: Method,
    /// Of whom, as written.
    pub uri: String,
    /// Its fields, without Content-Length when it is written.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

impl Request {
    /// The request as bytes, with the right Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        let uri = self.uri.replace(|each: char| each.is_control() || each == ' ', "");
        written(&format!("{} {uri} {}", self.method.as_str(), parse::VERSION), &self.headers, &self.body)
    }

    /// Its number and method.
    pub fn cseq(&self) -> Option<CSeq> {
        self.headers.get(HeaderName::CSeq).and_then(CSeq::parse)
    }

    /// The step of its way that it came from.
    pub fn via(&self) -> Option<Via<'_>> {
        self.headers.elements(HeaderName::Via).next().and_then(Via::parse)
    }

    /// Notes where it really came from, for the response to go back there.
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

    /// Where a response that goes by datagram is sent, when the request came from `source`.
    ///
    /// # Source
    ///
    /// RFC 3261 §18.2.2, RFC 3581 §4. It never goes to another host than the one that asked.
    pub fn response_address(&self, source: SocketAddr) -> SocketAddr {
        let Some(via) = self.via() else { return source };
        match via.params.get("rport") {
            Some(_) => source,
            None => SocketAddr::new(source.ip(), via.port.unwrap_or(DEFAULT_PORT)),
        }
    }

    /// A response to it, whose To field has `tag` if the request's had none.
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

/// Answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// How.
    pub status: StatusCode,
    /// Its fields.
    pub headers: Headers,
    /// Its body.
    pub body: Bytes,
}

impl Response {
    /// The response as bytes, with the right Content-Length.
    pub fn to_bytes(&self) -> Bytes {
        written(&format!("{} {}", parse::VERSION, self.status), &self.headers, &self.body)
    }

    /// Whether it answers the request whose Via has `branch` and whose method is `method`.
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

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Method {
    /// That a state has changed.
    Notify,
    /// To be told of a state.
    Subscribe,
    /// What the other side can do.
    Options,
    /// That a final answer to an INVITE has come; it is never answered.
    Ack,
    /// Anything else.
    Other(String),
}

impl Method {
    /// The method that `text` names; its case counts.
    pub fn parse(text: &str) -> Option<Self> {
        let known = [Self::Notify, Self::Subscribe, Self::Options, Self::Ack].into_iter().find(|method| method.as_str() == text);
        known.or_else(|| (is_token(text) && text.len() <= 32).then(|| Self::Other(text.to_owned())))
    }

    /// Its name.
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

/// How a request is answered: 100 to 699.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StatusCode(u16);

impl StatusCode {
    /// The status with this number.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 100 && code <= 699 { Some(Self(code)) } else { None }
    }

    /// Its number.
    pub const fn code(self) -> u16 {
        self.0
    }

    /// Whether another one follows.
    pub const fn is_provisional(self) -> bool {
        self.0 < 200
    }

    /// Whether what was asked for is done.
    pub const fn is_success(self) -> bool {
        self.0 / 100 == 2
    }

    /// What its number stands for, in words; empty where nobody needs them.
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
            $(#[doc = concat!("Status ", $code, ".")] pub const $name: Self = Self($code);)*
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

/// An IP address as it stands in a Via or an address: IPv6 in brackets.
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

/// Where SIP is spoken when nothing else is said.
pub const DEFAULT_PORT: u16 = 5060;
