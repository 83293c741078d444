//! [`NetworkBuilder`]: the description of a network before it is checked.

use std::collections::{BTreeMap, HashSet};

use chrono_tz::Tz;

#[cfg(feature = "http-client")]
use super::webhook::{Webhook, WebhookBuilder};
use super::{EngineName, Fallback, Licence, Mailbox, NodeAddress, NodeHost, PbxName, Rule, Site, TimeSource, VoicemailType};
use crate::directory::{MailboxLimits, Retention, VoicemailSystem, WarningThresholds};
use crate::forward::Custody;
use crate::message::{Language, MailboxId, SiteId};
use crate::rules::ArrivalRules;

/// Builds a [`Network`](super::Network); made by [`Network::builder`](super::Network::builder).
#[derive(Debug, Clone)]
#[must_use]
pub struct NetworkBuilder {
    pub(super) domain: Setting<String>,
    pub(super) sites: Vec<SiteBuilder>,
    pub(super) lists: Vec<ListBuilder>,
    pub(super) systems: Vec<VoicemailSystem>,
    #[cfg(feature = "http-client")]
    pub(super) webhooks: Vec<WebhookBuilder>,
    pub(super) undeliverable: Option<MailboxId>,
    /// The faults found on reading that belong to no PBX.
    pub(super) faults: Vec<Rule>,
}

impl NetworkBuilder {
    pub(super) fn new(domain: Setting<String>) -> Self {
        Self {
            domain,
            sites: Vec::new(),
            lists: Vec::new(),
            systems: Vec::new(),
            #[cfg(feature = "http-client")]
            webhooks: Vec::new(),
            undeliverable: None,
            faults: Vec::new(),
        }
    }

    /// Adds a PBX to the network.
    pub fn site(mut self, site: SiteBuilder) -> Self {
        self.sites.push(site);
        self
    }

    /// Sets the mailbox that gets a copy of each undeliverable message: one that its node has parked in its [spool](crate::spool) because the
    /// message was refused for good. The default is none.
    pub fn undeliverable(mut self, mailbox: MailboxId) -> Self {
        self.undeliverable = Some(mailbox);
        self
    }

    /// Adds a distribution list: a message that an owner sends to `number` goes to each of `members`, 1 to 360 mailboxes and other lists of the
    /// network. Every owner may use it. Lists may be nested four deep, and a list has at most 1 000 mailboxes with those of the lists inside it; a
    /// mailbox that is there several times gets the message once.
    pub fn list(mut self, number: MailboxId, members: impl IntoIterator<Item = MailboxId>) -> Self {
        self.lists.push(ListBuilder { number, members: members.into_iter().map(Some).collect() });
        self
    }

    /// Adds another voicemail system, to which owners send messages by mail. None of its prefixes, and no number with an address, is one of another system,
    /// and no mailbox and no list of the network has such a number, or one that begins with a prefix.
    pub fn system(mut self, system: VoicemailSystem) -> Self {
        self.systems.push(system);
        self
    }
}

#[cfg(feature = "http-client")]
impl NetworkBuilder {
    /// Adds a web hook, to which the nodes of the network report what happens to messages.
    pub fn webhook(mut self, webhook: Webhook) -> Self {
        self.webhooks.push(WebhookBuilder::of(webhook));
        self
    }
}

/// A distribution list of a description.
#[derive(Debug, Clone)]
pub(super) struct ListBuilder {
    pub(super) number: MailboxId,
    /// The members; `None` for one that cannot be read.
    pub(super) members: Vec<Option<MailboxId>>,
}

impl ListBuilder {
    /// The members without repetitions.
    pub(super) fn into_members(self) -> Vec<MailboxId> {
        let mut seen = HashSet::new();
        self.members.into_iter().flatten().filter(|member| seen.insert(member.clone())).collect()
    }
}

/// Describes one PBX for a [`NetworkBuilder`]; made by [`Site::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct SiteBuilder {
    pub(super) name: PbxName,
    pub(super) voicemail: Setting<VoicemailType>,
    pub(super) zone: Setting<Tz>,
    pub(super) language: Option<Language>,
    pub(super) node: Setting<NodeAddress>,
    pub(super) hosts: Vec<NodeHost>,
    pub(super) engine: Setting<EngineName>,
    pub(super) destination: Setting<String>,
    /// The names of the trunk groups, and the PBX that each leads to; `None` for a PBX that cannot be read.
    pub(super) trunk_groups: BTreeMap<String, Option<String>>,
    /// The licences; `None` for one that cannot be read.
    pub(super) licences: Vec<Option<Licence>>,
    pub(super) ports: Setting<u32>,
    pub(super) custody: Setting<Custody>,
    pub(super) time: Setting<TimeSource>,
    pub(super) is_fallback: Setting<bool>,
    pub(super) backup_node: Setting<NodeAddress>,
    pub(super) mailboxes: Vec<Mailbox>,
    /// The limits of each mailbox that has none itself.
    pub(super) holding: MailboxLimits,
    /// How long the messages of each mailbox stay that has no such times itself.
    pub(super) retention: Retention,
    /// When the owner of each mailbox is warned that has no such thresholds itself.
    pub(super) warnings: WarningThresholds,
    pub(super) undeliverable: Option<MailboxId>,
    /// The rules of each mailbox that has none itself.
    pub(super) rules: ArrivalRules,
    pub(super) owners_change_rules: bool,
    /// The faults found on reading.
    pub(super) faults: Vec<Rule>,
}

impl Site {
    /// Begins the description of a PBX with its id, its voicemail type and its zone.
    pub fn builder(id: SiteId, voicemail: VoicemailType, zone: Tz) -> SiteBuilder {
        SiteBuilder::new(id, voicemail, zone)
    }
}

impl SiteBuilder {
    pub(super) fn new(id: SiteId, voicemail: VoicemailType, zone: Tz) -> Self {
        Self { voicemail: Setting::Value(voicemail), zone: Setting::Value(zone), ..Self::named(PbxName::Id(id)) }
    }

    /// A PBX of which only the name is known.
    pub(super) fn named(name: PbxName) -> Self {
        Self {
            name,
            voicemail: Setting::Missing,
            zone: Setting::Missing,
            language: None,
            node: Setting::Missing,
            hosts: Vec::new(),
            engine: Setting::Missing,
            destination: Setting::Missing,
            trunk_groups: BTreeMap::new(),
            licences: Vec::new(),
            ports: Setting::Missing,
            custody: Setting::Missing,
            time: Setting::Missing,
            is_fallback: Setting::Missing,
            backup_node: Setting::Missing,
            mailboxes: Vec::new(),
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            warnings: WarningThresholds::default(),
            undeliverable: None,
            rules: ArrivalRules::default(),
            owners_change_rules: false,
            faults: Vec::new(),
        }
    }

    /// Sets the address of the PBX's voicemail node, which a PBX with central or distributed voicemail has.
    pub fn node(mut self, address: NodeAddress) -> Self {
        self.node = Setting::Value(address);
        self
    }

    /// Adds a host of the central node, the preferred one first. Without any, the node is reached at its own address.
    pub fn host(mut self, host: NodeHost) -> Self {
        self.hosts.push(host);
        self
    }

    /// Sets the name of the engine that keeps the mailboxes, so that several central nodes may serve them; only the central PBX has one.
    pub fn engine(mut self, engine: EngineName) -> Self {
        self.engine = Setting::Value(engine);
        self
    }

    /// Adds a trunk group of this PBX, and the PBX that it leads to. A second one of the same name replaces the first.
    pub fn trunk_group(mut self, name: impl Into<String>, leads_to: &SiteId) -> Self {
        self.trunk_groups.insert(name.into(), Some(leads_to.to_string()));
        self
    }

    /// Sets the name of the trunk group on which this PBX reaches the central PBX.
    pub fn destination(mut self, trunk_group: impl Into<String>) -> Self {
        self.destination = Setting::Value(trunk_group.into());
        self
    }

    /// Adds a licence; a [`LicenceClass`](super::LicenceClass) alone is one that does not expire.
    pub fn licence(mut self, licence: impl Into<Licence>) -> Self {
        self.licences.push(Some(licence.into()));
        self
    }

    /// Sets the number of ports: how many recordings may run at once. The default is none.
    pub fn ports(mut self, ports: u32) -> Self {
        self.ports = Setting::Value(ports);
        self
    }

    /// Sets whether the PBX's distributed node reaches the central node itself or through a mail server that sends messages on. The default is
    /// [`Custody::Final`].
    pub fn custody(mut self, custody: Custody) -> Self {
        self.custody = Setting::Value(custody);
        self
    }

    /// Sets the source of the PBX's time. The default is [`TimeSource::None`].
    pub fn time(mut self, source: TimeSource) -> Self {
        self.time = Setting::Value(source);
        self
    }

    /// Sets the language in which callers of the PBX are spoken to, and owners whose mailbox has none. The default is the usual one of
    /// the voices in use.
    pub fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// Makes this PBX the fallback of the central PBX.
    pub fn fallback(mut self, fallback: Fallback) -> Self {
        self.is_fallback = Setting::Value(true);
        self.backup_node = fallback.backup_node.map_or(Setting::Missing, Setting::Value);
        self
    }

    /// Adds a mailbox to the PBX.
    pub fn mailbox(mut self, mailbox: Mailbox) -> Self {
        self.mailboxes.push(mailbox);
        self
    }

    /// Sets how much each mailbox of the PBX may hold that has no such limit itself. The default is no limit.
    pub fn holding(mut self, limits: MailboxLimits) -> Self {
        self.holding = limits;
        self
    }

    /// Sets how long the messages of each mailbox of the PBX stay that has no such time itself. The default is the retention of the store.
    pub fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }

    /// Sets when the owner of each mailbox of the PBX is warned that has no such threshold itself: from 90 percent of a limit on, and 3 days
    /// before a message is removed, by default.
    pub fn warnings(mut self, thresholds: WarningThresholds) -> Self {
        self.warnings = thresholds;
        self
    }

    /// Sets the mailbox that gets a copy of each undeliverable message that the PBX has recorded, in place of that of the network.
    pub fn undeliverable(mut self, mailbox: MailboxId) -> Self {
        self.undeliverable = Some(mailbox);
        self
    }

    /// Sets the rules of each mailbox of the PBX that has none of its own: which mail is sent when a message arrives. The default is none.
    pub fn rules(mut self, rules: ArrivalRules) -> Self {
        self.rules = rules;
        self
    }

    /// Allows the owners of the PBX's mailboxes to change their rules. By default they may not.
    pub fn owners_change_rules(mut self) -> Self {
        self.owners_change_rules = true;
        self
    }

    /// The PBX; `None` if something is missing or could not be read.
    pub(super) fn into_site(self) -> Option<Site> {
        let PbxName::Id(id) = self.name else { return None };
        let Setting::Value(TimeSource::Sntp(time_servers)) = self.time else { return None };
        let trunk_groups = self.trunk_groups.into_iter();
        let with_limits = |mailbox: Mailbox| {
            let (holding, retention) = (mailbox.holding.or(self.holding), mailbox.retention.or(self.retention));
            Mailbox { holding, retention, warnings: mailbox.warnings.or(self.warnings), ..mailbox }
        };
        Some(Site {
            id,
            voicemail: self.voicemail.value()?,
            node: self.node.value(),
            hosts: self.hosts,
            engine: self.engine.value(),
            destination: self.destination.value(),
            trunk_groups: trunk_groups.map(|(name, leads_to)| Some((name, leads_to?.parse().ok()?))).collect::<Option<_>>()?,
            licences: self.licences.into_iter().collect::<Option<_>>()?,
            ports: self.ports.value().unwrap_or(0),
            custody: self.custody.value().unwrap_or_default(),
            time_servers,
            zone: self.zone.value()?,
            language: self.language,
            fallback: self.is_fallback.value().unwrap_or(false).then(|| Fallback { backup_node: self.backup_node.value() }),
            undeliverable: self.undeliverable,
            rules: self.rules,
            owners_change_rules: self.owners_change_rules,
            mailboxes: self.mailboxes.into_iter().map(with_limits).collect(),
        })
    }
}

/// A setting of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Setting<T> {
    /// The setting is not given.
    Missing,
    /// The setting cannot be read. That is a fault already, so no rule reports it again.
    #[cfg_attr(not(feature = "serde"), expect(dead_code, reason = "only a setting that is read can be unreadable"))]
    Unreadable,
    /// The setting has this value.
    Value(T),
}

impl<T> Setting<T> {
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Unreadable => None,
        }
    }

    pub(super) fn as_value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Missing | Self::Unreadable => None,
        }
    }
}
