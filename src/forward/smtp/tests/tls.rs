//! The TLS policies of the forwarder, with peers of every kind.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::*;
use crate::forward::TlsVersion;
use crate::forward::smtp::{TlsMemory, TlsMode};

const OFFERED: [&str; 5] = ["STARTTLS", "PIPELINING", "CHUNKING", "ENHANCEDSTATUSCODES", "AUTH PLAIN"];

/// A certificate authority, and a peer with a certificate from it.
pub(super) struct Site {
    pub(super) authority: CertifiedIssuer<'static, KeyPair>,
    pub(super) peer: ScriptedPeer,
}

impl Site {
    pub(super) fn new() -> Self {
        Self::with("central.example", |_| {}, TlsMode::StartTls)
    }

    fn with(name: &str, change: impl FnOnce(&mut CertificateParams), mode: TlsMode) -> Self {
        let mut ca = CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let nature = Capabilities {
            keywords: OFFERED.to_vec(),
            knows_ehlo: true,
            tls: Some(Arc::new(config)),
            implicit_tls: mode == TlsMode::Implicit,
        };
        Self { authority, peer: ScriptedPeer::new(nature) }
    }

    pub(super) fn builder(&self, security: Security) -> SmtpForwarderBuilder {
        builder(&self.peer).security(security).ca_pem(self.authority.pem().as_bytes())
    }

    /// The TLS configuration of its peer.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        self.peer.tls()
    }

    async fn acceptance(&self, security: Security) -> Result<Acceptance, ForwardError> {
        let forwarder = self.builder(security).build().unwrap();
        forwarder.forward(&message(), &mailboxes(&["2041"])).await
    }
}

/// A site whose peer has this fault at `step`.
fn failing(step: Step, fault: Fault) -> Site {
    let site = Site::new();
    site.peer.fail(step, fault);
    site
}

const UNDER_TLS: TransportSecurity = TransportSecurity::Tls(TlsVersion::V1_3);
const UNVERIFIED: TransportSecurity = TransportSecurity::TlsUnverified(TlsVersion::V1_3);

#[tokio::test(start_paused = true)]
async fn a_verified_peer_gets_tls_in_both_modes_under_both_policies() {
    for mode in [TlsMode::StartTls, TlsMode::Implicit] {
        for security in [Security::Tls, Security::PlainTextIfNoTls] {
            let site = Site::with("central.example", |_| {}, mode);
            let forwarder = site.builder(security).tls_mode(mode).build().unwrap();
            for _ in 0..2 {
                let acceptance = forwarder.forward(&message_of(300_000), &mailboxes(&["2041"])).await.unwrap();
                assert_eq!((acceptance.outcomes, acceptance.transport_security), (vec![Outcome::Accepted], UNDER_TLS));
            }
            assert_eq!(site.peer.connections(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unverified_certificate_fails_or_is_reported() {
    fn expired(params: &mut CertificateParams) {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }
    let sites: [fn() -> Site; 3] = [
        || Site::with("elsewhere.example", |_| {}, TlsMode::StartTls),
        || Site { authority: Site::new().authority, peer: Site::new().peer }, // vouched for by somebody else
        || Site::with("central.example", expired, TlsMode::StartTls),
    ];
    for site in sites {
        let strict = site();
        let error = strict.acceptance(Security::Tls).await.unwrap_err();
        assert!(matches!(error, ForwardError::NoTls { .. }), "{error:?}");
        assert!(strict.peer.kept("2041").is_empty());

        let lenient = site();
        let acceptance = lenient.acceptance(Security::PlainTextIfNoTls).await.unwrap();
        assert_eq!((acceptance.outcomes, acceptance.transport_security), (vec![Outcome::Accepted], UNVERIFIED));
        assert_eq!(lenient.peer.connections(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_users_tls_configuration_is_obeyed_and_its_refusal_reported() {
    let site = Site::new();
    let config = |trusted: &Site| {
        let mut roots = RootCertStore::empty();
        roots.add(trusted.authority.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        Arc::new(builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth())
    };
    let forward = async |security, config| {
        let forwarder = builder(&site.peer).security(security).tls(config).build().unwrap();
        forwarder.forward(&message(), &mailboxes(&["2041"])).await
    };
    for security in [Security::Tls, Security::PlainTextIfNoTls] {
        assert_eq!(forward(security, config(&site)).await.unwrap().transport_security, UNDER_TLS);
    }
    let stranger = Site::new();
    assert!(matches!(forward(Security::Tls, config(&stranger)).await, Err(ForwardError::NoTls { .. })));
    assert_eq!(forward(Security::PlainTextIfNoTls, config(&stranger)).await.unwrap().transport_security, UNVERIFIED);
}

#[tokio::test(start_paused = true)]
async fn without_tls_the_policy_decides_on_a_new_connection() {
    let faults = [
        (Step::StartTls, Fault::Say("454 4.7.0 not now\r\n")),
        (Step::StartTls, Fault::Say("502 5.5.1 unknown\r\n")),
        (Step::StartTls, Fault::Say("nonsense\r\n")),
        (Step::StartTls, Fault::Drop),
        (Step::StartTls, Fault::Stall),
        (Step::Handshake, Fault::Drop),
        (Step::Handshake, Fault::Stall),
        (Step::Handshake, Fault::Say("this is no TLS at all\r\n")),
    ];
    for (step, fault) in faults {
        let case = format!("{fault:?} at {step:?}");
        let error = failing(step, fault).acceptance(Security::Tls).await.unwrap_err();
        match fault {
            Fault::Stall => assert!(matches!(error, ForwardError::TimedOut { .. }), "{case}: {error:?}"),
            _ => assert!(matches!(error, ForwardError::NoTls { .. }), "{case}: {error:?}"),
        }

        let site = failing(step, fault);
        let events = Events::new();
        let mut listener = events.subscribe();
        let forwarder = site.builder(Security::PlainTextIfNoTls).credentials("edge", "secret").events(events).build().unwrap();
        let acceptance = forwarder.forward(&message(), &mailboxes(&["2041"])).await.unwrap();
        assert_eq!(
            (acceptance.outcomes, acceptance.transport_security),
            (vec![Outcome::Accepted], TransportSecurity::PlainText),
            "{case}"
        );
        assert_eq!(site.peer.connections(), 2, "{case}");
        let event = listener.try_recv().unwrap().event;
        assert!(matches!(&event, Event::PlainTextFallback { peer, .. } if peer == "central.example:25"), "{case}: {event:?}");
        assert!(!site.peer.heard().iter().any(|line| line.starts_with("AUTH")), "{case}: a password in plain text");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stripped_starttls_leads_to_plain_text_only_where_allowed() {
    let peer = ScriptedPeer::offering(&["PIPELINING"]);
    let site = Site { authority: Site::new().authority, peer };
    let error = site.acceptance(Security::Tls).await.unwrap_err();
    assert!(matches!(error, ForwardError::NoTls { .. }), "{error:?}");
    assert!(site.peer.heard().iter().all(|line| line.starts_with("EHLO")), "{:?}", site.peer.heard());
    assert_eq!(site.acceptance(Security::PlainTextIfNoTls).await.unwrap().transport_security, TransportSecurity::PlainText);
}

#[tokio::test(start_paused = true)]
async fn bytes_before_the_handshake_end_the_connection() {
    for security in [Security::Tls, Security::PlainTextIfNoTls] {
        for injected in ["220 go ahead\r\n250 forged\r\n", "220 go ahead\r\n2"] {
            let site = failing(Step::StartTls, Fault::Say(injected));
            let error = site.acceptance(security).await.unwrap_err();
            assert!(matches!(error, ForwardError::Protocol { .. }), "{security:?}: {error:?}");
            assert!(site.peer.kept("2041").is_empty());
            assert_eq!(site.peer.connections(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_under_tls_causes_no_plain_text() {
    for step in [Step::Mail, Step::MidBody, Step::BodyEnd, Step::Kept] {
        for fault in [Fault::Drop, Fault::Stall, Fault::SayAndDrop("421 4.3.2 closing\r\n")] {
            let site = failing(step, fault);
            let forwarder = site.builder(Security::PlainTextIfNoTls).build().unwrap();
            let answer = send(&forwarder, &message()).await;
            assert_eq!(end(&answer), End::Transient, "{fault:?} at {step:?}: {answer:?}");
            let acceptance = sent(&forwarder, &["2041"]).await;
            assert_eq!(acceptance.transport_security, UNDER_TLS, "{fault:?} at {step:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_ended_under_tls_is_replaced() {
    let site = failing(Step::Idle, Fault::SayAndDrop("421 4.4.2 idle for too long\r\n"));
    let forwarder = site.builder(Security::PlainTextIfNoTls).build().unwrap();
    for _ in 0..2 {
        assert_eq!(sent(&forwarder, &["2041"]).await.transport_security, UNDER_TLS);
    }
    assert_eq!(site.peer.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_password_is_sent_only_to_a_verified_peer_under_tls() {
    let site = Site::new();
    let forwarder = site.builder(Security::Tls).credentials("edge", "secret").build().unwrap();
    send(&forwarder, &message()).await.unwrap();
    assert_eq!(site.peer.heard().iter().filter(|line| line.starts_with("AUTH PLAIN ")).count(), 1);

    let impostor = Site { authority: Site::new().authority, peer: Site::new().peer };
    let forwarder = impostor.builder(Security::PlainTextIfNoTls).credentials("edge", "secret").build().unwrap();
    assert_eq!(sent(&forwarder, &["2041"]).await.transport_security, UNVERIFIED);
    assert!(!impostor.peer.heard().iter().any(|line| line.starts_with("AUTH")));
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_anywhere_under_tls_harms_none_that_follow() {
    for polls in 0.. {
        let site = Site::new();
        let forwarder = site.builder(Security::Tls).build().unwrap();
        if after_polls(&forwarder, polls).await {
            assert!(polls > 5, "a call under TLS takes more than {polls} polls");
            break;
        }
        assert_eq!(sent(&forwarder, &["2041"]).await.transport_security, UNDER_TLS, "after {polls} polls");
    }
}

/// A peer that has spoken TLS once, and offers it no longer.
async fn stripped(security: Security, memory: TlsMemory) -> (Site, SmtpForwarder, Events) {
    let site = Site::new();
    let events = Events::new();
    let builder = |security| site.builder(security).events(events.clone()).tls_memory(memory.clone());
    let before = builder(Security::PlainTextIfNoTls).build().unwrap();
    assert_eq!(sent(&before, &["2041"]).await.transport_security, UNDER_TLS);
    site.peer.forget_tls();
    let after = builder(security).build().unwrap();
    (site, after, events)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_has_spoken_tls_is_sent_nothing_without_it() {
    let memory = TlsMemory::in_memory();
    let (site, forwarder, events) = stripped(Security::PlainTextIfNoTls, memory.clone()).await;
    let mut listener = events.subscribe();
    for _ in 0..2 {
        let error = send(&forwarder, &message()).await.unwrap_err();
        assert!(matches!(error, ForwardError::NoTls { .. }) && error.is_transient(), "{error:?}");
        let event = listener.try_recv().unwrap().event;
        assert!(matches!(&event, Event::TlsWithheld { peer, .. } if peer == "central.example:25"), "{event:?}");
    }
    assert_eq!(site.peer.kept("2041").len(), 1, "nothing but what went under TLS");

    assert!(memory.forget("central.example:25").await.unwrap());
    assert_eq!(sent(&forwarder, &["2041"]).await.transport_security, TransportSecurity::PlainText);
}

#[tokio::test(start_paused = true)]
async fn plain_text_even_after_tls_goes_on_in_plain_text() {
    let (_site, forwarder, events) = stripped(Security::PlainTextEvenAfterTls, TlsMemory::in_memory()).await;
    let mut listener = events.subscribe();
    assert_eq!(sent(&forwarder, &["2041"]).await.transport_security, TransportSecurity::PlainText);
    assert!(matches!(listener.try_recv().unwrap().event, Event::PlainTextFallback { .. }));
}

#[cfg(feature = "fs")]
#[tokio::test]
async fn peers_that_spoke_tls_are_remembered_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let memory = || TlsMemory::in_folder(crate::disk::OsDisk, folder.path().join("spool"));
    let (site, _, _) = stripped(Security::PlainTextIfNoTls, memory()).await;
    let forwarder = site.builder(Security::PlainTextIfNoTls).tls_memory(memory()).build().unwrap();
    assert!(matches!(send(&forwarder, &message()).await, Err(ForwardError::NoTls { .. })));
    let file = std::fs::read_to_string(folder.path().join("spool/tls-peers.txt")).unwrap();
    assert!(file.starts_with("# Peers that have spoken TLS.") && file.ends_with("\ncentral.example:25\n"), "{file}");
}

/// A certificate made by `openssl` with these arguments, with its key.
fn by_openssl(words: &[&str]) -> Option<(String, Arc<ServerConfig>)> {
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(words)
        .output();
    let Ok(made) = made else {
        println!("skipped: openssl is not here");
        return None;
    };
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let pem = std::fs::read_to_string(&certificate).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_file(&key).unwrap(),
        )
        .unwrap();
    Some((pem, Arc::new(config)))
}

async fn forwarded_to(pem: &str, config: &Arc<ServerConfig>, security: Security) -> Result<Acceptance, ForwardError> {
    let nature =
        Capabilities { keywords: OFFERED.to_vec(), knows_ehlo: true, tls: Some(Arc::clone(config)), implicit_tls: false };
    let forwarder = builder(&ScriptedPeer::new(nature)).security(security).ca_pem(pem.as_bytes()).build().unwrap();
    forwarder.forward(&message(), &mailboxes(&["2041"])).await
}

#[tokio::test(start_paused = true)]
async fn a_pinned_certificate_of_openssl_is_trusted() {
    let named = ["-subj", "/CN=central.example", "-addext", "subjectAltName=DNS:central.example", "-days", "30"];
    let Some((pem, config)) = by_openssl(&named) else { return };
    for security in [Security::Tls, Security::PlainTextIfNoTls] {
        assert_eq!(forwarded_to(&pem, &config, security).await.unwrap().transport_security, UNDER_TLS);
    }
    // Another certificate with the same name is not trusted.
    let Some((other, _)) = by_openssl(&named) else { return };
    assert!(matches!(forwarded_to(&other, &config, Security::Tls).await, Err(ForwardError::NoTls { .. })));
}

/// A self-signed certificate that is marked as one of an authority, as those of openssl are.
fn self_signed(name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    (certificate.pem(), Arc::new(config))
}

#[tokio::test(start_paused = true)]
async fn a_pinned_certificate_needs_its_dates_and_its_name() {
    let (pem, config) = self_signed("central.example", |_| {});
    assert_eq!(forwarded_to(&pem, &config, Security::Tls).await.unwrap().transport_security, UNDER_TLS);
    for ((pem, config), advice) in [
        (self_signed("elsewhere.example", |_| {}), "subjectAltName"),
        (self_signed("central.example", |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1)), "renew it"),
        (self_signed("central.example", |params| params.not_before = rcgen::date_time_ymd(2100, 1, 1)), "clock"),
    ] {
        let error = forwarded_to(&pem, &config, Security::Tls).await.unwrap_err();
        let ForwardError::NoTls { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains(advice), "{source}");
        assert_eq!(forwarded_to(&pem, &config, Security::PlainTextIfNoTls).await.unwrap().transport_security, UNVERIFIED);
    }
}

#[tokio::test(start_paused = true)]
async fn every_tls_error_says_what_to_do() {
    for (step, fault, advice) in [
        (Step::StartTls, Fault::Say("454 4.7.0 not now\r\n"), "check its TLS settings"),
        (Step::Handshake, Fault::Say("this is no TLS at all\r\n"), "the server on this port does not speak TLS"),
        (Step::Handshake, Fault::Drop, "openssl s_client"),
        (Step::StartTls, Fault::Drop, "openssl s_client"),
    ] {
        let error = failing(step, fault).acceptance(Security::Tls).await.unwrap_err();
        let ForwardError::NoTls { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains(advice), "{fault:?} at {step:?}: {source}");
    }
    let unknown = Site { authority: Site::new().authority, peer: Site::new().peer };
    let stripped = Site { authority: Site::new().authority, peer: ScriptedPeer::offering(&["PIPELINING"]) };
    for (site, advice) in [(unknown, "give this node the certificate"), (stripped, "switch TLS on there")] {
        let ForwardError::NoTls { source, .. } = site.acceptance(Security::Tls).await.unwrap_err() else { panic!("it had TLS") };
        assert!(source.to_string().contains(advice), "{source}");
    }
}
