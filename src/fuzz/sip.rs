//! [`sip`]: what a telephone or a PBX says by SIP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::sip::digest::{DigestAuthenticator, DigestChallenge, DigestCredentials, DigestSecret, DigestVerdict};
use crate::sip::message::{Address, HeaderName, ParseError, Request, SipMessage, StatusCode, Via};
use crate::sip::{MessageSummary, SipUri};

/// What a telephone or a PBX says by SIP: as a datagram, as a stream, and as what stands inside.
///
/// What can be read is written again, and must read the same, in however many pieces it comes; no line is added to a response by what
/// stood in the request; and nobody is proven who has no password.
pub fn sip(bytes: &[u8]) {
    if let Ok(message) = SipMessage::parse(bytes) {
        again(&message);
        look_into(&message);
    }
    let whole = messages([bytes]);
    assert_eq!(whole, messages(bytes.chunks(1)), "the same bytes are the same messages however they are cut");
    if let Ok(summary) = MessageSummary::parse(bytes) {
        assert_eq!(MessageSummary::parse(summary.to_text().as_bytes()), Ok(summary), "a summary reads as it was written");
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(uri) = text.parse::<SipUri>() {
            assert_eq!(uri.to_string().parse(), Ok(uri), "an address reads as it was written");
        }
        prove(text);
    }
}

/// Writes `message` and reads it.
fn again(message: &SipMessage) {
    match SipMessage::parse(&message.to_bytes()) {
        Ok(again) => assert_eq!(&again, message, "a message reads as it was written"),
        Err(ParseError::TooLarge) => {} // names in full are longer than their letters
        Err(error) => panic!("a message that was read cannot be read again: {error}"),
    }
    let streamed = SipMessage::read(&mut BytesMut::from(&message.to_bytes()[..]));
    assert!(matches!(streamed, Ok(Some(_)) | Err(ParseError::TooLarge)), "a message that was written can be read from a stream");
}

fn look_into(message: &SipMessage) {
    let headers = match message {
        SipMessage::Request(request) => {
            answer(request);
            &request.headers
        }
        SipMessage::Response(response) => &response.headers,
    };
    for name in [HeaderName::From, HeaderName::To, HeaderName::Contact, HeaderName::Route, HeaderName::RecordRoute] {
        for address in headers.elements(name).filter_map(Address::parse) {
            let _ = (address.sip_uri(), address.tag());
        }
    }
    let _ = headers.elements(HeaderName::Via).filter_map(Via::parse).count();
    for name in
        [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate, HeaderName::Authorization, HeaderName::ProxyAuthorization]
    {
        headers.all(name).for_each(prove);
    }
}

/// Answers it as a server does.
fn answer(request: &Request) {
    let source = SocketAddr::from((SOURCE, 5062));
    let mut noted = request.clone();
    noted.note_source(source);
    assert_eq!(noted.response_address(source).ip(), source.ip(), "a response goes to no other host");
    let before = noted.response(StatusCode::OK, "tag").to_bytes();
    let lines = before.split(|byte| *byte == b'\n').count();
    let fields = [HeaderName::Via, HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq]
        .map(|name| noted.headers.all(name).count());
    assert_eq!(lines, fields.iter().sum::<usize>() + 4, "a response has a line for each field, and no other");
}

/// Answers `value` as a challenge, and checks it as an answer.
fn prove(value: &str) {
    if let Some(challenge) = DigestChallenge::parse(value) {
        let answer = challenge.answer(&DigestCredentials::new("2041", "secret"), "NOTIFY", "sip:x", 1, "c");
        assert!(!answer.contains(char::is_control), "an answer is one line");
    }
    let now = Instant::now();
    let secret = DigestSecret::of("2041", "vm.example", "secret");
    let mut authenticator = DigestAuthenticator::new(
        "vm.example",
        [("2041".to_owned(), secret)],
        [7; DigestAuthenticator::KEY_LEN],
        Duration::from_secs(60),
        now,
    );
    assert!(
        !matches!(authenticator.check(value, "NOTIFY", SOURCE, now), DigestVerdict::Authenticated(_)),
        "nobody knows a nonce that was not made"
    );
}

/// All messages of a stream that comes in `pieces`, and whether it went on to its end.
fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<SipMessage>, Option<ParseError>) {
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match SipMessage::read(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
