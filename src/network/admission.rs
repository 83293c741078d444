//! [`Admission`]: who may record now, by licence and ports.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::port::PortCounter;
use super::{GraceRule, Licence, LicenceClass, Network, NoGrace, NodeAddress, Port, PortsInUse, Refusal, Site, VoicemailType};
use crate::message::SiteId;

/// Holds each PBX to its licences and ports, also when several share one node.
///
/// A PBX on centralized voicemail records with the central PBX's licences and on its ports, but for unified messaging and call
/// archive, which it has licences of its own for.
///
/// ```
/// # use voicemail::network::{Site, TimeSource, VoicemailType};
/// use voicemail::network::{Admission, LicenceClass, Network, Refusal};
///
/// # let site = Site::builder("london".parse()?, VoicemailType::Central, chrono_tz::Europe::London)
/// #     .node("central.voicemail.example".parse()?)
/// #     .time(TimeSource::Sntp(vec!["ntp.example".parse()?]))
/// #     .licence(LicenceClass::Voicemail)
/// #     .ports(1);
/// # let network = Network::builder("voicemail.example").site(site).build()?;
/// let (london, now): (voicemail::message::SiteId, _) = ("london".parse()?, "2026-11-22T18:00:00Z".parse()?);
/// let admission = Admission::new(&network); // london has one port
/// let port = admission.admit(&london, LicenceClass::Voicemail, now)?;
/// let busy = Refusal::AllPortsBusy { pbx: london.clone(), limit: 1 };
/// assert_eq!(admission.admit(&london, LicenceClass::Voicemail, now).err(), Some(busy));
///
/// drop(port); // the recording has ended
/// assert!(admission.admit(&london, LicenceClass::Voicemail, now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Admission {
    node: Option<NodeAddress>,
    grace: Arc<dyn GraceRule>,
    /// Written only by `replace`. To take a port under the read lock is to take it before or after a replacement, not in between.
    entitlements: RwLock<Entitlements>,
}

impl Admission {
    /// Admits recordings on every PBX of the network.
    pub fn new(network: &Network) -> Self {
        Self::with_node(None, network)
    }

    /// Admits recordings on the PBXs that `node` serves, and on no others.
    pub fn of_node(node: NodeAddress, network: &Network) -> Self {
        Self::with_node(Some(node), network)
    }

    fn with_node(node: Option<NodeAddress>, network: &Network) -> Self {
        let admission = Self { node, grace: Arc::new(NoGrace), entitlements: RwLock::default() };
        admission.replace(network);
        admission
    }

    /// Lets licences count beyond their last day as `rule` says; without it, [`NoGrace`] is in force.
    #[must_use]
    pub fn grace(mut self, rule: impl GraceRule) -> Self {
        self.grace = Arc::new(rule);
        self
    }

    /// Takes a port of the PBX `site` for a recording that uses `class`: [`LicenceClass::Voicemail`] for a message.
    ///
    /// Any other class needs the voicemail licence beside its own. `now` decides which licences have expired.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], at once; only [`Refusal::AllPortsBusy`] may pass by itself.
    pub fn admit(&self, site: &SiteId, class: LicenceClass, now: DateTime<Utc>) -> Result<Port, Refusal> {
        self.with_entitlement(site, |entitlement| {
            self.check_licence(site, entitlement, LicenceClass::Voicemail, now)?;
            self.check_licence(site, entitlement, class, now)?;
            PortCounter::take(&entitlement.counter, entitlement.limit)
                .ok_or_else(|| Refusal::AllPortsBusy { pbx: site.clone(), limit: entitlement.limit })
        })
    }

    /// Whether the PBX `site` may use `class`, for what takes no port. Unified messaging and call archive need their own licence
    /// alone; any other class needs the voicemail licence beside its own.
    ///
    /// # Errors
    ///
    /// A [`Refusal`]; never [`Refusal::AllPortsBusy`].
    pub fn check(&self, site: &SiteId, class: LicenceClass, now: DateTime<Utc>) -> Result<(), Refusal> {
        self.with_entitlement(site, |entitlement| {
            if !class.is_for_each_pbx() {
                self.check_licence(site, entitlement, LicenceClass::Voicemail, now)?;
            }
            self.check_licence(site, entitlement, class, now)
        })
    }

    /// How many ports are in use that the PBX `site` records on; `None` when it is not served here.
    pub fn ports(&self, site: &SiteId) -> Option<PortsInUse> {
        let in_use =
            |entitlement: &Entitlement| Ok(PortsInUse { in_use: entitlement.counter.in_use(), limit: entitlement.limit });
        self.with_entitlement(site, in_use).ok()
    }

    /// Goes on with another network. Ports in use stay in use and count against the new limits; no recording is ended.
    pub fn replace(&self, network: &Network) {
        let is_served = |site: &&Site| self.node.as_ref().is_none_or(|node| network.role(node, site.id()).is_some());
        let mut entitlements = self.entitlements.write().unwrap_or_else(PoisonError::into_inner);
        // A PBX that leaves the network and comes back finds its recordings counted.
        entitlements.counters.retain(|_, counter| counter.in_use() > 0);
        entitlements.by_site.clear();
        for site in network.sites().filter(is_served) {
            let with_ports = if site.voicemail() == VoicemailType::Centralized { network.central() } else { site };
            let counter = Arc::clone(entitlements.counters.entry(with_ports.id().clone()).or_default());
            let entitlement = Entitlement { licences: licences_of(site, network), limit: with_ports.ports(), counter };
            entitlements.by_site.insert(site.id().clone(), entitlement);
        }
    }

    fn check_licence(
        &self,
        site: &SiteId,
        entitlement: &Entitlement,
        class: LicenceClass,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let found = entitlement.licences.iter().find(|(licence, _)| licence.class() == class);
        let (licence, zone) = found.ok_or_else(|| Refusal::Unlicensed { pbx: site.clone(), class })?;
        match licence.last_day() {
            Some(on) if licence.has_expired_after(self.grace.days_after(site, licence), now, *zone) => {
                Err(Refusal::Expired { pbx: site.clone(), class, on })
            }
            _ => Ok(()),
        }
    }

    fn with_entitlement<T>(
        &self,
        site: &SiteId,
        question: impl FnOnce(&Entitlement) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let entitlements = self.entitlements.read().unwrap_or_else(PoisonError::into_inner);
        entitlements.by_site.get(site).ok_or_else(|| Refusal::NotServedHere(site.clone())).and_then(question)
    }
}

#[derive(Debug, Default)]
struct Entitlements {
    by_site: HashMap<SiteId, Entitlement>,
    /// By the PBX whose ports they are, which may have left the network.
    counters: HashMap<SiteId, Arc<PortCounter>>,
}

/// On what entitlement a PBX records.
#[derive(Debug)]
struct Entitlement {
    /// With the zones by whose calendars they expire.
    licences: Vec<(Licence, Tz)>,
    limit: u32,
    counter: Arc<PortCounter>,
}

/// The licences that count for a PBX: its own, and on centralized voicemail the central PBX's for all that is not for each PBX.
fn licences_of(site: &Site, network: &Network) -> Vec<(Licence, Tz)> {
    let with_zone = |owner: &Site| owner.licences().iter().map(|licence| (*licence, owner.zone())).collect::<Vec<_>>();
    let mut licences = with_zone(site);
    if site.voicemail() == VoicemailType::Centralized {
        licences.extend(with_zone(network.central()).into_iter().filter(|(licence, _)| !licence.class().is_for_each_pbx()));
    }
    licences
}
