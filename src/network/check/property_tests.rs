//! A network that keeps every rule has exactly one fault after one rule is broken.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::samples::{self, CENTRAL_NODE, HIMALAYA_NODE, central, centralized, distributed, id, mailbox, node};
use super::super::{
    Fallback, Licence, LicenceClass, Mailbox, Network, NetworkBuilder, NodeHost, SiteBuilder, TimeSource, VoicemailType,
};
use super::{PbxName, Setting};
use crate::directory::{MailboxLimits, RecordingLimits, Retention};
use crate::forward::Custody;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_network_that_breaks_one_rule_has_that_fault_and_no_other(sites in sites(), pick in any::<usize>()) {
        prop_assert!(samples::of(sites.clone()).is_ok());
        for (code, break_it) in BREAKS {
            let mut broken = sites.clone();
            let at_fault = break_it(&mut broken, pick);
            let found: Vec<_> = samples::of(broken).err().into_iter().flatten().map(|fault| (fault.pbx, fault.rule.code())).collect();
            prop_assert_eq!(found, vec![(at_fault, *code)]);
        }
        let elsewhere = sites.into_iter().fold(Network::builder("voicemail_example"), NetworkBuilder::site);
        let found: Vec<_> = elsewhere.build().err().into_iter().flatten().map(|fault| (fault.pbx, fault.rule.code())).collect();
        prop_assert_eq!(found, vec![(None, "N23")]);
    }
}

/// Breaks a rule at a PBX that is chosen by a number, and returns that PBX; `None` for the network as a whole.
type Break = fn(&mut Vec<SiteBuilder>, usize) -> Option<PbxName>;

const BREAKS: &[(&str, Break)] = &[
    ("N01", |sites, _| {
        drop(sites.remove(0));
        let elsewhere = "centralized-0".to_owned();
        sites.iter_mut().flat_map(|site| site.trunk_groups.values_mut()).for_each(|leads_to| *leads_to = Some(elsewhere.clone()));
        None
    }),
    ("N02", |sites, _| {
        sites.push(central("second"));
        Some(PbxName::Id(id("second")))
    }),
    ("N03", |sites, pick| {
        let twin = sites[pick % sites.len()].name.clone();
        sites.push(SiteBuilder { name: twin.clone(), ..distributed("twin") });
        Some(twin)
    }),
    ("N04", |sites, pick| {
        sites[0].mailboxes.push(mailbox("77777"));
        at(sites, pick, &ANY, |site| site.mailboxes.push(mailbox("77777")))
    }),
    ("N05", |sites, pick| at(sites, pick, &RECORDING, |site| site.node = Setting::Missing)),
    ("N06", |sites, pick| at(sites, pick, &CENTRALIZED, |site| site.node = Setting::Value(node("node.example")))),
    ("N07", |sites, pick| at(sites, pick, &NOT_CENTRAL, |site| site.destination = Setting::Missing)),
    ("N08", |sites, pick| at(sites, pick, &CENTRAL, |site| site.destination = Setting::Value("main".to_owned()))),
    ("N09", |sites, pick| at(sites, pick, &NOT_CENTRAL, |site| site.destination = Setting::Value("mian".to_owned()))),
    ("N10", |sites, pick| at(sites, pick, &NOT_CENTRAL, |site| lead(site, "main", "distributed-0"))),
    ("N11", |sites, pick| at(sites, pick, &ANY, |site| lead(site, "west", "atlantis"))),
    ("N12", |sites, pick| {
        at(sites, pick, &RECORDING, |site| {
            site.licences.retain(|licence| licence.is_none_or(|licence| licence.class() != LicenceClass::Voicemail));
        })
    }),
    ("N13", |sites, pick| at(sites, pick, &CENTRALIZED, |site| site.licences.push(Some(LicenceClass::Campaigns.into())))),
    ("N14", |sites, pick| at(sites, pick, &RECORDING, |site| site.licences.push(Some(LicenceClass::Voicemail.into())))),
    ("N15", |sites, pick| at(sites, pick, &ANY, |site| site.time = Setting::Value(TimeSource::None))),
    ("N16", |sites, pick| at(sites, pick, &RECORDING, |site| site.is_fallback = Setting::Value(true))),
    ("N17", |sites, pick| {
        no_fallback(sites);
        at(sites, pick, &CENTRALIZED, |site| {
            site.is_fallback = Setting::Value(true);
            site.backup_node = Setting::Value(node(HIMALAYA_NODE));
        })
    }),
    ("N18", |sites, pick| {
        at(sites, pick, &CENTRALIZED, |site| {
            site.is_fallback = Setting::Missing;
            site.backup_node = Setting::Value(node("backup.example"));
        })
    }),
    ("N19", |sites, pick| at(sites, pick, &RECORDING, |site| site.ports = Setting::Value(0))),
    ("N20", |sites, pick| at(sites, pick, &CENTRALIZED, |site| site.ports = Setting::Value(1))),
    ("N21", |sites, pick| {
        let recording = RecordingLimits { min: Duration::from_secs(2), max: Duration::from_secs(1) };
        at(sites, pick, &ANY, |site| site.mailboxes.push(Mailbox { recording, ..mailbox("77777") }))
    }),
    ("N22", |sites, pick| at(sites, pick, &ANY, |site| lead(site, "\u{7}", "london"))),
    ("N24", |sites, _| {
        if sites.iter().all(|site| site.is_fallback.as_value() != Some(&true)) {
            sites[1].is_fallback = Setting::Value(true);
        }
        sites.push(centralized("second"));
        sites.last_mut().map(|site| {
            site.is_fallback = Setting::Value(true);
            site.name.clone()
        })
    }),
    ("N25", |sites, pick| at(sites, pick, &NOT_CENTRAL, |site| site.hosts.push(host("10.1.1.7")))),
    ("N26", |sites, pick| {
        at(sites, pick, &CENTRAL, |site| site.hosts.extend([host("10.1.1.7"), host("10.1.1.8"), host("10.1.1.7:25")]))
    }),
    ("N27", |sites, pick| {
        let holding = MailboxLimits { messages: Some(0), ..MailboxLimits::default() };
        at(sites, pick, &ANY, |site| site.mailboxes.push(Mailbox { holding, ..mailbox("77777") }))
    }),
    ("N58", |sites, pick| {
        let retention = Retention::default().new_for(Duration::ZERO);
        at(sites, pick, &ANY, |site| site.mailboxes.push(Mailbox { retention, ..mailbox("77777") }))
    }),
    ("N75", |sites, pick| at(sites, pick, &NOT_DISTRIBUTED, |site| site.custody = Setting::Value(Custody::Auto))),
    ("N44", |sites, pick| at(sites, pick, &NOT_CENTRAL, |site| site.engine = Setting::Value("other".parse().unwrap()))),
    ("N45", |sites, pick| {
        no_fallback(sites);
        at(sites, pick, &CENTRAL, |site| site.engine = Setting::Missing);
        at(sites, pick, &CENTRALIZED, |site| {
            site.is_fallback = Setting::Value(true);
            site.backup_node = Setting::Value(node("backup.example"));
        })
    }),
];

const NOT_DISTRIBUTED: [VoicemailType; 2] = [VoicemailType::Central, VoicemailType::Centralized];
const CENTRAL: [VoicemailType; 1] = [VoicemailType::Central];
const CENTRALIZED: [VoicemailType; 1] = [VoicemailType::Centralized];
const RECORDING: [VoicemailType; 2] = [VoicemailType::Central, VoicemailType::Distributed];
const NOT_CENTRAL: [VoicemailType; 2] = [VoicemailType::Centralized, VoicemailType::Distributed];
const ANY: [VoicemailType; 3] = VoicemailType::ALL;

/// Changes the `pick`th PBX of one of these types.
#[expect(clippy::unnecessary_wraps, reason = "the return type of a Break")]
fn at(sites: &mut [SiteBuilder], pick: usize, types: &[VoicemailType], change: impl FnOnce(&mut SiteBuilder)) -> Option<PbxName> {
    let is_meant = |site: &SiteBuilder| site.voicemail.as_value().is_some_and(|voicemail| types.contains(voicemail));
    let mut meant: Vec<_> = sites.iter_mut().filter(|site| is_meant(site)).collect();
    let index = pick % meant.len();
    let site = &mut *meant[index];
    change(site);
    Some(site.name.clone())
}

fn no_fallback(sites: &mut [SiteBuilder]) {
    for site in sites {
        (site.is_fallback, site.backup_node) = (Setting::Missing, Setting::Missing);
    }
}

fn host(text: &str) -> NodeHost {
    text.parse().unwrap()
}

fn lead(site: &mut SiteBuilder, trunk_group: &str, pbx: &str) {
    site.trunk_groups.insert(trunk_group.to_owned(), Some(pbx.to_owned()));
}

/// London, which is central, and one to four PBXs of either other type, which differ in everything that no rule is about.
fn sites() -> impl Strategy<Value = Vec<SiteBuilder>> {
    (varieties(1..2), varieties(1..5), varieties(1..5)).prop_map(|(first, centralized_ones, distributed_ones)| {
        let london = varied(central("london").engine("company-mail".parse().unwrap()), &first[0], 0, &LicenceClass::ALL[1..]);
        let hosts = (0..first[0].ports % 3).map(|number| host(&format!("central-{number}.example")));
        let mut sites = vec![hosts.fold(london, SiteBuilder::host)];
        for (index, variety) in centralized_ones.iter().enumerate() {
            let site = varied(centralized(&format!("centralized-{index}")), variety, 100 + index, &LicenceClass::ALL[1..3]);
            sites.push(if variety.flag && sites.iter().all(|site| site.is_fallback == Setting::Missing) {
                let backup_node = variety.ports.is_multiple_of(2).then(|| node("backup.example"));
                site.fallback(Fallback { backup_node })
            } else {
                site
            });
        }
        for (index, variety) in distributed_ones.iter().enumerate() {
            let site = distributed(&format!("distributed-{index}")).ports(variety.ports);
            // The first PBX has the node of the sample; the others may share the central node.
            let site = if variety.flag && index > 0 { site.node(node(CENTRAL_NODE)) } else { site };
            sites.push(varied(site, variety, 200 + index, &LicenceClass::ALL[1..]));
        }
        sites
    })
}

#[derive(Debug, Clone)]
struct Variety {
    licences: u8,
    ports: u32,
    mailboxes: usize,
    zone: usize,
    flag: bool,
}

fn varieties(how_many: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Variety>> {
    let variety = (any::<u8>(), 1_u32..9, 0_usize..4, 0..chrono_tz::TZ_VARIANTS.len(), any::<bool>());
    vec(variety.prop_map(|(licences, ports, mailboxes, zone, flag)| Variety { licences, ports, mailboxes, zone, flag }), how_many)
}

fn varied(mut site: SiteBuilder, variety: &Variety, number: usize, classes: &[LicenceClass]) -> SiteBuilder {
    for (bit, class) in classes.iter().enumerate() {
        if variety.licences & (1 << bit) != 0 {
            site = site.licence(Licence::until(*class, "2036-12-31".parse().unwrap()));
        }
    }
    let zone = chrono_tz::TZ_VARIANTS[variety.zone];
    site.zone = Setting::Value(zone);
    for index in 0..variety.mailboxes {
        site = site.mailbox(Mailbox { zone: variety.flag.then_some(zone), ..mailbox(&format!("{number}{index}")) });
    }
    site
}
