//! The checks of a description: one small function for each rule, named after it.

mod limits;
mod lists;
mod shared;
mod systems;
#[cfg(feature = "http-client")]
mod webhooks;

use std::collections::{HashMap, HashSet};

use super::address::is_host_name;
use super::builder::{ListBuilder, NetworkBuilder, Setting, SiteBuilder};
use super::lists::ExpandedLists;
use super::{Fault, Faults, Licence, LicenceClass, Mailbox, NodeAddress, PbxName, Rule, TimeSource, VoicemailType};
use crate::message::MailboxId;
use crate::rules::RuleRecipient;

/// Returns every fault of a description: those found on reading, then those of each rule.
pub(super) fn check(network: &NetworkBuilder) -> Faults {
    let index = SiteIndex::of(&network.sites, &network.lists);
    let mut rules = network.faults.clone();
    domain_is_a_host_name(&network.domain, &mut rules);
    one_pbx_is_central(&index, &mut rules);
    lists::check(&network.lists, &index, &mut rules);
    systems::check(&network.systems, &index, &mut rules);
    #[cfg(feature = "http-client")]
    webhooks::check(&network.webhooks, &index, &mut rules);
    limits::undeliverable_is_a_mailbox(network.undeliverable.as_ref(), &index, &mut rules);
    let mut faults: Vec<_> = rules.into_iter().map(|rule| Fault { pbx: None, rule }).collect();
    for (place, site) in network.sites.iter().enumerate() {
        let pbx = PbxContext { site, place, index: &index };
        let mut rules = site.faults.clone();
        for rule in RULES_OF_A_PBX {
            rule(&pbx, &mut rules);
        }
        faults.extend(rules.into_iter().map(|rule| Fault { pbx: Some(site.name.clone()), rule }));
    }
    Faults::new(faults)
}

/// The rules for each PBX, in the order of their codes.
const RULES_OF_A_PBX: &[fn(&PbxContext<'_>, &mut Vec<Rule>)] = &[
    no_other_pbx_is_central,
    id_is_unique,
    mailboxes_are_unique,
    node_is_given_unless_centralized,
    destination_is_given_unless_central,
    destination_leads_to_the_central_pbx,
    trunk_groups_lead_to_pbxs,
    voicemail_is_licensed_where_it_records,
    licences_on_centralized_voicemail_are_for_each_pbx,
    licences_are_one_of_a_class,
    time_is_from_sntp,
    fallback_has_centralized_voicemail,
    backup_node_is_not_distributed,
    backup_node_is_of_a_fallback,
    ports_are_given_where_it_records,
    ports_are_not_given_on_centralized_voicemail,
    limits::limits_are_in_order,
    trunk_groups_have_names,
    no_other_pbx_is_the_fallback,
    hosts_are_of_the_central_node,
    hosts_are_unique,
    limits::mailboxes_can_hold_something,
    engine_is_of_the_central_node,
    backup_node_serves_an_engine,
    rules_have_addresses,
    shared::shared_mailboxes_name_mailboxes_and_lists,
    shared::shared_mailboxes_have_members,
    shared::shared_mailboxes_are_not_nested,
    shared::groups_make_no_copies,
    limits::messages_stay_for_some_time,
    custody_is_of_a_distributed_node,
    limits::warnings_come_at_a_percentage,
    |pbx, found| limits::undeliverable_is_a_mailbox(pbx.site.undeliverable.as_ref(), pbx.index, found),
];

fn domain_is_a_host_name(domain: &Setting<String>, found: &mut Vec<Rule>) {
    if let Some(domain) = domain.as_value()
        && !is_host_name(domain)
    {
        found.push(Rule::InvalidDomain { found: domain.clone() });
    }
}

fn one_pbx_is_central(index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    if index.central.is_none() && !index.may_have_a_central {
        found.push(Rule::NoCentral);
    }
}

fn no_other_pbx_is_central(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(VoicemailType::Central), Some(first)) = (pbx.voicemail(), pbx.index.central)
        && first != pbx.place
    {
        found.push(Rule::SecondCentral { first: pbx.index.sites[first].name.clone() });
    }
}

fn id_is_unique(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let PbxName::Id(id) = &pbx.site.name
        && let Some(first) = pbx.index.find(id.as_str())
        && first != pbx.place
    {
        found.push(Rule::DuplicateId { first: first + 1 });
    }
}

fn mailboxes_are_unique(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for (index, mailbox) in pbx.site.mailboxes.iter().enumerate() {
        if let Some(&(place, first)) = pbx.index.mailboxes.get(&mailbox.number)
            && (place, first) != (pbx.place, index)
        {
            found.push(Rule::DuplicateMailbox { number: mailbox.number.clone(), first: pbx.index.sites[place].name.clone() });
        }
    }
}

fn node_is_given_unless_centralized(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    match (pbx.voicemail(), &pbx.site.node) {
        (Some(voicemail @ (VoicemailType::Central | VoicemailType::Distributed)), Setting::Missing) => {
            found.push(Rule::NodeMissing { voicemail });
        }
        (Some(VoicemailType::Centralized), Setting::Value(node)) => found.push(Rule::NodeNotAllowed { found: node.clone() }),
        _ => {}
    }
}

fn destination_is_given_unless_central(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    match (pbx.voicemail(), &pbx.site.destination) {
        (Some(voicemail @ (VoicemailType::Centralized | VoicemailType::Distributed)), Setting::Missing) => {
            found.push(Rule::DestinationMissing { voicemail });
        }
        (Some(VoicemailType::Central), Setting::Value(name)) => found.push(Rule::DestinationNotAllowed { found: name.clone() }),
        _ => {}
    }
}

fn destination_leads_to_the_central_pbx(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let Some(destination) = pbx.site.destination.as_value() else { return };
    if pbx.voicemail() == Some(VoicemailType::Central) {
        return; // the central PBX has no destination, which another rule checks
    }
    let Some(leads_to) = pbx.site.trunk_groups.get(destination) else {
        found.push(Rule::UnknownTrunkGroup { destination: destination.clone() });
        return;
    };
    // Other rules report a trunk group that leads nowhere, and a network without a central PBX.
    let Some(reached) = leads_to.as_deref().and_then(|text| pbx.index.find(text)) else { return };
    let reached = &pbx.index.sites[reached];
    if pbx.index.central.is_some() && reached.voicemail.as_value().is_some_and(|voicemail| *voicemail != VoicemailType::Central) {
        found.push(Rule::DestinationNotCentral { destination: destination.clone(), leads_to: reached.name.clone() });
    }
}

fn trunk_groups_lead_to_pbxs(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for (trunk_group, leads_to) in &pbx.site.trunk_groups {
        if let Some(leads_to) = leads_to
            && pbx.index.find(leads_to).is_none()
        {
            found.push(Rule::TrunkGroupToNowhere { trunk_group: trunk_group.clone(), leads_to: leads_to.clone() });
        }
    }
}

fn voicemail_is_licensed_where_it_records(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    // A licence that cannot be read may be the voicemail licence.
    if let Some(voicemail) = pbx.recording()
        && !pbx.is_licensed()
        && pbx.site.licences.iter().all(Option::is_some)
    {
        found.push(Rule::VoicemailLicenceMissing { voicemail, found: pbx.classes().collect() });
    }
}

fn licences_on_centralized_voicemail_are_for_each_pbx(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if pbx.voicemail() == Some(VoicemailType::Centralized) {
        let not_needed = pbx.classes().filter(|class| !class.is_for_each_pbx());
        found.extend(not_needed.map(|class| Rule::LicenceNotAllowed { class }));
    }
}

fn licences_are_one_of_a_class(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let mut classes: Vec<_> = pbx.classes().collect();
    classes.sort_unstable();
    let repeated = classes.chunk_by(PartialEq::eq).filter(|same| same.len() > 1);
    found.extend(repeated.map(|same| Rule::DuplicateLicence { class: same[0] }));
}

fn time_is_from_sntp(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    match &pbx.site.time {
        Setting::Unreadable => {}
        Setting::Value(TimeSource::Sntp(servers)) if !servers.is_empty() => {}
        Setting::Value(other) => found.push(Rule::SntpMissing { found: other.clone() }),
        Setting::Missing => found.push(Rule::SntpMissing { found: TimeSource::None }),
    }
}

fn fallback_has_centralized_voicemail(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(true), Some(voicemail @ (VoicemailType::Central | VoicemailType::Distributed))) =
        (pbx.site.is_fallback.as_value(), pbx.voicemail())
    {
        found.push(Rule::FallbackNotAllowed { voicemail });
    }
}

fn backup_node_is_not_distributed(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let Some(node) = pbx.site.backup_node.as_value()
        && let Some(&place) = pbx.index.distributed_nodes.get(node)
    {
        found.push(Rule::BackupNodeDistributed { node: node.clone(), of: pbx.index.sites[place].name.clone() });
    }
}

fn backup_node_is_of_a_fallback(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(node), Setting::Missing | Setting::Value(false)) = (pbx.site.backup_node.as_value(), &pbx.site.is_fallback) {
        found.push(Rule::BackupNodeWithoutFallback { found: node.clone() });
    }
}

fn ports_are_given_where_it_records(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(voicemail), true, Setting::Missing | Setting::Value(0)) = (pbx.recording(), pbx.is_licensed(), &pbx.site.ports) {
        found.push(Rule::PortsMissing { voicemail });
    }
}

fn ports_are_not_given_on_centralized_voicemail(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(VoicemailType::Centralized), Some(&ports @ 1..)) = (pbx.voicemail(), pbx.site.ports.as_value()) {
        found.push(Rule::PortsNotAllowed { found: ports });
    }
}

fn trunk_groups_have_names(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let nameless = |name: &str| name.is_empty() || name.chars().count() > 63 || name.chars().any(char::is_control);
    let names = pbx.site.trunk_groups.keys().filter(|name| nameless(name));
    found.extend(names.map(|name| Rule::TrunkGroupName { name: name.clone() }));
}

fn no_other_pbx_is_the_fallback(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    // A PBX that cannot be a fallback is reported by another rule.
    if let (Some(VoicemailType::Centralized), Some(true), Some(first)) =
        (pbx.voicemail(), pbx.site.is_fallback.as_value(), pbx.index.fallback)
        && first != pbx.place
    {
        found.push(Rule::SecondFallback { first: pbx.index.sites[first].name.clone() });
    }
}

fn hosts_are_of_the_central_node(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(voicemail @ (VoicemailType::Centralized | VoicemailType::Distributed)), Some(host)) =
        (pbx.voicemail(), pbx.site.hosts.first())
    {
        found.push(Rule::HostsNotAllowed { voicemail, found: host.clone() });
    }
}

fn hosts_are_unique(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let mut hosts: Vec<_> = pbx.site.hosts.iter().collect();
    hosts.sort_unstable();
    let repeated = hosts.chunk_by(PartialEq::eq).filter(|same| same.len() > 1);
    found.extend(repeated.map(|same| Rule::DuplicateHost { host: same[0].clone() }));
}

fn engine_is_of_the_central_node(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(voicemail @ (VoicemailType::Centralized | VoicemailType::Distributed)), Some(engine)) =
        (pbx.voicemail(), pbx.site.engine.as_value())
    {
        found.push(Rule::EngineNotAllowed { voicemail, found: engine.clone() });
    }
}

fn custody_is_of_a_distributed_node(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    if let (Some(voicemail @ (VoicemailType::Central | VoicemailType::Centralized)), Some(custody)) =
        (pbx.voicemail(), pbx.site.custody.as_value())
    {
        found.push(Rule::CustodyNotAllowed { voicemail, found: *custody });
    }
}

fn backup_node_serves_an_engine(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let central = pbx.index.central.map(|place| &pbx.index.sites[place]);
    // A backup node that is not of a fallback is reported by another rule.
    if let (Some(node), Some(true), Some(Setting::Missing)) =
        (pbx.site.backup_node.as_value(), pbx.site.is_fallback.as_value(), central.map(|central| &central.engine))
    {
        found.push(Rule::BackupNodeWithoutEngine { found: node.clone() });
    }
}

fn rules_have_addresses(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for mailbox in pbx.site.mailboxes.iter().filter(|mailbox| mailbox.email.is_none()) {
        let to_the_owner = mailbox.rules.iter().flatten().filter(|rule| rule.to == RuleRecipient::Owner);
        found.extend(to_the_owner.map(|rule| Rule::RuleWithoutAddress { number: mailbox.number.clone(), rule: rule.id.clone() }));
    }
}

/// One PBX of a description, its place there, and the index of all PBXs.
struct PbxContext<'a> {
    site: &'a SiteBuilder,
    place: usize,
    index: &'a SiteIndex<'a>,
}

impl PbxContext<'_> {
    fn voicemail(&self) -> Option<VoicemailType> {
        self.site.voicemail.as_value().copied()
    }

    /// The voicemail type of the PBX, if the PBX has a node that records.
    fn recording(&self) -> Option<VoicemailType> {
        self.voicemail().filter(|voicemail| *voicemail != VoicemailType::Centralized)
    }

    fn classes(&self) -> impl Iterator<Item = LicenceClass> {
        self.site.licences.iter().flatten().map(Licence::class)
    }

    fn is_licensed(&self) -> bool {
        self.classes().any(|class| class == LicenceClass::Voicemail)
    }
}

/// An index of all PBXs of a description, by their places there, from 0.
struct SiteIndex<'a> {
    sites: &'a [SiteBuilder],
    /// The number of each list.
    list_numbers: HashSet<&'a MailboxId>,
    /// The mailboxes of each list that is in order.
    lists: ExpandedLists,
    /// The first PBX that is central.
    central: Option<usize>,
    /// The first PBX on centralized voicemail that is a fallback.
    fallback: Option<usize>,
    /// Whether the voicemail type of a PBX is missing or unreadable, so that it may be the central one.
    may_have_a_central: bool,
    /// The first PBX with each name.
    names: HashMap<&'a str, usize>,
    /// The first PBX with each mailbox, and the place of the mailbox there.
    mailboxes: HashMap<&'a MailboxId, (usize, usize)>,
    /// The first PBX with each distributed node.
    distributed_nodes: HashMap<&'a NodeAddress, usize>,
}

impl<'a> SiteIndex<'a> {
    fn of(sites: &'a [SiteBuilder], lists: &'a [ListBuilder]) -> Self {
        let mut index = Self {
            sites,
            list_numbers: lists.iter().map(|list| &list.number).collect(),
            lists: ExpandedLists::default(),
            central: sites.iter().position(|site| site.voicemail.as_value() == Some(&VoicemailType::Central)),
            fallback: sites.iter().position(|site| {
                let is_fallback = site.is_fallback.as_value() == Some(&true);
                is_fallback && site.voicemail.as_value() == Some(&VoicemailType::Centralized)
            }),
            may_have_a_central: sites.iter().any(|site| site.voicemail.as_value().is_none()),
            names: HashMap::new(),
            mailboxes: HashMap::new(),
            distributed_nodes: HashMap::new(),
        };
        for (place, site) in sites.iter().enumerate() {
            match &site.name {
                PbxName::Id(id) => _ = index.names.entry(id.as_str()).or_insert(place),
                PbxName::Text(text) => _ = index.names.entry(text).or_insert(place),
                PbxName::Place(_) => {}
            }
            for (at, mailbox) in site.mailboxes.iter().enumerate() {
                index.mailboxes.entry(&mailbox.number).or_insert((place, at));
            }
            if let (Some(VoicemailType::Distributed), Some(node)) = (site.voicemail.as_value(), site.node.as_value()) {
                index.distributed_nodes.entry(node).or_insert(place);
            }
        }
        // A list with the number of a mailbox is reported as that, and the number means the mailbox.
        index.lists = ExpandedLists::of(lists.iter().filter(|list| !index.mailboxes.contains_key(&list.number)));
        index
    }

    fn mailbox(&self, number: &MailboxId) -> Option<&'a Mailbox> {
        let &(place, at) = self.mailboxes.get(number)?;
        self.sites[place].mailboxes.get(at)
    }

    fn is_mailbox_or_list(&self, number: &MailboxId) -> bool {
        self.mailboxes.contains_key(number) || self.list_numbers.contains(number)
    }

    /// The place of the first PBX with this name, which may be an invalid id.
    fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;
