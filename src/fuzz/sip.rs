//! [`sip`]: SIP messages of arbitrary bytes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use bytes::BytesMut;

use crate::sip::digest::{DigestAuthenticator, DigestChallenge, DigestCredentials, DigestSecret, DigestVerdict};
use crate::sip::message::{Address, HeaderName, ParseError, Request, SipMessage, StatusCode, Via};
use crate::sip::{MessageSummary, SipUri};
use crate::telephone::Digit;

/// Reads bytes as SIP: as a datagram, as a stream, as a body, as a URI and as header values.
///
/// A message that can be read is written again and must then read the same, however the bytes are cut into pieces. No request
/// adds a line to its response, and no credentials are accepted without the password.
pub fn sip(bytes: &[u8]) {
    if let Ok(message) = SipMessage::parse(bytes) {
        check_round_trip(&message);
        check_parts(&message);
    }
    let whole = messages([bytes]);
    assert_eq!(whole, messages(bytes.chunks(1)), "the same bytes give the same messages however they are cut");
    if let Ok(summary) = MessageSummary::parse(bytes) {
        assert_eq!(MessageSummary::parse(summary.to_text().as_bytes()), Ok(summary), "a summary reads as it was written");
    }
    let digit = Digit::from_info("application/dtmf-relay", bytes);
    assert!(digit.is_none() || bytes.contains(&b'='), "a key has a name before it");
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(uri) = text.parse::<SipUri>() {
            assert_eq!(uri.to_string().parse(), Ok(uri), "an address reads as it was written");
        }
        check_digest(text);
    }
}

/// Checks that `message` reads the same after it was written.
fn check_round_trip(message: &SipMessage) {
    match SipMessage::parse(&message.to_bytes()) {
        Ok(again) => assert_eq!(&again, message, "a message reads as it was written"),
        Err(ParseError::TooLarge) => {} // full field names are longer than compact ones
        Err(error) => panic!("a message that was read cannot be read again: {error}"),
    }
    let streamed = SipMessage::read(&mut BytesMut::from(&message.to_bytes()[..]));
    assert!(matches!(streamed, Ok(Some(_)) | Err(ParseError::TooLarge)), "a message that was written can be read from a stream");
}

/// Reads the header fields of `message`.
fn check_parts(message: &SipMessage) {
    let headers = match message {
        SipMessage::Request(request) => {
            check_response(request);
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
        headers.all(name).for_each(check_digest);
    }
}

/// Makes the response of a server to `request`, and checks where it goes and what it contains.
fn check_response(request: &Request) {
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

/// Answers `value` as a digest challenge, and checks that it is not accepted as credentials.
fn check_digest(value: &str) {
    if let Some(challenge) = DigestChallenge::parse(value) {
        let answer = challenge.answer(&DigestCredentials::new("2041", "secret"), "NOTIFY", "sip:x", 1, "c");
        assert!(!answer.contains(char::is_control), "an answer is one line");
    }
    let now = Instant::now();
    let secret = DigestSecret::of("2041", "vm.example", "secret");
    let mut authenticator =
        DigestAuthenticator::new("vm.example", [7; DigestAuthenticator::KEY_LEN], now).users([("2041".to_owned(), secret)]);
    assert!(
        !matches!(authenticator.check(value, "NOTIFY", SOURCE, now), DigestVerdict::Authenticated(_)),
        "no answer is accepted for a nonce that was not issued"
    );
}

/// Returns all messages of a stream that comes in `pieces`, and the error that ended it, if there was one.
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
