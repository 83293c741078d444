//! [`Refusal`]: why a PBX may not record now.

use chrono::NaiveDate;

use super::LicenceClass;

/// Why a PBX may not record, or not use what it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// This node does not serve the PBX, or the network has none of this id.
    #[error("the PBX is not served here")]
    NotServedHere,
    /// The PBX has no licence of this class.
    #[error("the PBX has no licence for {class}")]
    Unlicensed {
        /// The class.
        class: LicenceClass,
    },
    /// The licence was valid up to a day that is over.
    #[error("the PBX's licence for {class} expired after {on}")]
    Expired {
        /// The class.
        class: LicenceClass,
        /// The last day on which it was valid.
        on: NaiveDate,
    },
    /// Every port of the PBX is in use.
    #[error("all ports of the PBX are busy, of which it has {limit}")]
    AllPortsBusy {
        /// How many there are.
        limit: u32,
    },
}

impl Refusal {
    /// Whether the same call, unchanged, may succeed later without a new network.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::AllPortsBusy { .. } => true,
            Self::NotServedHere | Self::Unlicensed { .. } | Self::Expired { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_busy_ports_may_pass_by_themselves() {
        assert!(Refusal::AllPortsBusy { limit: 1 }.is_transient());
        assert!(!Refusal::NotServedHere.is_transient());
        assert!(!Refusal::Unlicensed { class: LicenceClass::Voicemail }.is_transient());
        assert!(!Refusal::Expired { class: LicenceClass::Voicemail, on: NaiveDate::MIN }.is_transient());
    }
}
