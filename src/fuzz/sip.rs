//! [`sip`]: what a telephone or a PBX says by SIP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use crate::sip::digest::{Challenge, DigestSecret, Guard, Login, Verdict};
use crate::sip::message::{Address, Message, Name, ParseError, Request, Status, Via};
use crate::sip::{MessageSummary, SipUri};

/// What a telephone or a PBX says by SIP: as a datagram, as a stream, and as what stands inside.
///
/// What can be read is written again, and must read the same, in however many pieces it comes; no line is added to a response by what
/// stood in the request; and nobody is proven who has no password.
pub fn sip(bytes: &[u8]) {
    if let Ok(message) = Message::parse(bytes) {
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
fn again(message: &Message) {
    match Message::parse(&message.to_bytes()) {
        Ok(again) => assert_eq!(&again, message, "a message reads as it was written"),
        Err(ParseError::TooLarge) => {} // names in full are longer than their letters
        Err(error) => panic!("a message that was read cannot be read again: {error}"),
    }
    let streamed = Message::read(&mut BytesMut::from(&message.to_bytes()[..]));
    assert!(matches!(streamed, Ok(Some(_)) | Err(ParseError::TooLarge)), "a message that was written can be read from a stream");
}

fn look_into(message: &Message) {
    let headers = match message {
        Message::Request(request) => {
            answer(request);
            &request.headers
        }
        Message::Response(response) => &response.headers,
    };
    for name in [Name::From, Name::To, Name::Contact, Name::Route, Name::RecordRoute] {
        for address in headers.elements(name).filter_map(Address::parse) {
            let _ = (address.sip_uri(), address.tag());
        }
    }
    let _ = headers.elements(Name::Via).filter_map(Via::parse).count();
    for name in [Name::WwwAuthenticate, Name::ProxyAuthenticate, Name::Authorization, Name::ProxyAuthorization] {
        headers.all(name).for_each(prove);
    }
}

/// Answers it as a server does.
fn answer(request: &Request) {
    let source = SocketAddr::from((SOURCE, 5062));
    let mut noted = request.clone();
    noted.note_source(source);
    assert_eq!(noted.response_address(source).ip(), source.ip(), "a response goes to no other host");
    let before = noted.response(Status::OK, "tag").to_bytes();
    let lines = before.split(|byte| *byte == b'\n').count();
    let fields = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq].map(|name| noted.headers.all(name).count());
    assert_eq!(lines, fields.iter().sum::<usize>() + 4, "a response has a line for each field, and no other");
}

/// Answers `value` as a challenge, and checks it as an answer.
fn prove(value: &str) {
    if let Some(challenge) = Challenge::parse(value) {
        let answer = challenge.answer(&Login::new("2041", "secret"), "NOTIFY", "sip:x", 1, "c");
        assert!(!answer.contains(char::is_control), "an answer is one line");
    }
    let now = Instant::now();
    let secret = DigestSecret::of("2041", "vm.example", "secret");
    let mut guard = Guard::new("vm.example", [("2041".to_owned(), secret)], [7; Guard::KEY_LEN], Duration::from_secs(60), now);
    assert!(!matches!(guard.check(value, "NOTIFY", SOURCE, now), Verdict::Proven(_)), "nobody knows a nonce that was not made");
}

/// All messages of a stream that comes in `pieces`, and whether it went on to its end.
fn messages<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<ParseError>) {
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match Message::read(&mut input) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
