//! baresip, a telephone, shows the lamp after it has subscribed, and turns it off when the message is heard, with kamailio as its
//! registrar and proxy; over UDP, TCP and TLS.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use crate::telephones;

use voicemail::sip::digest::DigestAlgorithm;

use telephones::{SipNode, baresip, free_port, installed, kamailio};

/// The proxy and the node use `transport`, the telephone and the proxy use `spoken`.
async fn lamp_goes_on_and_off(transport: &str, spoken: &str) {
    if !installed(&["baresip", "kamailio"]) {
        return;
    }
    // baresip 1.0.0 gives up when SHA-256 is offered, even if MD5 is offered, too.
    let (folder, node) = (tempfile::tempdir().unwrap(), SipNode::start(&[DigestAlgorithm::Md5]).await);
    let proxy = free_port();
    let _kamailio = kamailio(folder.path(), proxy, node.port_of(transport), transport).await;
    let mut telephone = baresip(folder.path(), proxy, spoken);
    // The first NOTIFY: no message waits.
    telephone.wait_for("Voice-Message: 0/0 (0/0)").await;
    let id = node.deposit(1).await;
    telephone.wait_for("Messages-Waiting: yes").await;
    telephone.wait_for("Voice-Message: 1/0 (0/0)").await;
    node.mark_heard(id).await;
    telephone.wait_for("Messages-Waiting: no").await;
    telephone.wait_for("Voice-Message: 0/1 (0/0)").await;
    assert_eq!(node.notifier.subscriptions(), 1);
    node.stop().await;
    telephone.wait_for("Subscription-State: terminated;reason=deactivated").await;
}

#[tokio::test]
async fn a_telephone_shows_the_lamp_until_the_message_is_heard_by_udp() {
    lamp_goes_on_and_off("udp", "udp").await;
}

#[tokio::test]
async fn a_telephone_shows_the_lamp_until_the_message_is_heard_by_tcp() {
    lamp_goes_on_and_off("tcp", "tcp").await;
}

#[tokio::test]
async fn a_telephone_shows_the_lamp_over_tls_between_proxy_and_node() {
    let modules = ["/usr/lib/kamailio/modules/tls.so", "/usr/lib/x86_64-linux-gnu/kamailio/modules/tls.so"];
    if !modules.iter().any(|module| std::path::Path::new(module).is_file()) {
        eprintln!("SKIPPED: kamailio's TLS module is not installed");
        return;
    }
    // TLS of baresip 1.0.0 has no algorithm in common with OpenSSL 3, so it uses UDP with the proxy.
    lamp_goes_on_and_off("tls", "udp").await;
}
