//! The network of the benches: a central PBX with a given number of mailboxes, and a distributed one.

use std::sync::atomic::{AtomicU64, Ordering};

use voicemail::message::MailboxId;
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};

use crate::MAILBOXES;

pub(crate) const CENTRAL: &str = "central.voicemail.example";
pub(crate) const EDGE: &str = "edge.voicemail.example";

pub(crate) fn network() -> Network {
    let time = TimeSource::Sntp(vec!["ntp.example".parse().expect("a time server")]);
    let site = |name: &str, kind, node: &str| {
        Site::builder(name.parse().expect("a site"), kind, chrono_tz::Europe::London)
            .node(node.parse().expect("an address"))
            .time(time.clone())
            .licence(LicenceClass::Voicemail)
            .ports(1024)
    };
    let centre =
        (0..MAILBOXES).fold(site("centre", VoicemailType::Central, CENTRAL), |site, n| site.mailbox(Mailbox::new(mailbox(n))));
    let edge = site("edge", VoicemailType::Distributed, EDGE);
    let edge = edge.trunk_group("main", &"centre".parse().expect("a site")).destination("main");
    Network::builder("voicemail.example").site(centre).site(edge).build().expect("the network keeps the rules")
}

/// Returns the mailboxes in turn, so that none gets longer than the others.
pub(crate) fn next_mailbox() -> MailboxId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    mailbox(NEXT.fetch_add(1, Ordering::Relaxed))
}

fn mailbox(n: u64) -> MailboxId {
    (2000 + n % MAILBOXES).to_string().parse().expect("a mailbox")
}
