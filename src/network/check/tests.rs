//! For every cell of the table of rules, a network that keeps the rule and one that breaks it.

use std::time::Duration;

use super::super::samples::{self, CENTRAL_NODE, HIMALAYA_NODE, central, centralized, distributed, id, mailbox, node, sntp};
use super::super::{
    EngineName, Fallback, Fault, LicenceClass, Mailbox, Network, NetworkBuilder, NodeHost, PbxName, Rule, Site, SiteBuilder,
    TimeSource, VoicemailType,
};
use super::Setting;
use crate::directory::{MailboxLimits, RecordingLimits, Retention, WarningThresholds};
use crate::message::MailboxId;

/// The faults of the sample network in which `site` replaces the PBX of the same name, or is added.
fn faults_with(site: SiteBuilder) -> Vec<Fault> {
    let mut sites = samples::sites();
    match sites.iter_mut().find(|other| other.name == site.name) {
        Some(other) => *other = site,
        None => sites.push(site),
    }
    faults_of(sites)
}

fn faults_of(sites: Vec<SiteBuilder>) -> Vec<Fault> {
    samples::of(sites).err().into_iter().flatten().collect()
}

fn at(pbx: &str, rule: Rule) -> Vec<Fault> {
    vec![Fault { pbx: Some(named(pbx)), rule }]
}

fn named(pbx: &str) -> PbxName {
    PbxName::Id(id(pbx))
}

fn without_node(site: SiteBuilder) -> SiteBuilder {
    SiteBuilder { node: Setting::Missing, ..site }
}

fn without_destination(site: SiteBuilder) -> SiteBuilder {
    SiteBuilder { destination: Setting::Missing, ..site }
}

fn without_licences(site: SiteBuilder) -> SiteBuilder {
    SiteBuilder { licences: Vec::new(), ..site }
}

#[test]
fn one_pbx_is_central_and_no_other() {
    assert_eq!(faults_of(samples::sites()), []);
    assert_eq!(faults_of(Vec::new()), [Fault { pbx: None, rule: Rule::NoCentral }]);
    let second = central("leeds").node(node("leeds.voicemail.example"));
    assert_eq!(faults_with(second), at("leeds", Rule::SecondCentral { first: named("london") }));
}

#[test]
fn central_has_a_node() {
    assert_eq!(faults_with(central("london").node(node("10.1.1.5"))), []);
    let rule = Rule::NodeMissing { voicemail: VoicemailType::Central };
    assert_eq!(faults_with(without_node(central("london"))), at("london", rule));
}

#[test]
fn centralized_has_no_node() {
    assert_eq!(faults_with(centralized("berlin")), []);
    let found = node("berlin.voicemail.example");
    assert_eq!(faults_with(centralized("berlin").node(found.clone())), at("berlin", Rule::NodeNotAllowed { found }));
}

#[test]
fn distributed_has_a_node_possibly_shared_with_the_central_pbx() {
    assert_eq!(faults_with(distributed("osaka")), []);
    assert_eq!(faults_with(distributed("osaka").node(node(CENTRAL_NODE))), []);
    let rule = Rule::NodeMissing { voicemail: VoicemailType::Distributed };
    assert_eq!(faults_with(without_node(distributed("tokyo"))), at("tokyo", rule));
}

#[test]
fn central_has_no_destination_although_it_has_trunk_groups() {
    let with_trunk_group = central("london").trunk_group("north", &id("berlin"));
    assert_eq!(faults_with(with_trunk_group.clone()), []);
    let rule = Rule::DestinationNotAllowed { found: "north".to_owned() };
    assert_eq!(faults_with(with_trunk_group.destination("north")), at("london", rule));
}

#[test]
fn centralized_has_a_destination() {
    assert_eq!(faults_with(centralized("berlin")), []);
    let rule = Rule::DestinationMissing { voicemail: VoicemailType::Centralized };
    assert_eq!(faults_with(without_destination(centralized("berlin"))), at("berlin", rule));
}

#[test]
fn distributed_has_a_destination() {
    assert_eq!(faults_with(distributed("tokyo")), []);
    let rule = Rule::DestinationMissing { voicemail: VoicemailType::Distributed };
    assert_eq!(faults_with(without_destination(distributed("tokyo"))), at("tokyo", rule));
}

#[test]
fn a_destination_is_a_trunk_group_that_exists() {
    for site in [centralized("berlin"), distributed("berlin")] {
        assert_eq!(faults_with(site.clone().trunk_group("spare", &id("london")).destination("spare")), []);
        let rule = Rule::UnknownTrunkGroup { destination: "spare".to_owned() };
        assert_eq!(faults_with(site.destination("spare")), at("berlin", rule));
    }
}

#[test]
fn a_destination_leads_to_the_central_pbx_and_to_no_other() {
    for site in [centralized("berlin"), distributed("berlin")] {
        let site = site.trunk_group("east", &id("tokyo"));
        assert_eq!(faults_with(site.clone()), []);
        let rule = Rule::DestinationNotCentral { destination: "east".to_owned(), leads_to: named("tokyo") };
        assert_eq!(faults_with(site.destination("east")), at("berlin", rule));
    }
}

#[test]
fn a_trunk_group_leads_to_a_pbx_of_the_network() {
    let rule =
        |trunk_group: &str| Rule::TrunkGroupToNowhere { trunk_group: trunk_group.to_owned(), leads_to: "atlantis".to_owned() };
    assert_eq!(faults_with(central("london").trunk_group("west", &id("atlantis"))), at("london", rule("west")));
    // A destination that leads nowhere is reported once.
    assert_eq!(faults_with(distributed("tokyo").trunk_group("main", &id("atlantis"))), at("tokyo", rule("main")));
}

#[test]
fn central_and_distributed_need_voicemail_for_each_feature() {
    for (site, voicemail) in [(central("london"), VoicemailType::Central), (distributed("tokyo"), VoicemailType::Distributed)] {
        let name = site.name.clone();
        let with_features = LicenceClass::ALL.into_iter().fold(without_licences(site.clone()), SiteBuilder::licence);
        assert_eq!(faults_with(with_features), []);
        let rule = Rule::VoicemailLicenceMissing { voicemail, found: vec![LicenceClass::Campaigns] };
        let with_one = without_licences(site).licence(LicenceClass::Campaigns);
        assert_eq!(faults_with(with_one), [Fault { pbx: Some(name), rule }]);
    }
}

#[test]
fn centralized_has_two_classes_of_licences_only() {
    let allowed = [LicenceClass::UnifiedMessaging, LicenceClass::CallArchive];
    assert_eq!(faults_with(allowed.into_iter().fold(centralized("berlin"), SiteBuilder::licence)), []);
    for class in LicenceClass::ALL.into_iter().filter(|class| !allowed.contains(class)) {
        assert_eq!(faults_with(centralized("berlin").licence(class)), at("berlin", Rule::LicenceNotAllowed { class }));
    }
}

#[test]
fn a_licence_is_one_of_its_class() {
    let class = LicenceClass::Voicemail;
    assert_eq!(faults_with(distributed("tokyo").licence(class).licence(class)), at("tokyo", Rule::DuplicateLicence { class }));
    let class = LicenceClass::Other("x-fax".parse().unwrap());
    let other = LicenceClass::Other("x-telex".parse().unwrap());
    assert_eq!(faults_with(distributed("tokyo").licence(class).licence(other)), []);
    assert_eq!(faults_with(distributed("tokyo").licence(class).licence(class)), at("tokyo", Rule::DuplicateLicence { class }));
}

#[test]
fn every_pbx_has_its_time_from_sntp() {
    for site in [central("london"), centralized("berlin"), distributed("tokyo")] {
        assert_eq!(faults_with(site.clone().time(sntp())), []);
        for found in [TimeSource::None, TimeSource::Other("gps".to_owned()), TimeSource::Sntp(Vec::new())] {
            let fault = Fault { pbx: Some(site.name.clone()), rule: Rule::SntpMissing { found: found.clone() } };
            assert_eq!(faults_with(site.clone().time(found)), [fault]);
        }
    }
    let silent = SiteBuilder { time: Setting::Missing, ..distributed("tokyo") };
    assert_eq!(faults_with(silent), at("tokyo", Rule::SntpMissing { found: TimeSource::None }));
}

#[test]
fn only_a_pbx_on_centralized_voicemail_is_a_fallback() {
    assert_eq!(faults_with(centralized("berlin").fallback(Fallback::default())), []);
    for (site, voicemail) in [(central("london"), VoicemailType::Central), (distributed("tokyo"), VoicemailType::Distributed)] {
        let fault = Fault { pbx: Some(site.name.clone()), rule: Rule::FallbackNotAllowed { voicemail } };
        assert_eq!(faults_with(site.fallback(Fallback::default())), [fault]);
    }
}

#[test]
fn a_distributed_node_is_no_backup_node_in_whatever_spelling() {
    let with_backup = |address: &str| {
        let mut sites = samples::sites();
        sites[0] = central("london").engine("company-mail".parse().unwrap());
        sites[1] = centralized("berlin").fallback(Fallback { backup_node: Some(node(address)) });
        faults_of(sites)
    };
    assert_eq!(with_backup("backup.voicemail.example"), []);
    let rule = Rule::BackupNodeDistributed { node: node(HIMALAYA_NODE), of: named("kathmandu") };
    assert_eq!(with_backup(&HIMALAYA_NODE.to_uppercase()), at("berlin", rule));
}

#[test]
fn a_backup_node_serves_the_engine_of_the_central_node() {
    let found = node("backup.voicemail.example");
    let site = centralized("berlin").fallback(Fallback { backup_node: Some(found.clone()) });
    assert_eq!(faults_with(site), at("berlin", Rule::BackupNodeWithoutEngine { found }));
    let engine: EngineName = "company-mail".parse().unwrap();
    assert_eq!(faults_with(central("london").engine(engine.clone())), [], "an engine needs no backup node");
    let rule = Rule::EngineNotAllowed { voicemail: VoicemailType::Distributed, found: engine.clone() };
    assert_eq!(faults_with(distributed("tokyo").engine(engine)), at("tokyo", rule));
}

#[test]
fn a_backup_node_is_of_a_fallback() {
    let found = node("backup.voicemail.example");
    let site = SiteBuilder { backup_node: Setting::Value(found.clone()), ..centralized("berlin") };
    assert_eq!(faults_with(site), at("berlin", Rule::BackupNodeWithoutFallback { found }));
}

#[test]
fn the_central_pbx_has_one_fallback() {
    let fallback = || centralized("berlin").fallback(Fallback::default());
    let second = SiteBuilder { name: named("paris"), ..fallback() };
    assert_eq!(faults_of(vec![central("london"), fallback()]), []);
    assert_eq!(
        faults_of(vec![central("london"), fallback(), second]),
        at("paris", Rule::SecondFallback { first: named("berlin") })
    );
}

#[test]
fn only_the_central_node_has_hosts_and_each_once() {
    let host = |text: &str| text.parse::<NodeHost>().unwrap();
    let hosts = central("london").host(host("10.1.1.5")).host(host("10.1.1.6")).host(host("10.1.1.5:2525"));
    assert_eq!(faults_with(hosts.clone()), []);
    assert_eq!(faults_with(hosts.host(host("10.1.1.6:25"))), at("london", Rule::DuplicateHost { host: host("10.1.1.6") }));
    for (site, voicemail) in
        [(centralized("berlin"), VoicemailType::Centralized), (distributed("tokyo"), VoicemailType::Distributed)]
    {
        let rule = Rule::HostsNotAllowed { voicemail, found: host("10.1.1.5") };
        let fault = Fault { pbx: Some(site.name.clone()), rule };
        assert_eq!(faults_with(site.host(host("10.1.1.5"))), [fault]);
    }
}

#[test]
fn a_pbx_that_records_has_ports() {
    for (site, voicemail) in [(central("london"), VoicemailType::Central), (distributed("tokyo"), VoicemailType::Distributed)] {
        assert_eq!(faults_with(site.clone().ports(1)), []);
        for ports in [Setting::Value(0), Setting::Missing] {
            let fault = Fault { pbx: Some(site.name.clone()), rule: Rule::PortsMissing { voicemail } };
            assert_eq!(faults_with(SiteBuilder { ports, ..site.clone() }), [fault]);
        }
    }
}

#[test]
fn a_pbx_on_centralized_voicemail_has_no_ports() {
    assert_eq!(faults_with(centralized("berlin").ports(0)), []);
    assert_eq!(faults_with(centralized("berlin").ports(3)), at("berlin", Rule::PortsNotAllowed { found: 3 }));
}

#[test]
fn ids_are_unique() {
    let mut sites = samples::sites();
    sites.push(distributed("berlin"));
    assert_eq!(faults_of(sites), at("berlin", Rule::DuplicateId { first: 2 }));
}

#[test]
fn mailbox_numbers_are_unique_across_the_network_and_on_one_pbx() {
    let rule = Rule::DuplicateMailbox { number: "2001".parse().unwrap(), first: named("london") };
    assert_eq!(faults_with(distributed("tokyo").mailbox(mailbox("2001"))), at("tokyo", rule.clone()));
    assert_eq!(faults_with(central("london").mailbox(mailbox("2001")).mailbox(mailbox("2001"))), at("london", rule));
}

#[test]
fn a_maximum_length_is_above_zero_and_not_below_the_minimum() {
    let with_limits = |min_seconds, max_seconds| {
        let recording = RecordingLimits { min: Duration::from_secs(min_seconds), max: Duration::from_secs(max_seconds) };
        faults_with(distributed("tokyo").mailbox(Mailbox { recording, ..mailbox("2010") }))
    };
    assert_eq!(with_limits(60, 60), []);
    for (min_seconds, max_seconds) in [(61, 60), (0, 0)] {
        let rule = Rule::LimitsCrossed { number: "2010".parse().unwrap(), min_seconds, max_seconds };
        assert_eq!(with_limits(min_seconds, max_seconds), at("tokyo", rule));
    }
}

#[test]
fn a_mailbox_can_hold_something_by_its_limits_and_its_pbxs() {
    let zero = |limit| match limit {
        "messages" => MailboxLimits { messages: Some(0), ..MailboxLimits::default() },
        "minutes" => MailboxLimits { length: Some(Duration::ZERO), ..MailboxLimits::default() },
        _ => MailboxLimits { bytes: Some(0), ..MailboxLimits::default() },
    };
    for limit in ["messages", "minutes", "bytes"] {
        let with = Mailbox { holding: zero(limit), ..mailbox("2010") };
        let number = Some(with.number.clone());
        assert_eq!(faults_with(distributed("tokyo").mailbox(with)), at("tokyo", Rule::HoldsNothing { number, limit }));
        let rule = Rule::HoldsNothing { number: None, limit };
        assert_eq!(faults_with(distributed("tokyo").holding(zero(limit))), at("tokyo", rule));
    }
    let least = MailboxLimits { messages: Some(1), length: Some(Duration::from_secs(1)), bytes: Some(1) };
    assert_eq!(faults_with(distributed("tokyo").holding(least)), []);
}

#[test]
fn messages_stay_for_some_time() {
    let zeros =
        [("new_days", Retention::default().new_for(Duration::ZERO)), ("old_days", Retention::default().old_for(Duration::ZERO))];
    for (key, zero) in zeros {
        let with = mailbox("2010").with_retention(zero);
        let number = Some(with.number.clone());
        assert_eq!(faults_with(distributed("tokyo").mailbox(with)), at("tokyo", Rule::StaysNoTime { number, key }));
        let rule = Rule::StaysNoTime { number: None, key };
        assert_eq!(faults_with(distributed("tokyo").retention(zero)), at("tokyo", rule));
    }
    let at_once = Retention::default().removed_for(Duration::ZERO);
    assert_eq!(faults_with(distributed("tokyo").retention(at_once)), []);
}

#[test]
fn warnings_come_from_1_to_100_percent_on() {
    for found in [0, 101] {
        let thresholds = WarningThresholds::default().with_percent(found);
        let with = mailbox("2010").with_warnings(thresholds);
        let number = Some(with.number.clone());
        assert_eq!(faults_with(distributed("tokyo").mailbox(with)), at("tokyo", Rule::WarningPercent { number, found }));
        let rule = Rule::WarningPercent { number: None, found };
        assert_eq!(faults_with(distributed("tokyo").warnings(thresholds)), at("tokyo", rule));
    }
    assert_eq!(faults_with(distributed("tokyo").warnings(WarningThresholds::default().with_percent(100))), []);
}

#[test]
fn a_mailbox_for_undeliverable_messages_is_in_the_network() {
    let found: MailboxId = "2999".parse().unwrap();
    let rule = || Rule::UnknownUndeliverable { found: found.clone() };
    assert_eq!(faults_with(distributed("tokyo").undeliverable(found.clone())), at("tokyo", rule()));
    let sites = samples::sites().into_iter().fold(Network::builder("voicemail.example"), NetworkBuilder::site);
    let faults = sites.clone().undeliverable(found.clone()).build().unwrap_err();
    assert_eq!(faults.iter().cloned().collect::<Vec<_>>(), [Fault { pbx: None, rule: rule() }]);
    let network = sites.undeliverable("2001".parse().unwrap()).site(distributed("leeds").undeliverable("2008".parse().unwrap()));
    let network = network.build().unwrap();
    let of = |site: Option<&str>| network.undeliverable(site.map(id).as_ref()).map(MailboxId::as_str);
    assert_eq!([of(None), of(Some("tokyo")), of(Some("leeds"))], [Some("2001"), Some("2001"), Some("2008")]);
}

#[test]
fn a_trunk_groups_name_can_be_shown() {
    for name in ["", "two\nlines", &"x".repeat(64)] {
        let rule = Rule::TrunkGroupName { name: name.to_owned() };
        assert_eq!(faults_with(distributed("tokyo").trunk_group(name, &id("london"))), at("tokyo", rule));
    }
    assert_eq!(faults_with(distributed("tokyo").trunk_group("Straße 7 \"West\"", &id("london"))), []);
}

#[test]
fn a_domain_is_a_host_name() {
    for found in ["", "10.1.1.5", "voice mail", "voicemail.example."] {
        let faults = Network::builder(found).site(central("london")).build().unwrap_err();
        assert!(faults.into_iter().eq([Fault { pbx: None, rule: Rule::InvalidDomain { found: found.to_owned() } }]), "{found:?}");
    }
}

#[test]
fn lists_have_their_own_numbers_and_1_to_360_mailboxes() {
    let many: Vec<_> = (30_000..30_361).map(|number| mailbox(&number.to_string())).collect();
    let faults = |list: &str, members: &[&str]| {
        let london = many.iter().cloned().fold(central("london"), SiteBuilder::mailbox);
        let members = members.iter().map(|member| member.parse().unwrap());
        let network = Network::builder("voicemail.example").site(london).list(list.parse().unwrap(), members);
        network.list("901".parse().unwrap(), ["30000".parse().unwrap()]).build().err().into_iter().flatten().collect::<Vec<_>>()
    };
    let fault = |rule| vec![Fault { pbx: None, rule }];
    let (list, numbers) = (|| "900".parse().unwrap(), (30_000..30_361).map(|number| number.to_string()).collect::<Vec<_>>());
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    assert_eq!(faults("900", &numbers[..360]), []);
    assert_eq!(faults("900", &numbers), fault(Rule::ListSize { list: list(), members: 361 }));
    assert_eq!(faults("900", &[]), fault(Rule::ListSize { list: list(), members: 0 }));
    let unknown = Rule::UnknownListMember { list: list(), member: "902".parse().unwrap() };
    assert_eq!(faults("900", &["30000", "902"]), fault(unknown));
    assert_eq!(faults("900", &["30001", "901"]), [], "a list is a member of a list");
    let taken = |list: &str, pbx| Rule::ListNumberTaken { list: list.parse().unwrap(), pbx };
    assert_eq!(faults("30000", &["30001"]), fault(taken("30000", Some(named("london")))));
    assert_eq!(faults("901", &["30000"]), fault(taken("901", None)));
}

#[test]
fn a_circle_of_lists_is_reported_whole() {
    let network = |lists: &[(&str, &[&str])]| {
        let network = Network::builder("voicemail.example").site(central("london").mailbox(mailbox("2001")));
        lists.iter().fold(network, |network, (number, members)| {
            network.list(number.parse().unwrap(), members.iter().map(|member| member.parse().unwrap()))
        })
    };
    let faults = network(&[("900", &["2001", "901"]), ("901", &["902"]), ("902", &["900"])]).build().unwrap_err().to_string();
    assert_eq!(
        faults,
        "network: N50 no list leads back to itself; found 900 > 901 > 902 > 900; remove one of them from the one before it"
    );
    let deep = network(&[("900", &["901"]), ("901", &["902"]), ("902", &["903"]), ("903", &["904"]), ("904", &["2001"])]);
    let codes: Vec<_> = deep.build().unwrap_err().iter().map(|fault| fault.rule.code()).collect();
    assert_eq!(codes, ["N51"]);
}

#[test]
fn all_faults_are_reported_each_on_a_line_with_its_pbx() {
    let faults = Network::builder("-")
        .site(central("london").ports(0))
        .site(without_node(distributed("tokyo")).destination("mian").time(TimeSource::None))
        .site(Site::builder(id("berlin"), VoicemailType::Centralized, chrono_tz::Europe::Berlin))
        .build()
        .unwrap_err();
    let codes: Vec<_> = faults.iter().map(|fault| (fault.pbx.as_ref().map(ToString::to_string), fault.rule.code())).collect();
    let pbx = |name: &str| Some(name.to_owned());
    let expected = [
        (None, "N23"),
        (pbx("london"), "N19"),
        (pbx("tokyo"), "N05"),
        (pbx("tokyo"), "N09"),
        (pbx("tokyo"), "N15"),
        (pbx("berlin"), "N07"),
        (pbx("berlin"), "N15"),
    ];
    assert_eq!(codes, expected);
    let text = faults.to_string();
    assert_eq!(text.lines().count(), expected.len());
    assert_eq!(
        text.lines().nth(3),
        Some(
            "PBX tokyo: N09 a destination is one of the PBX's trunk groups; found \"mian\", which is none; \
             add it to trunk_groups, or name another"
        )
    );
}
