//! Networks for the tests. Each PBX keeps every rule until a test changes it.

use chrono_tz::Tz;

use super::{Faults, LicenceClass, Mailbox, Network, NetworkBuilder, NodeAddress, Site, SiteBuilder, TimeSource, VoicemailType};
use crate::message::SiteId;

pub(super) const CENTRAL_NODE: &str = "central.voicemail.example";
pub(super) const HIMALAYA_NODE: &str = "himalaya.voicemail.example";

/// London is central, Berlin has no node, and Kathmandu and Tokyo share a distributed node.
pub(super) fn network() -> Network {
    of(sites()).unwrap()
}

pub(super) fn of(sites: Vec<SiteBuilder>) -> Result<Network, Faults> {
    sites.into_iter().fold(Network::builder("voicemail.example"), NetworkBuilder::site).build()
}

pub(super) fn sites() -> Vec<SiteBuilder> {
    vec![
        central("london").mailbox(mailbox("2001")).mailbox(Mailbox { zone: Some(chrono_tz::Europe::Berlin), ..mailbox("2002") }),
        centralized("berlin").licence(LicenceClass::UnifiedMessaging).mailbox(mailbox("2003")),
        distributed("kathmandu"),
        distributed("tokyo").mailbox(mailbox("2008")),
    ]
}

pub(super) fn central(name: &str) -> SiteBuilder {
    site(name, VoicemailType::Central, chrono_tz::Europe::London)
        .node(node(CENTRAL_NODE))
        .licence(LicenceClass::Voicemail)
        .ports(2)
}

pub(super) fn centralized(name: &str) -> SiteBuilder {
    site(name, VoicemailType::Centralized, chrono_tz::Europe::Berlin).trunk_group("main", &id("london")).destination("main")
}

pub(super) fn distributed(name: &str) -> SiteBuilder {
    site(name, VoicemailType::Distributed, chrono_tz::Asia::Tokyo)
        .node(node(HIMALAYA_NODE))
        .trunk_group("main", &id("london"))
        .destination("main")
        .licence(LicenceClass::Voicemail)
        .ports(1)
}

pub(super) fn mailbox(number: &str) -> Mailbox {
    Mailbox::new(number.parse().unwrap())
}

pub(super) fn sntp() -> TimeSource {
    TimeSource::Sntp(vec!["ntp.example".parse().unwrap()])
}

pub(super) fn id(name: &str) -> SiteId {
    name.parse().unwrap()
}

pub(super) fn node(address: &str) -> NodeAddress {
    address.parse().unwrap()
}

fn site(name: &str, voicemail: VoicemailType, zone: Tz) -> SiteBuilder {
    Site::builder(id(name), voicemail, zone).time(sntp())
}
