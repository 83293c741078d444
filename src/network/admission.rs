//! [`Admission`]: decides by licences and ports whether a PBX may record now.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::port::PortCounter;
use super::{GraceRule, Licence, LicenceClass, Network, NoGrace, NodeAddress, Port, PortsInUse, Refusal, Site, VoicemailType};
use crate::message::SiteId;

/// Enforces the licences and ports of each PBX, also when several PBXs share one node.
///
/// A PBX on centralized voicemail uses the licences and ports of the central PBX, except that unified messaging and call archive
/// need its own licences.
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
    /// Written only by `replace`. A port is taken under the read lock, so before or after a replacement and never during one.
    entitlements: RwLock<Entitlements>,
}

impl Admission {
    /// Returns an admission for every PBX of the network.
    pub fn new(network: &Network) -> Self {
        Self::with_node(None, network)
    }

    /// Returns an admission for the PBXs that `node` serves, and for no others.
    pub fn of_node(node: NodeAddress, network: &Network) -> Self {
        Self::with_node(Some(node), network)
    }

    fn with_node(node: Option<NodeAddress>, network: &Network) -> Self {
        let admission = Self { node, grace: Arc::new(NoGrace), entitlements: RwLock::default() };
        admission.replace(network);
        admission
    }

    /// Sets the rule for licences after their last day; the default is [`NoGrace`].
    #[must_use]
    pub fn grace(mut self, rule: impl GraceRule) -> Self {
        self.grace = Arc::new(rule);
        self
    }

    /// Takes a port of the PBX `site` for a recording that uses `class`: [`LicenceClass::Voicemail`] for a message.
    ///
    /// Any other class needs the voicemail licence beside its own. Licences that have expired at `now` do not count.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], without waiting; only [`Refusal::AllPortsBusy`] is transient.
    pub fn admit(&self, site: &SiteId, class: LicenceClass, now: DateTime<Utc>) -> Result<Port, Refusal> {
        self.with_entitlement(site, |entitlement| {
            self.check_licence(site, entitlement, LicenceClass::Voicemail, now)?;
            self.check_licence(site, entitlement, class, now)?;
            PortCounter::take(&entitlement.counter, entitlement.limit)
                .ok_or_else(|| Refusal::AllPortsBusy { pbx: site.clone(), limit: entitlement.limit })
        })
    }

    /// Checks whether the PBX `site` may use `class` for a feature that takes no port. Unified messaging and call archive need
    /// only their own licence; any other class needs the voicemail licence beside its own.
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

    /// The ports that the PBX `site` records on; `None` if the PBX is not served here.
    pub fn ports(&self, site: &SiteId) -> Option<PortsInUse> {
        let in_use =
            |entitlement: &Entitlement| Ok(PortsInUse { in_use: entitlement.counter.in_use(), limit: entitlement.limit });
        self.with_entitlement(site, in_use).ok()
    }

    /// Changes to another network. Ports in use stay in use and count against the new limits; no recording is ended.
    pub fn replace(&self, network: &Network) {
        let is_served = |site: &&Site| self.node.as_ref().is_none_or(|node| network.role(node, site.id()).is_some());
        let mut entitlements = self.entitlements.write().unwrap_or_else(PoisonError::into_inner);
        // The recordings of a PBX that leaves the network still count when it returns.
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
    /// The counters by the PBX that has the ports, which may have left the network.
    counters: HashMap<SiteId, Arc<PortCounter>>,
}

/// The licences and ports that a PBX uses.
#[derive(Debug)]
struct Entitlement {
    /// Each licence, and the zone of the calendar by which it expires.
    licences: Vec<(Licence, Tz)>,
    limit: u32,
    counter: Arc<PortCounter>,
}

/// The licences that count for a PBX: its own, and on centralized voicemail also those of the central PBX, except for the classes
/// that each PBX needs itself.
fn licences_of(site: &Site, network: &Network) -> Vec<(Licence, Tz)> {
    let with_zone = |owner: &Site| owner.licences().iter().map(|licence| (*licence, owner.zone())).collect::<Vec<_>>();
    let mut licences = with_zone(site);
    if site.voicemail() == VoicemailType::Centralized {
        licences.extend(with_zone(network.central()).into_iter().filter(|(licence, _)| !licence.class().is_for_each_pbx()));
    }
    licences
}
