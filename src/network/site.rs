//! [`Site`]: one PBX of a network, as the rules have found it to be right.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;

use super::{Licence, LicenceClass, NodeAddress, NodeHost, TimeServer};
use crate::directory::{MailboxLimits, RecordingLimits};
use crate::message::{MailboxId, SiteId};

/// One PBX of a [`Network`](super::Network).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    pub(super) id: SiteId,
    pub(super) voicemail: VoicemailType,
    pub(super) node: Option<NodeAddress>,
    pub(super) hosts: Vec<NodeHost>,
    pub(super) destination: Option<String>,
    pub(super) trunk_groups: BTreeMap<String, SiteId>,
    pub(super) licences: Vec<Licence>,
    pub(super) ports: u32,
    pub(super) time_servers: Vec<TimeServer>,
    pub(super) zone: Tz,
    pub(super) fallback: Option<Fallback>,
    pub(super) mailboxes: Vec<Mailbox>,
}

impl Site {
    /// Which PBX.
    pub fn id(&self) -> &SiteId {
        &self.id
    }

    /// How it gets its voicemail.
    pub fn voicemail(&self) -> VoicemailType {
        self.voicemail
    }

    /// The voicemail node it has; `None` on centralized voicemail.
    pub fn node(&self) -> Option<&NodeAddress> {
        self.node.as_ref()
    }

    /// The addresses that its node is reached at, the preferred one first, where the description gives any;
    /// [`Network::central_hosts`](super::Network::central_hosts) has those to connect to.
    pub fn hosts(&self) -> &[NodeHost] {
        &self.hosts
    }

    /// The trunk group on which it reaches the central PBX; `None` on the central PBX.
    pub fn destination(&self) -> Option<&str> {
        self.destination.as_deref()
    }

    /// Its trunk groups by name, and the PBX that each leads to.
    pub fn trunk_groups(&self) -> impl Iterator<Item = (&str, &SiteId)> {
        self.trunk_groups.iter().map(|(name, leads_to)| (name.as_str(), leads_to))
    }

    /// Its licences, in the order of the description.
    pub fn licences(&self) -> &[Licence] {
        &self.licences
    }

    /// Its own licence of a class, expired or not.
    pub fn licence(&self, class: LicenceClass) -> Option<&Licence> {
        self.licences.iter().find(|licence| licence.class() == class)
    }

    /// How many recordings may run at once; 0 on centralized voicemail, where recordings take the central PBX's ports.
    pub fn ports(&self) -> u32 {
        self.ports
    }

    /// The SNTP servers it has its time from, at least one, the preferred one first.
    pub fn time_servers(&self) -> &[TimeServer] {
        &self.time_servers
    }

    /// The zone it is in.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// What makes it the central PBX's fallback, if it is.
    pub fn fallback(&self) -> Option<&Fallback> {
        self.fallback.as_ref()
    }

    /// The mailboxes of its telephones, in the order of the description.
    pub fn mailboxes(&self) -> &[Mailbox] {
        &self.mailboxes
    }
}

/// How a PBX gets its voicemail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoicemailType {
    /// Its node is the network's: it keeps all mailboxes.
    Central,
    /// It sends its callers to the central PBX's voicemail.
    Centralized,
    /// Its node records, and forwards to the central one.
    Distributed,
}

impl VoicemailType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::Central, Self::Centralized, Self::Distributed];

    /// Its name in a description.
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

/// The role of the PBX that takes over when the central PBX is out of reach.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fallback {
    /// The node that is meant to take the central node's place then.
    ///
    /// It is checked by the network's rules and has no effect yet: no node acts on it. While the central node is down, distributed nodes
    /// keep their messages in their spools, and callers of PBXs on centralized voicemail cannot leave any.
    pub backup_node: Option<NodeAddress>,
}

/// A mailbox of a telephone on a PBX.
///
/// ```
/// use voicemail::network::Mailbox;
///
/// let mailbox = Mailbox { zone: Some(chrono_tz::Europe::Berlin), ..Mailbox::new("2002".parse().unwrap()) };
/// assert_eq!(mailbox.recording.max.as_secs(), 300);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its number, the only one of its kind in the network.
    pub number: MailboxId,
    /// Its owner's name.
    pub name: Option<String>,
    /// The zone its owner reads times in, when it is not the PBX's.
    pub zone: Option<Tz>,
    /// How long a message for it must and may be.
    pub recording: RecordingLimits,
    /// How much it may hold; where nothing is said, its PBX's [`SiteBuilder::holding`](super::SiteBuilder::holding) counts.
    pub holding: MailboxLimits,
}

impl Mailbox {
    /// A mailbox with the usual limits of length, as full as its PBX's may be, in its PBX's zone, of an owner without a name.
    pub fn new(number: MailboxId) -> Self {
        Self { number, name: None, zone: None, recording: RecordingLimits::default(), holding: MailboxLimits::default() }
    }
}
