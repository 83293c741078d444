//! [`Refusal`]: the reason why a PBX may not record now.

use chrono::NaiveDate;

use super::LicenceClass;
use crate::message::SiteId;

/// Why a PBX may not record, or not use what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// This node does not serve the PBX, or the network has none of this id.
    #[error("the PBX {0} is not served here; check its id, or give it this node in the network description")]
    NotServedHere(SiteId),
    /// The PBX has no licence of this class.
    #[error("the PBX {pbx} has no licence for {class}")]
    Unlicensed {
        /// The PBX.
        pbx: SiteId,
        /// The class.
        class: LicenceClass,
    },
    /// The licence was valid up to a day that is over.
    #[error("the licence of the PBX {pbx} for {class} expired after {on}")]
    Expired {
        /// The PBX.
        pbx: SiteId,
        /// The class.
        class: LicenceClass,
        /// The last day on which it was valid.
        on: NaiveDate,
    },
    /// Every port that the PBX records on is in use.
    #[error("all {limit} ports that the PBX {pbx} records on are busy")]
    AllPortsBusy {
        /// The PBX that asked; on centralized voicemail, the ports are the central PBX's.
        pbx: SiteId,
        /// How many there are.
        limit: u32,
    },
}

impl Refusal {
    /// Whether the same call, unchanged, may succeed later without a new network.
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
