//! [`Refusal`]: the reason why a PBX may not record or use a feature now.

use chrono::NaiveDate;

use super::LicenceClass;
use crate::message::SiteId;

/// The reason why a PBX may not record, or may not use a feature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// This node does not serve the PBX, or the network has no PBX with this id.
    #[error("the PBX {0} is not served here; check its id, or give it this node in the network description")]
    NotServedHere(SiteId),
    /// The PBX has no licence of this class.
    #[error("the PBX {pbx} has no licence for {class}")]
    Unlicensed {
        /// The PBX.
        pbx: SiteId,
        /// The class of the missing licence.
        class: LicenceClass,
    },
    /// The licence of the PBX has expired.
    #[error("the licence of the PBX {pbx} for {class} expired after {on}")]
    Expired {
        /// The PBX.
        pbx: SiteId,
        /// The class of the expired licence.
        class: LicenceClass,
        /// The last day on which it was valid.
        on: NaiveDate,
    },
    /// Every port that the PBX records on is in use.
    #[error("all {limit} ports that the PBX {pbx} records on are busy")]
    AllPortsBusy {
        /// The PBX that was refused; on centralized voicemail, the ports are those of the central PBX.
        pbx: SiteId,
        /// The number of its ports.
        limit: u32,
    },
}

impl Refusal {
    /// Returns whether the same call, unchanged, may succeed later without a new network.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::AllPortsBusy { .. } => true,
            Self::NotServedHere(_) | Self::Unlicensed { .. } | Self::Expired { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_busy_ports_may_pass_by_themselves() {
        let pbx = || "tokyo".parse::<SiteId>().unwrap();
        assert!(Refusal::AllPortsBusy { pbx: pbx(), limit: 1 }.is_transient());
        assert!(!Refusal::NotServedHere(pbx()).is_transient());
        assert!(!Refusal::Unlicensed { pbx: pbx(), class: LicenceClass::Voicemail }.is_transient());
        assert!(!Refusal::Expired { pbx: pbx(), class: LicenceClass::Voicemail, on: NaiveDate::MIN }.is_transient());
    }

    #[test]
    fn each_refusal_names_the_pbx() {
        let pbx = || "tokyo".parse::<SiteId>().unwrap();
        for refusal in [
            Refusal::NotServedHere(pbx()),
            Refusal::Unlicensed { pbx: pbx(), class: LicenceClass::Voicemail },
            Refusal::Expired { pbx: pbx(), class: LicenceClass::Voicemail, on: NaiveDate::MIN },
            Refusal::AllPortsBusy { pbx: pbx(), limit: 1 },
        ] {
            assert!(refusal.to_string().contains("the PBX tokyo"), "{refusal}");
        }
    }
}
