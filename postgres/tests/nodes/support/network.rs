//! A network of two PBXs whose mailboxes are at the central node, and one with a distributed node.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use voicemail::network::{LicenceClass, Mailbox, Network, NetworkBuilder, Site, SiteBuilder, TimeSource, VoicemailType};

use super::mailbox;

/// The address of all central nodes.
pub(crate) const CENTRAL: &str = "central.voicemail.example";
/// The address of the distributed node.
pub(crate) const HIMALAYA: &str = "himalaya.voicemail.example";
/// The mailboxes: the first half is London's, the second Berlin's.
pub(crate) const NUMBERS: [&str; 8] = ["2001", "2002", "2003", "2004", "2101", "2102", "2103", "2104"];

/// The network; the central node is at `hosts`, which are tried in this order.
pub(crate) fn network(hosts: &[SocketAddr]) -> Network {
    let site = |name: &str, kind, zone| {
        let site = Site::builder(name.parse().unwrap(), kind, zone);
        let time = TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]);
        site.time(time)
    };
    let licensed = |site: SiteBuilder| site.licence(LicenceClass::Voicemail).ports(64);
    let with = |site: SiteBuilder, numbers: &[&str]| {
        numbers.iter().fold(site, |site, number| site.mailbox(Mailbox::new(mailbox(number))))
    };
    let far = |site: SiteBuilder| site.trunk_group("main", &"london".parse().unwrap()).destination("main");
    let london = site("london", VoicemailType::Central, chrono_tz::Europe::London);
    let london = licensed(london).node(CENTRAL.parse().unwrap());
    let london = hosts.iter().fold(london, |london, host| london.host(host.to_string().parse().unwrap()));
    let berlin = far(site("berlin", VoicemailType::Centralized, chrono_tz::Europe::Berlin));
    let kathmandu = site("kathmandu", VoicemailType::Distributed, chrono_tz::Asia::Kathmandu);
    let kathmandu = far(licensed(kathmandu)).node(HIMALAYA.parse().unwrap());
    let (of_london, of_berlin) = NUMBERS.split_at(NUMBERS.len() / 2);
    let sites = [with(london, of_london), with(berlin, of_berlin), kathmandu];
    sites.into_iter().fold(Network::builder("voicemail.example"), NetworkBuilder::site).build().unwrap()
}

/// Addresses on which nothing listens yet.
pub(crate) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let bound = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    bound.map(|listener| listener.local_addr().unwrap())
}
