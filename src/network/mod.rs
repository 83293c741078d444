//! The network: its PBXs, the voicemail node and the licences of each, and the rules that they keep.
//!
//! A [`Network`] is built in code or read with serde. A description that breaks a rule makes no network: [`Faults`] lists every
//! broken rule at once, each with its PBX and a way to correct it.
//!
//! | | central PBX | PBX on centralized voicemail | PBX with a distributed node |
//! |---|---|---|---|
//! | node | required | none | required, may be shared |
//! | destination: a trunk group to the central PBX | none | required | required |
//! | licences | voicemail, and each feature | unified messaging and call archive only, if used | voicemail, and each feature |
//! | ports | required | none: the central PBX's are used | required |
//! | time | SNTP | SNTP | SNTP |
//! | may be the central PBX's fallback | – | one of them | no, nor may its node be the backup node |
//!
//! One PBX is central, ids are unique, and so are the numbers of mailboxes and distribution lists across the network. [`Admission`] then holds each PBX to its
//! licences and ports.
//!
//! Several central nodes serve one network when an [engine](Network::engine) keeps the mailboxes: all machines at the [hosts](Network::central_hosts)
//! of the central node, and the [backup node](Fallback::backup_node), which has an address of its own and is central for every PBX of the central node.
//!
#![doc = include_str!("example.md")]

mod address;
mod admission;
mod builder;
mod central_forwarder;
mod check;
#[cfg(feature = "serde")]
mod description;
mod directory;
mod engine_name;
mod fault;
mod grace;
mod host;
mod licence;
mod licence_name;
mod lists;
mod observer;
mod pbx_name;
mod port;
mod refusal;
mod render;
mod rule;
#[cfg(test)]
mod samples;
mod site;
#[cfg(feature = "serde")]
mod table_reader;
mod time;
#[cfg(feature = "serde")]
mod value;
#[cfg(feature = "http-client")]
mod webhook;

use std::collections::{BTreeMap, HashMap};

pub use self::address::{InvalidNodeAddress, NodeAddress};
pub use self::admission::Admission;
use self::builder::ListBuilder;
pub use self::builder::{NetworkBuilder, SiteBuilder};
pub use self::central_forwarder::CentralForwarder;
#[cfg(feature = "serde")]
pub use self::description::NetworkDescription;
pub use self::directory::NetworkDirectory;
pub use self::engine_name::{EngineName, InvalidEngineName};
pub use self::fault::{Fault, Faults};
pub use self::grace::{GraceDays, GraceRule, NoGrace};
pub use self::host::{InvalidNodeHost, NodeHost};
pub use self::licence::{Licence, LicenceClass, UnknownLicenceClass};
pub use self::licence_name::{InvalidLicenceName, LicenceName};
use self::lists::ExpandedLists;
pub use self::observer::{Commit, NetworkObserver};
pub use self::pbx_name::PbxName;
pub use self::port::{Port, PortsInUse};
pub use self::refusal::Refusal;
pub use self::rule::{FormRule, Rule};
pub use self::site::{Fallback, Mailbox, Site, UnknownVoicemailType, VoicemailType};
pub use self::time::{InvalidTimeServer, TimeServer, TimeSource};
#[cfg(feature = "http-client")]
pub use self::webhook::{SecretSource, Webhook};
#[cfg(feature = "http-client")]
use self::webhook::{WebhookBuilder, WebhookTable};
use crate::directory::{Owner, RemoteMailbox, StaticDirectory, VoicemailSystem, find_remote};
use crate::message::{MailboxId, SiteId};
#[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
use crate::{directory::Directory, mwi::MwiRouter};

/// PBXs that share one set of mailboxes, and the voicemail nodes that they use. A network is immutable and keeps every rule.
///
/// ```
/// use voicemail::network::{LicenceClass, Mailbox, Network, Role, Site, TimeSource, VoicemailType};
///
/// let (london, tokyo) = ("london".parse()?, "tokyo".parse()?);
/// let central = "central.voicemail.example".parse()?;
/// let far_east = "far-east.voicemail.example".parse()?;
/// let time = TimeSource::Sntp(vec!["ntp.example".parse()?]);
///
/// let at_london = Site::builder(london, VoicemailType::Central, chrono_tz::Europe::London)
///     .node(central)
///     .time(time.clone())
///     .licence(LicenceClass::Voicemail)
///     .ports(8)
///     .mailbox(Mailbox::new("2001".parse()?));
/// let at_tokyo = Site::builder(tokyo, VoicemailType::Distributed, chrono_tz::Asia::Tokyo)
///     .node(far_east)
///     .trunk_group("main", &"london".parse()?)
///     .destination("main")
///     .time(time)
///     .licence(LicenceClass::Voicemail)
///     .ports(2);
/// let network = Network::builder("voicemail.example").site(at_london).site(at_tokyo).build()?;
///
/// assert_eq!(network.role(&"far-east.voicemail.example".parse()?, &"tokyo".parse()?), Some(Role::Distributed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    domain: String,
    sites: Vec<Site>,
    places: HashMap<SiteId, usize>,
    /// The place of each mailbox: the index of its PBX in `sites`, and its index there.
    mailboxes: HashMap<MailboxId, (usize, usize)>,
    lists: BTreeMap<MailboxId, DistributionList>,
    systems: Vec<VoicemailSystem>,
    /// The groups of each member.
    memberships: HashMap<MailboxId, Vec<MailboxId>>,
    undeliverable: Option<MailboxId>,
    central: usize,
    central_node: NodeAddress,
    backup_node: Option<NodeAddress>,
    #[cfg(feature = "http-client")]
    webhooks: WebhookTable,
}

impl Network {
    /// Begins the description of a network whose mailboxes have addresses in `domain`: a host name, stored in lower case.
    pub fn builder(domain: impl Into<String>) -> NetworkBuilder {
        NetworkBuilder::new(builder::Setting::Value(domain.into()))
    }

    /// The network of `sites`, which keep every rule; `None` if there is no central one with a node.
    fn of(domain: String, sites: Vec<Site>, lists: BTreeMap<MailboxId, DistributionList>) -> Option<Self> {
        let central = sites.iter().position(|site| site.voicemail == VoicemailType::Central)?;
        let central_node = sites[central].node.clone()?;
        let places = sites.iter().enumerate().map(|(place, site)| (site.id.clone(), place)).collect();
        let of_site = |(place, site): (usize, &Site)| {
            let numbers = site.mailboxes.iter().enumerate();
            numbers.map(|(index, mailbox)| (mailbox.number.clone(), (place, index))).collect::<Vec<_>>()
        };
        let mailboxes = sites.iter().enumerate().flat_map(of_site).collect();
        let backup_node = sites.iter().find_map(|site| site.fallback.as_ref()?.backup_node.clone());
        let mut memberships: HashMap<_, Vec<_>> = HashMap::new();
        for mailbox in sites.iter().flat_map(|site| &site.mailboxes) {
            for member in mailbox.group.iter().flat_map(|group| &group.members) {
                memberships.entry(member.clone()).or_default().push(mailbox.number.clone());
            }
        }
        Some(Self {
            domain,
            sites,
            places,
            mailboxes,
            lists,
            systems: Vec::new(),
            memberships,
            undeliverable: None,
            central,
            central_node,
            backup_node,
            #[cfg(feature = "http-client")]
            webhooks: WebhookTable::new(),
        })
    }

    /// The domain of the mailboxes' addresses: mailbox 2001 has the address `2001@` and this domain.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The central PBX.
    pub fn central(&self) -> &Site {
        &self.sites[self.central]
    }

    /// The central node, which has all mailboxes and to which every distributed node forwards.
    pub fn central_node(&self) -> &NodeAddress {
        &self.central_node
    }

    /// The node that serves the same [engine](Self::engine) as the central node and is central for the same PBXs, if there is one.
    pub fn backup_node(&self) -> Option<&NodeAddress> {
        self.backup_node.as_ref()
    }

    /// The name of the engine that keeps the mailboxes, if the description gives one.
    pub fn engine(&self) -> Option<&EngineName> {
        self.central().engine.as_ref()
    }

    /// Whether `node` serves the mailboxes: it is the central node or its backup node.
    pub fn is_central_node(&self, node: &NodeAddress) -> bool {
        self.central_node == *node || self.backup_node.as_ref() == Some(node)
    }

    /// The addresses of the central nodes, the preferred one first: the hosts that the description gives, or else the central node's own name; and
    /// then the backup node. Each of them has a certificate for the name of the central node.
    pub fn central_hosts(&self) -> Vec<NodeHost> {
        let mut hosts = match self.central().hosts() {
            [] => vec![NodeHost::new(self.central_node.clone())],
            hosts => hosts.to_vec(),
        };
        if let Some(backup) = self.backup_node.clone().map(NodeHost::new)
            && !hosts.contains(&backup)
        {
            hosts.push(backup);
        }
        hosts
    }

    /// The PBX that takes over when the central PBX cannot be reached, if there is one.
    pub fn fallback(&self) -> Option<&Site> {
        self.sites().find(|site| site.fallback.is_some())
    }

    /// Every PBX, in the order of the description.
    pub fn sites(&self) -> impl ExactSizeIterator<Item = &Site> {
        self.sites.iter()
    }

    /// The PBX with this id, if it is in the network.
    pub fn site(&self, id: &SiteId) -> Option<&Site> {
        self.places.get(id).map(|place| &self.sites[*place])
    }

    /// The role of `node` for the PBX `site`; `None` if the node does not serve this PBX, or the network has no such PBX.
    ///
    /// One node may be central for one PBX and distributed for others.
    pub fn role(&self, node: &NodeAddress, site: &SiteId) -> Option<Role> {
        self.role_at(node, self.site(site)?)
    }

    /// The PBXs that `node` serves, and its role for each.
    pub fn sites_of<'a>(&'a self, node: &'a NodeAddress) -> impl Iterator<Item = (&'a Site, Role)> {
        self.sites().filter_map(|site| Some((site, self.role_at(node, site)?)))
    }

    /// The node that answers calls and records for the PBX `site`; `None` if the PBX is not in the network.
    pub fn recording_node(&self, site: &SiteId) -> Option<&NodeAddress> {
        self.site(site).map(|site| self.node_for(site))
    }

    /// The distributed node that needs the greetings of this mailbox: the node of the owner's home PBX, which
    /// answers the owner's calls. `None` if the central node answers them, or there is no such mailbox.
    pub fn greeting_node(&self, mailbox: &MailboxId) -> Option<&NodeAddress> {
        let (home, _) = self.mailbox(mailbox)?;
        let node = self.node_for(home);
        (home.voicemail == VoicemailType::Distributed && *node != self.central_node).then_some(node)
    }

    /// The node that messages recorded at the PBX `site` are forwarded to: the central node, for every PBX of the network.
    pub fn destination_of(&self, site: &SiteId) -> Option<&NodeAddress> {
        self.site(site).map(|_| &self.central_node)
    }

    /// The mailbox with this number or name, and the PBX of its telephone.
    pub fn mailbox(&self, number: &MailboxId) -> Option<(&Site, &Mailbox)> {
        let (place, index) = *self.mailboxes.get(number)?;
        Some((&self.sites[place], &self.sites[place].mailboxes[index]))
    }

    /// Every mailbox, and the PBX of its telephone.
    pub fn mailboxes(&self) -> impl Iterator<Item = (&Site, &Mailbox)> {
        self.sites().flat_map(|site| site.mailboxes.iter().map(move |mailbox| (site, mailbox)))
    }

    /// The mailboxes of the distribution list with this number, with those of the lists inside it: 1 to 1 000, each once. `None` if there is no
    /// such list.
    pub fn list(&self, number: &MailboxId) -> Option<&[MailboxId]> {
        self.lists.get(number).map(|list| &*list.mailboxes)
    }

    /// Every distribution list and its mailboxes, sorted by number.
    pub fn lists(&self) -> impl Iterator<Item = (&MailboxId, &[MailboxId])> {
        self.lists.iter().map(|(number, list)| (number, &*list.mailboxes))
    }

    /// Every other voicemail system to which owners send messages, in the order of the description.
    pub fn systems(&self) -> impl ExactSizeIterator<Item = &VoicemailSystem> {
        self.systems.iter()
    }

    /// The mailbox at another voicemail system that owners reach by `number`; `None` if the number leads to no system.
    pub fn remote(&self, number: &MailboxId) -> Option<RemoteMailbox> {
        find_remote(&self.systems, number)
    }

    /// Every web hook, sorted by name.
    #[cfg(feature = "http-client")]
    pub fn webhooks(&self) -> impl Iterator<Item = &Webhook> {
        self.webhooks.values()
    }

    /// The mailbox for undeliverable messages that the PBX `site` has recorded: that of the PBX, or else of the network. `None` if there is none.
    pub fn undeliverable(&self, site: Option<&SiteId>) -> Option<&MailboxId> {
        let of_site = site.and_then(|site| self.site(site)).and_then(Site::undeliverable);
        of_site.or(self.undeliverable.as_ref())
    }

    /// Whether there is a mailbox for undeliverable messages of any PBX.
    #[cfg(feature = "node")]
    pub(crate) fn has_undeliverable(&self) -> bool {
        self.undeliverable.is_some() || self.sites().any(|site| site.undeliverable.is_some())
    }

    /// The groups that the mailbox with this number or name is a member of.
    pub fn groups_of(&self, member: &MailboxId) -> &[MailboxId] {
        self.memberships.get(member).map_or(&[], Vec::as_slice)
    }

    /// The owner of the mailbox with this number or name: its home is the PBX, and its zone and its language are those of the mailbox or
    /// else of the PBX.
    pub fn owner(&self, number: &MailboxId) -> Option<Owner> {
        let (site, mailbox) = self.mailbox(number)?;
        Some(owner(site, mailbox))
    }

    /// The owners of all mailboxes of this network, its groups, its distribution lists and other voicemail systems. Unlike this directory, a [`NetworkDirectory`] follows a change of the
    /// network.
    pub fn directory(&self) -> StaticDirectory {
        let owners = self.mailboxes().map(|(site, mailbox)| (mailbox.number.clone(), owner(site, mailbox)));
        let directory = owners.collect::<StaticDirectory>();
        let directory =
            self.lists().fold(directory, |directory, (list, mailboxes)| directory.with_list(list.clone(), mailboxes.to_vec()));
        let directory = self.systems().cloned().fold(directory, StaticDirectory::with_system);
        self.mailboxes().fold(directory, |directory, (_, mailbox)| {
            let directory = match &mailbox.group {
                Some(group) => directory.with_group(mailbox.number.clone(), group.clone()),
                None => directory,
            };
            if mailbox.copies_to.is_empty() {
                return directory;
            }
            directory.with_copies(mailbox.number.clone(), mailbox.copies_to.clone())
        })
    }

    /// A router that sends lamp updates through this network's central PBX and its fallback, for mailboxes whose home PBX is in
    /// `directory`.
    #[cfg(any(feature = "memory", feature = "fs", feature = "smtp"))]
    pub fn mwi_router(&self, directory: impl Directory) -> MwiRouter {
        MwiRouter::new(directory, self.central().id().clone(), self.fallback().map(|site| site.id().clone()))
    }

    fn role_at(&self, node: &NodeAddress, site: &Site) -> Option<Role> {
        let recorder = self.node_for(site);
        let takes_over = *recorder == self.central_node && self.is_central_node(node);
        (recorder == node || takes_over).then_some(match site.voicemail {
            VoicemailType::Central | VoicemailType::Centralized => Role::Central,
            VoicemailType::Distributed => Role::Distributed,
        })
    }

    /// The node of the PBX; a PBX without one is served by the central node.
    fn node_for<'a>(&'a self, site: &'a Site) -> &'a NodeAddress {
        site.node.as_ref().unwrap_or(&self.central_node)
    }
}

/// A distribution list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct DistributionList {
    /// The members that the description names, mailboxes and lists, each once.
    members: Vec<MailboxId>,
    /// All mailboxes, with those of the lists inside it, each once.
    mailboxes: Vec<MailboxId>,
}

fn owner(site: &Site, mailbox: &Mailbox) -> Owner {
    let zone = mailbox.zone.unwrap_or(site.zone);
    let language = mailbox.language.clone().or_else(|| site.language.clone());
    Owner {
        language,
        recording: mailbox.recording,
        holding: mailbox.holding,
        retention: mailbox.retention,
        warnings: mailbox.warnings,
        email: mailbox.email.clone(),
        rules: mailbox.rules.as_ref().unwrap_or(&site.rules).clone(),
        may_change_rules: site.owners_change_rules,
        ..Owner::new(site.id.clone(), zone)
    }
}

impl NetworkBuilder {
    /// Checks every rule and returns the network.
    ///
    /// # Errors
    ///
    /// [`Faults`], which lists every broken rule with its PBX.
    #[expect(clippy::missing_panics_doc, reason = "the invariant of the expectation holds for every input")]
    pub fn build(self) -> Result<Network, Faults> {
        let faults = check::check(&self);
        if !faults.is_empty() {
            return Err(faults);
        }
        let network = self.into_network();
        Ok(network.expect("a missing or unreadable part, and no central PBX, are faults, and there are none"))
    }

    fn into_network(self) -> Option<Network> {
        let expanded = ExpandedLists::of(&self.lists);
        let mut sites = self.sites.into_iter().map(SiteBuilder::into_site).collect::<Option<Vec<_>>>()?;
        for mailbox in sites.iter_mut().flat_map(|site| &mut site.mailboxes) {
            mailbox.copies_to = expanded.expand(&mailbox.copies_to);
            if let Some(group) = &mut mailbox.group {
                group.members = expanded.expand(&group.members);
            }
        }
        let list = |list: ListBuilder| {
            let mailboxes = expanded.mailboxes.get(&list.number)?.clone();
            Some((list.number.clone(), DistributionList { mailboxes, members: list.into_members() }))
        };
        let lists = self.lists.into_iter().map(list).collect::<Option<_>>()?;
        let network = Network::of(self.domain.value()?.to_ascii_lowercase(), sites, lists)?;
        let network = Network { systems: self.systems, ..network };
        #[cfg(feature = "http-client")]
        let network = {
            let webhooks = self.webhooks.into_iter().map(WebhookBuilder::into_webhook).collect::<Option<Vec<_>>>()?;
            Network { webhooks: webhooks.into_iter().map(|webhook| (webhook.id.clone(), webhook)).collect(), ..network }
        };
        Some(Network { undeliverable: self.undeliverable, ..network })
    }
}

/// The role of a node for a PBX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// The node records for the PBX and has the mailboxes.
    Central,
    /// The node records for the PBX and forwards to the central node.
    Distributed,
}

#[cfg(test)]
mod tests {
    use super::samples::{CENTRAL_NODE, HIMALAYA_NODE, id, network, node};
    use super::*;

    #[test]
    fn one_node_is_central_for_one_pbx_and_distributed_for_others() {
        let mut sites = samples::sites();
        sites.push(samples::distributed("paris").node(node(CENTRAL_NODE)));
        let network = samples::of(sites).unwrap();
        assert_eq!(network.role(&node(CENTRAL_NODE), &id("london")), Some(Role::Central));
        assert_eq!(network.role(&node(CENTRAL_NODE), &id("paris")), Some(Role::Distributed));
        assert_eq!(network.role(&node(CENTRAL_NODE), &id("tokyo")), None);
        assert_eq!(network.role(&node(HIMALAYA_NODE), &id("tokyo")), Some(Role::Distributed));
        assert_eq!(network.role(&node(HIMALAYA_NODE), &id("london")), None);
        assert_eq!(network.role(&node("elsewhere.example"), &id("london")), None);
        assert_eq!(network.role(&node(CENTRAL_NODE), &id("atlantis")), None);
    }

    #[test]
    fn a_pbx_on_centralized_voicemail_is_served_by_the_central_node() {
        let network = network();
        assert_eq!(network.role(&node(CENTRAL_NODE), &id("berlin")), Some(Role::Central));
        assert_eq!(network.recording_node(&id("berlin")), Some(&node(CENTRAL_NODE)));
        assert_eq!(network.recording_node(&id("tokyo")), Some(&node(HIMALAYA_NODE)));
    }

    #[test]
    fn the_backup_node_serves_what_the_central_node_serves() {
        let mut sites = samples::sites();
        sites[0] = samples::central("london").engine("company-mail".parse().unwrap());
        let backup = node("backup.voicemail.example");
        sites[1] = samples::centralized("berlin").fallback(Fallback::default().with_backup_node(backup.clone()));
        sites.push(samples::distributed("paris").node(node(CENTRAL_NODE)));
        let network = samples::of(sites).unwrap();
        let served: Vec<_> = network.sites_of(&backup).map(|(site, role)| (site.id().as_str(), role)).collect();
        let expected = [("london", Role::Central), ("berlin", Role::Central), ("paris", Role::Distributed)];
        assert_eq!(served, expected);
        assert!(network.sites_of(&node(CENTRAL_NODE)).map(|(site, role)| (site.id().as_str(), role)).eq(expected));
        assert!(network.is_central_node(&backup) && !network.is_central_node(&node(HIMALAYA_NODE)));
        let hosts: Vec<_> = network.central_hosts().iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["central.voicemail.example:25", "backup.voicemail.example:25"]);
        assert_eq!(network.engine().map(EngineName::as_str), Some("company-mail"));
    }

    #[test]
    fn a_shared_node_serves_each_of_its_pbxs_and_no_other() {
        let (network, himalaya) = (network(), node(HIMALAYA_NODE));
        let served: Vec<_> = network.sites_of(&himalaya).map(|(site, role)| (site.id().as_str(), role)).collect();
        assert_eq!(served, [("kathmandu", Role::Distributed), ("tokyo", Role::Distributed)]);
    }

    #[test]
    fn messages_of_every_pbx_go_to_the_central_node() {
        let network = network();
        for site in network.sites() {
            assert_eq!(network.destination_of(site.id()), Some(&node(CENTRAL_NODE)));
        }
        assert_eq!(network.destination_of(&id("atlantis")), None);
    }

    #[test]
    fn a_mailbox_is_found_on_its_pbx() {
        let network = network();
        let (site, mailbox) = network.mailbox(&"2008".parse().unwrap()).unwrap();
        assert_eq!((site.id(), mailbox.number.as_str()), (&id("tokyo"), "2008"));
        assert_eq!(network.mailbox(&"9999".parse().unwrap()), None);
    }

    #[test]
    fn greetings_go_only_to_the_distributed_node_of_their_owner() {
        let mut sites = samples::sites();
        let at_paris = Mailbox::new("2099".parse().unwrap());
        sites.push(samples::distributed("paris").node(node(CENTRAL_NODE)).mailbox(at_paris));
        let network = samples::of(sites).unwrap();
        let node_of = |number: &str| network.greeting_node(&number.parse().unwrap());
        assert_eq!(node_of("2008"), Some(&node(HIMALAYA_NODE)), "at home in Tokyo");
        for number in ["2001", "2003", "2099", "9999"] {
            assert_eq!(node_of(number), None, "{number}: central, centralized, distributed on the central node, unknown");
        }
    }

    #[test]
    fn the_domain_is_kept_in_lower_case() {
        let builder = samples::sites().into_iter().fold(Network::builder("VoiceMail.Example"), NetworkBuilder::site);
        assert_eq!(builder.build().unwrap().domain(), "voicemail.example");
    }

    #[test]
    fn an_owner_has_the_zone_of_the_mailbox_or_else_of_the_pbx() {
        let directory = network().directory();
        let zones: Vec<_> =
            directory.mailboxes().map(|(id, owner)| (id.as_str(), owner.home.as_str(), owner.zone.name())).collect();
        let expected = [
            ("2001", "london", "Europe/London"),
            ("2002", "london", "Europe/Berlin"),
            ("2003", "berlin", "Europe/Berlin"),
            ("2008", "tokyo", "Asia/Tokyo"),
        ];
        assert_eq!(zones, expected);
    }
}
