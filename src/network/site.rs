//! [`Site`]: a PBX of a network, which keeps every rule.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;

use super::{EngineName, Licence, LicenceClass, NodeAddress, NodeHost, TimeServer};
use crate::directory::{Group, MailboxLimits, RecordingLimits, Retention, WarningThresholds};
use crate::forward::Custody;
use crate::message::{Language, MailAddress, MailboxId, SiteId};
use crate::rules::ArrivalRules;

/// One PBX of a [`Network`](super::Network).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub(super) id: SiteId,
    pub(super) voicemail: VoicemailType,
    pub(super) node: Option<NodeAddress>,
    pub(super) hosts: Vec<NodeHost>,
    pub(super) engine: Option<EngineName>,
    pub(super) destination: Option<String>,
    pub(super) trunk_groups: BTreeMap<String, SiteId>,
    pub(super) licences: Vec<Licence>,
    pub(super) ports: u32,
    pub(super) custody: Custody,
    pub(super) time_servers: Vec<TimeServer>,
    pub(super) zone: Tz,
    pub(super) language: Option<Language>,
    pub(super) fallback: Option<Fallback>,
    pub(super) undeliverable: Option<MailboxId>,
    pub(super) rules: ArrivalRules,
    pub(super) owners_change_rules: bool,
    pub(super) mailboxes: Vec<Mailbox>,
}

impl Site {
    /// The id of the PBX.
    pub fn id(&self) -> &SiteId {
        &self.id
    }

    /// The voicemail type of the PBX.
    pub fn voicemail(&self) -> VoicemailType {
        self.voicemail
    }

    /// The voicemail node of the PBX; `None` on centralized voicemail.
    pub fn node(&self) -> Option<&NodeAddress> {
        self.node.as_ref()
    }

    /// The hosts of its node that the description gives, the preferred one first.
    /// [`Network::central_hosts`](super::Network::central_hosts) returns the hosts to connect to.
    pub fn hosts(&self) -> &[NodeHost] {
        &self.hosts
    }

    /// The name of the engine that keeps the mailboxes; only the central PBX may have one.
    pub fn engine(&self) -> Option<&EngineName> {
        self.engine.as_ref()
    }

    /// The trunk group on which the PBX reaches the central PBX; `None` for the central PBX.
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// The trunk groups by name, and the PBX that each leads to.
    pub fn trunk_groups(&self) -> impl Iterator<Item = (&str, &SiteId)> {
        self.trunk_groups.iter().map(|(name, leads_to)| (name.as_str(), leads_to))
    }

    /// The licences of the PBX, in the order of the description.
    pub fn licences(&self) -> &[Licence] {
        &self.licences
    }

    /// The PBX's own licence of a class, expired or not.
    pub fn licence(&self, class: LicenceClass) -> Option<&Licence> {
        self.licences.iter().find(|licence| licence.class() == class)
    }

    /// The number of recordings that may run at once; 0 on centralized voicemail, where recordings take the central PBX's ports.
    pub fn ports(&self) -> u32 {
        self.ports
    }

    /// Whether the PBX's distributed node reaches the central node itself, or through a mail server that sends messages on: the setting for its
    /// [forwarder](crate::forward::Custody).
    pub fn custody(&self) -> Custody {
        self.custody
    }

    /// The SNTP servers of the PBX, at least one, the preferred one first.
    pub fn time_servers(&self) -> &[TimeServer] {
        &self.time_servers
    }

    /// The time zone of the PBX.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The language in which callers are spoken to, and owners whose mailbox has none; `None` is the usual one of the voices in use.
    pub fn language(&self) -> Option<&Language> {
        self.language.as_ref()
    }

    /// The settings of the fallback, if the PBX is the fallback of the central PBX.
    pub fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// The PBX's own mailbox for undeliverable messages that it has recorded; [`Network::undeliverable`](super::Network::undeliverable) returns
    /// the one in force.
    pub fn undeliverable(&self) -> Option<&MailboxId> {
        self.undeliverable.as_ref()
    }

    /// The rules of each mailbox that has none of its own: which mail is sent when a message arrives.
    pub fn rules(&self) -> &ArrivalRules {
        &self.rules
    }

    /// Whether the owners of its mailboxes may change their rules.
    pub fn owners_change_rules(&self) -> bool {
        self.owners_change_rules
    }

    /// The mailboxes of the PBX's telephones, in the order of the description.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }
}

/// The voicemail type of a PBX: which node answers its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VoicemailType {
    /// The PBX has the central node, which has all mailboxes.
    Central,
    /// The PBX sends its callers to the voicemail of the central PBX.
    Centralized,
    /// The PBX has a distributed node, which records and forwards to the central node.
    Distributed,
}

impl VoicemailType {
    /// All voicemail types.
    pub const ALL: [Self; 3] = [Self::Central, Self::Centralized, Self::Distributed];

    /// The name of the type in a description.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Central => "central",
            Self::Centralized => "centralized",
            Self::Distributed => "distributed",
        }
    }
}

impl FromStr for VoicemailType {
    type Err = UnknownVoicemailType;

    fn from_str(text: &str) -> Result<Self, UnknownVoicemailType> {
        Self::ALL.into_iter().find(|voicemail| voicemail.as_str() == text).ok_or(UnknownVoicemailType)
    }
}

impl fmt::Display for VoicemailType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no [`VoicemailType`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a voicemail type is one of central, centralized, distributed")]
pub struct UnknownVoicemailType;

/// The settings of the PBX that takes over when the central PBX cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Fallback {
    /// The node that serves the same engine as the central node, and takes its place while that is down.
    ///
    /// It is central for every PBX of the central node, all the time: it takes the messages of distributed nodes that do not reach the central one,
    /// and updates the lamps when the central node no longer holds their [lease](crate::mwi::LampLease). The network names its
    /// [engine](super::Network::engine).
    pub backup_node: Option<NodeAddress>,
}

impl Fallback {
    /// The same settings with this backup node.
    #[must_use]
    pub fn with_backup_node(mut self, address: NodeAddress) -> Self {
        self.backup_node = Some(address);
        self
    }
}

/// The mailbox of a telephone on a PBX.
///
/// ```
/// use voicemail::network::Mailbox;
///
/// let mailbox = Mailbox::new("2002".parse().unwrap()).with_zone(chrono_tz::Europe::Berlin);
/// assert_eq!(mailbox.recording.max.as_secs(), 300);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mailbox {
    /// The number or the name of the mailbox, unique in the network.
    pub number: MailboxId,
    /// The name of the owner.
    pub name: Option<String>,
    /// The zone in which the owner reads times, if it is not the PBX's.
    pub zone: Option<Tz>,
    /// The language in which the owner is spoken to on the telephone, if it is not the PBX's.
    pub language: Option<Language>,
    /// The minimum and maximum length of a message for the mailbox.
    pub recording: RecordingLimits,
    /// How much the mailbox may hold. Each limit that is `None` is that of the PBX,
    /// [`SiteBuilder::holding`](super::SiteBuilder::holding).
    pub holding: MailboxLimits,
    /// How long the messages of the mailbox stay. Each time that is `None` is that of the PBX,
    /// [`SiteBuilder::retention`](super::SiteBuilder::retention), or else of the store.
    pub retention: Retention,
    /// When the owner is warned. Each threshold that is `None` is that of the PBX,
    /// [`SiteBuilder::warnings`](super::SiteBuilder::warnings).
    pub warnings: WarningThresholds,
    /// The mail address of the owner.
    pub email: Option<MailAddress>,
    /// The rules for messages that arrive; `None` for those of the PBX. Empty ones switch those of the PBX off.
    pub rules: Option<ArrivalRules>,
    /// The group whose mailbox it is; `None` for that of one owner. In a network, the members are mailboxes, with those of lists among them.
    pub group: Option<Group>,
    /// The mailboxes that get a copy of each message to this one, which is removed here then; none for a mailbox that keeps its messages. In a
    /// network, these are mailboxes, with those of lists among them.
    pub copies_to: Vec<MailboxId>,
}

impl Mailbox {
    /// A mailbox with the default limits of length, and with the zone, the language, the limits and the rules of its PBX, whose owner has neither
    /// name nor mail address.
    pub fn new(number: MailboxId) -> Self {
        Self {
            number,
            name: None,
            zone: None,
            language: None,
            recording: RecordingLimits::default(),
            holding: MailboxLimits::default(),
            retention: Retention::default(),
            warnings: WarningThresholds::default(),
            email: None,
            rules: None,
            group: None,
            copies_to: Vec::new(),
        }
    }

    /// The same mailbox with an owner of this name.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// The same mailbox with an owner who reads times in this zone.
    #[must_use]
    pub fn with_zone(self, zone: Tz) -> Self {
        Self { zone: Some(zone), ..self }
    }

    /// The same mailbox with an owner who is spoken to in this language.
    #[must_use]
    pub fn with_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// The same mailbox with these limits of a message's length.
    #[must_use]
    pub fn with_recording(self, limits: RecordingLimits) -> Self {
        Self { recording: limits, ..self }
    }

    /// The same mailbox with these limits of what it may hold.
    #[must_use]
    pub fn with_holding(self, limits: MailboxLimits) -> Self {
        Self { holding: limits, ..self }
    }

    /// The same mailbox with messages that stay so long.
    #[must_use]
    pub fn with_retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// The same mailbox with an owner who is warned by these thresholds.
    #[must_use]
    pub fn with_warnings(self, thresholds: WarningThresholds) -> Self {
        Self { warnings: thresholds, ..self }
    }

    /// The same mailbox with an owner who has this mail address.
    #[must_use]
    pub fn with_email(self, address: MailAddress) -> Self {
        Self { email: Some(address), ..self }
    }

    /// The same mailbox with these rules in place of the PBX's.
    #[must_use]
    pub fn with_rules(self, rules: ArrivalRules) -> Self {
        Self { rules: Some(rules), ..self }
    }

    /// The same mailbox as that of a group: its members are mailboxes and distribution lists of the network, with 1 to 1 000 mailboxes
    /// together.
    #[must_use]
    pub fn with_group(self, group: Group) -> Self {
        Self { group: Some(group), ..self }
    }

    /// The same mailbox as one whose messages are copied to each of `members`: mailboxes and distribution lists of the network, with 1 to 1 000
    /// mailboxes together.
    #[must_use]
    pub fn with_copies_to(self, members: impl IntoIterator<Item = MailboxId>) -> Self {
        Self { copies_to: members.into_iter().collect(), ..self }
    }
}
