//! Targets that are reached over TLS only.

use super::super::super::message::{HeaderName, SipMessage, StatusCode};
use super::*;

#[cfg(feature = "sip-tls")]
#[tokio::test]
async fn a_sips_target_is_reached_under_tls_by_its_certificate() {
    use super::super::super::transport::{SecureServer as _, TlsServer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let made = rcgen::generate_simple_self_signed(["pbx.example".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = TlsServer::by_certificate(chain.as_bytes(), key.as_bytes()).unwrap();
    for (name, reached) in [("pbx.example", true), ("other.example", false)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let targets = SipTargets::template("sips:{mailbox}@pbx.example").unwrap();
        let builder = SipSink::builder("sip:voicemail@vm.example".parse().unwrap(), targets).server_name(name);
        let address = listener.local_addr().unwrap().to_string();
        // A transport that is less safe than the target asks for is not used.
        let builder = builder.addresses([address]).transport(Transport::Udp);
        let sink = builder.ca_pem(chain.as_bytes()).unwrap().build();
        let peer = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = server.accept(stream).await.ok()?;
            let mut buffer = vec![0; 4096];
            let len = stream.read(&mut buffer).await.unwrap();
            let Ok(SipMessage::Request(request)) = SipMessage::parse(&buffer[..len]) else { panic!("{buffer:?}") };
            stream.write_all(&request.response(StatusCode::OK, "peer").to_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            Some(request)
        };
        let shown = state(1, 7);
        let (result, request) = tokio::join!(sink.show(&shown), peer);
        assert_eq!((result.is_ok(), request.is_some()), (reached, reached), "{name}: {result:?}");
        let Some(request) = request else {
            assert!(format!("{result:?}").contains("Untrusted { name: \"other.example\""), "{result:?}");
            continue;
        };
        assert_eq!(request.uri, "sips:2041@pbx.example");
        assert!(request.headers.get(HeaderName::Via).unwrap().starts_with("SIP/2.0/TLS "));
        assert!(request.headers.get(HeaderName::Contact).unwrap().starts_with("<sips:voicemail@"));
    }
}

#[tokio::test]
async fn a_sips_target_without_tls_is_not_reached_in_clear() {
    let targets = SipTargets::template("sips:{mailbox}@pbx.example").unwrap();
    let builder = SipSink::builder("sip:voicemail@vm.example".parse().unwrap(), targets);
    let failed = builder.addresses([A]).build().show(&state(1, 1)).await.unwrap_err();
    let causes = format!("{:?}", std::iter::successors(Some(&failed as &dyn std::error::Error), |error| error.source()).last());
    assert!(causes.contains("TlsNotConfigured"), "{causes}");
}
