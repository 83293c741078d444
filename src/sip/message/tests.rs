use std::net::SocketAddr;

use super::*;

const SUBSCRIBE: &str = "SUBSCRIBE sip:2041@vm.example SIP/2.0\r\n\
v: SIP/2.0/UDP proxy.example;branch=z9hG4bK2, SIP/2.0/UDP 10.0.0.7:5062;branch=z9hG4bK1;rport\r\n\
Record-Route: <sip:proxy.example;lr>\r\n\
f: \"Alice, 2041\"\r\n  <sip:2041@vm.example>;tag=a1\r\n\
t: <sip:2041@vm.example>\r\n\
i: 7@10.0.0.7\r\n\
CSeq: 3 SUBSCRIBE\r\n\
m: <sip:2041@10.0.0.7:5062>\r\n\
o: message-summary;id=4\r\n\
X-Other: passed over\r\n\
Expires: 99999999999\r\n\
l: 0\r\n\r\n";

fn request(text: &str) -> Request {
    match SipMessage::parse(text.as_bytes()) {
        Ok(SipMessage::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_with_compact_names_and_folded_lines_is_read() {
    let request = request(SUBSCRIBE);
    assert_eq!((&request.method, request.uri.as_str()), (&Method::Subscribe, "sip:2041@vm.example"));
    assert_eq!(request.headers.get(HeaderName::From), Some("\"Alice, 2041\" <sip:2041@vm.example>;tag=a1"));
    assert_eq!(request.headers.elements(HeaderName::Via).count(), 2);
    assert_eq!(request.via().unwrap().branch(), Some("z9hG4bK2"));
    assert_eq!(request.cseq(), Some(CSeq { number: 3, method: Method::Subscribe }));
    assert_eq!(request.headers.number(HeaderName::Expires), Some(u32::MAX));
    let (event, params) = Params::after_word(request.headers.get(HeaderName::Event).unwrap());
    assert_eq!((event, params.get("id")), ("message-summary", Some("4")));
    let written = request.to_bytes();
    assert_eq!(SipMessage::parse(&written), Ok(SipMessage::Request(request)));
    assert!(written.starts_with(b"SUBSCRIBE sip:2041@vm.example SIP/2.0\r\nVia: SIP/2.0/UDP proxy.example;"), "{written:?}");
    assert!(written.ends_with(b"Content-Length: 0\r\n\r\n"));
}

#[test]
fn a_response_has_the_vias_and_tags_of_its_request() {
    let response = request(SUBSCRIBE).response(StatusCode::OK, "b2");
    let text = String::from_utf8(response.to_bytes().to_vec()).unwrap();
    assert!(
        text.starts_with("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP proxy.example;branch=z9hG4bK2, SIP/2.0/UDP 10.0.0.7:5062"),
        "{text}"
    );
    assert!(text.contains("To: <sip:2041@vm.example>;tag=b2\r\n") && text.contains("CSeq: 3 SUBSCRIBE\r\n"), "{text}");
    assert!(response.answers("z9hG4bK2", &Method::Subscribe));
    assert!(!response.answers("z9hG4bK1", &Method::Subscribe) && !response.answers("z9hG4bK2", &Method::Notify));
    let tagged = request(&SUBSCRIBE.replace("t: <sip:2041@vm.example>", "t: <sip:2041@vm.example>;tag=old"));
    assert_eq!(tagged.response(StatusCode::OK, "b2").headers.get(HeaderName::To), Some("<sip:2041@vm.example>;tag=old"));
}

#[test]
fn the_source_of_a_request_is_added_to_its_via() {
    let source: SocketAddr = "192.0.2.9:1234".parse().unwrap();
    let noted = |via: &str| {
        let mut request = request(&format!("OPTIONS sip:x SIP/2.0\r\nVia: {via}\r\n\r\n"));
        request.note_source(source);
        (request.headers.get(HeaderName::Via).unwrap().to_owned(), request.response_address(source).port())
    };
    let expected = "SIP/2.0/UDP 10.0.0.7:5062;branch=b;received=192.0.2.9;rport=1234";
    assert_eq!(noted("SIP/2.0/UDP 10.0.0.7:5062;rport;branch=b"), (expected.to_owned(), 1234));
    assert_eq!(
        noted("SIP/2.0/UDP p.example;branch=b;received=1.1.1.1, SIP/2.0/UDP q"),
        ("SIP/2.0/UDP p.example;branch=b;received=192.0.2.9, SIP/2.0/UDP q".to_owned(), 5060)
    );
    let same = "SIP/2.0/UDP 192.0.2.9:5064;branch=b";
    assert_eq!(noted(same), (same.to_owned(), 5064));
}

#[test]
fn a_stream_is_cut_into_messages() {
    let (first, second) = ("OPTIONS sip:x SIP/2.0\r\nContent-Length: 4\r\n\r\n\r\n\r\n", "SIP/2.0 200 OK\r\nl: 0\r\n\r\n");
    let whole = format!("\r\n\r\n{first}\r\n{second}rest");
    let mut input = BytesMut::new();
    let mut messages = Vec::new();
    for byte in whole.bytes() {
        input.extend_from_slice(&[byte]);
        messages.extend(SipMessage::read(&mut input).unwrap());
    }
    assert_eq!(messages.len(), 2);
    assert!(matches!(&messages[0], SipMessage::Request(request) if request.body[..] == *b"\r\n\r\n"));
    assert!(matches!(&messages[1], SipMessage::Response(response) if response.status == StatusCode::OK));
    assert_eq!(input, "rest");
}

#[test]
fn an_ambiguous_or_malformed_text_is_no_message() {
    for text in [
        "",
        "\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\n",
        "OPTIONS sip:x\r\n\r\n",
        "OPTIONS sip:x SIP/3.0\r\n\r\n",
        "OPTIONS  sip:x SIP/2.0\r\n\r\n",
        "OPT<IONS sip:x SIP/2.0\r\n\r\n",
        "SIP/2.0 99 x\r\n\r\n",
        "SIP/2.0 700 x\r\n\r\n",
        "SIP/2.0 2000 x\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nTo\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nTo : a\nb\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nTo: a\rb\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nTo: a\0b\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nTo: a\r\nt: b\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nContent-Length: 1\r\nl: 1\r\n\r\nx",
        "OPTIONS sip:x SIP/2.0\r\nContent-Length: -1\r\n\r\n",
        "OPTIONS sip:x SIP/2.0\r\nContent-Length: 2\r\n\r\nx",
    ] {
        assert_eq!(SipMessage::parse(text.as_bytes()), Err(ParseError::Malformed), "{text:?}");
    }
    for text in [
        &b"OPTIONS sip:\xff SIP/2.0\r\n\r\n"[..],
        b"OPTIONS sip:x SIP/2.0\r\nSubject: \xff\nTo: a\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nTo: \xff\r\nTo: a\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nContent-Length: \xff\r\n\r\n",
        b"OPTIONS sip:x SIP/2.0\r\nT\xff: a\r\n\r\n",
    ] {
        assert_eq!(SipMessage::parse(text), Err(ParseError::Malformed), "{}", text.escape_ascii());
    }
    let unsized_ = &mut BytesMut::from("OPTIONS sip:x SIP/2.0\r\n\r\n");
    assert_eq!(SipMessage::read(unsized_), Err(ParseError::Malformed));
}

#[test]
fn a_field_that_is_not_utf_8_does_not_affect_the_others() {
    for field in [&b"Subject: M\xfcller"[..], b"X-Anything: \xff\xfe", b"Contact: M\xfcller <sip:a@b>", b"Subject: a\r\n b\xff"] {
        let mut text = b"OPTIONS sip:x SIP/2.0\r\nFrom: <sip:c@d>;tag=1\r\n".to_vec();
        text.extend_from_slice(field);
        text.extend_from_slice(b"\r\nTo: <sip:e@f>\r\n\r\n");
        let Ok(SipMessage::Request(request)) = SipMessage::parse(&text) else { panic!("{}", text.escape_ascii()) };
        let get = |name| request.headers.get(name);
        assert_eq!((get(HeaderName::From), get(HeaderName::To)), (Some("<sip:c@d>;tag=1"), Some("<sip:e@f>")));
        assert_eq!(get(HeaderName::Contact), None);
    }
}

#[test]
fn every_limit_holds_at_its_edge() {
    let with = |lines: &str| SipMessage::parse(format!("OPTIONS sip:x SIP/2.0\r\n{lines}\r\n\r\n").as_bytes()).map(|_| ());
    let lines = |count: usize| vec!["Route: <sip:p>"; count].join("\r\n");
    assert_eq!((with(&lines(128)), with(&lines(129))), (Ok(()), Err(ParseError::TooLarge)));
    let long = |len: usize| format!("Route: {}", "x".repeat(len - 7));
    assert_eq!((with(&long(4096)), with(&long(4097))), (Ok(()), Err(ParseError::TooLarge)));
    let large = |len: usize| [long(4000), long(4000), long(4000), long(4000), long(len - 4 * 4002 - 27)].join("\r\n");
    assert_eq!((with(&large(16 * 1024)), with(&large(16 * 1024 + 1))), (Ok(()), Err(ParseError::TooLarge)));
    let body = |len: usize| {
        let text = format!("OPTIONS sip:x SIP/2.0\r\nl: {len}\r\n\r\n{}", "x".repeat(len));
        (SipMessage::parse(text.as_bytes()).map(|_| ()), SipMessage::read(&mut BytesMut::from(text.as_str())).map(|_| ()))
    };
    assert_eq!(body(16 * 1024), (Ok(()), Ok(())));
    assert_eq!(body(16 * 1024 + 1), (Err(ParseError::TooLarge), Err(ParseError::TooLarge)));
    assert_eq!(SipMessage::read(&mut BytesMut::from(&[b'x'; 16 * 1024][..])), Err(ParseError::TooLarge));
    assert_eq!(SipMessage::read(&mut BytesMut::from(&[b'x'; 16 * 1024 - 1][..])), Ok(None));
}

#[test]
fn nothing_that_is_pushed_into_a_field_adds_a_line() {
    let headers =
        Headers::default().with(HeaderName::From, "<sip:a@b>\r\nRoute: <sip:evil>").with(HeaderName::To, "x\ny\u{85}z\0");
    let request = Request { method: Method::Notify, uri: "sip:x\r\ny z".into(), headers, body: Bytes::new() };
    let text = String::from_utf8(request.to_bytes().to_vec()).unwrap();
    assert_eq!(text, "NOTIFY sip:xyz SIP/2.0\r\nFrom: <sip:a@b>  Route: <sip:evil>\r\nTo: x y z\r\nContent-Length: 0\r\n\r\n");
}
