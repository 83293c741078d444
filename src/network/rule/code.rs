//! The codes of the rules.

use super::{FormRule, Rule};

impl Rule {
    /// The code of the rule, for manuals and scripts, such as `N04`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCentral => "N01",
            Self::SecondCentral { .. } => "N02",
            Self::DuplicateId { .. } => "N03",
            Self::DuplicateMailbox { .. } => "N04",
            Self::NodeMissing { .. } => "N05",
            Self::NodeNotAllowed { .. } => "N06",
            Self::DestinationMissing { .. } => "N07",
            Self::DestinationNotAllowed { .. } => "N08",
            Self::UnknownTrunkGroup { .. } => "N09",
            Self::DestinationNotCentral { .. } => "N10",
            Self::TrunkGroupToNowhere { .. } => "N11",
            Self::VoicemailLicenceMissing { .. } => "N12",
            Self::LicenceNotAllowed { .. } => "N13",
            Self::DuplicateLicence { .. } => "N14",
            Self::SntpMissing { .. } => "N15",
            Self::FallbackNotAllowed { .. } => "N16",
            Self::BackupNodeDistributed { .. } => "N17",
            Self::BackupNodeWithoutFallback { .. } => "N18",
            Self::PortsMissing { .. } => "N19",
            Self::PortsNotAllowed { .. } => "N20",
            Self::LimitsCrossed { .. } => "N21",
            Self::TrunkGroupName { .. } => "N22",
            Self::InvalidDomain { .. } => "N23",
            Self::SecondFallback { .. } => "N24",
            Self::HostsNotAllowed { .. } => "N25",
            Self::DuplicateHost { .. } => "N26",
            Self::HoldsNothing { .. } => "N27",
            Self::ListNumberTaken { .. } => "N28",
            Self::UnknownListMember { .. } => "N29",
            Self::ListSize { .. } => "N30",
            Self::EngineNotAllowed { .. } => "N44",
            Self::BackupNodeWithoutEngine { .. } => "N45",
            Self::RuleWithoutAddress { .. } => "N47",
            Self::ListCircle { .. } => "N50",
            Self::ListTooDeep { .. } => "N51",
            Self::ListTooLarge { .. } => "N52",
            Self::UnknownMember { .. } => "N53",
            Self::MemberCount { .. } => "N54",
            Self::NestedMember { .. } => "N55",
            Self::GroupMakesCopies { .. } => "N56",
            Self::FirstOwnsWithoutMembers { .. } => "N57",
            Self::StaysNoTime { .. } => "N58",
            Self::CustodyNotAllowed { .. } => "N75",
            Self::WarningPercent { .. } => "N59",
            Self::UnknownUndeliverable { .. } => "N60",
            Self::DuplicateWebhook { .. } => "N65",
            Self::WebhookSecrets { .. } => "N66",
            Self::WebhookTarget { .. } => "N67",
            Self::WebhookPbx { .. } => "N68",
            Self::InvalidWebhookValue { .. } => "N69",
            Self::WebhooksUnsupported => "N70",
            Self::InvalidSystem { .. } => "N80",
            Self::PrefixTaken { .. } => "N81",
            Self::PrefixOfMailbox { .. } => "N82",
            Self::AddressTaken { .. } => "N83",
            Self::AddressOfMailbox { .. } => "N84",
            Self::Form(rule) => rule.code(),
        }
    }
}

impl FormRule {
    /// The code of the rule, such as `N31`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey { .. } => "N31",
            Self::KeyMissing { .. } => "N32",
            Self::WrongKind { .. } => "N33",
            Self::InvalidId { .. } => "N34",
            Self::UnknownVoicemailType { .. } => "N35",
            Self::InvalidNodeAddress { .. } => "N36",
            Self::UnknownZone { .. } => "N37",
            Self::InvalidMailbox { .. } => "N38",
            Self::UnknownLicenceClass { .. } => "N39",
            Self::InvalidDate { .. } => "N40",
            Self::InvalidTimeServer { .. } => "N41",
            Self::InvalidHost { .. } => "N42",
            Self::InvalidLanguage { .. } => "N43",
            Self::InvalidEngineName { .. } => "N46",
            Self::InvalidRuleValue { .. } => "N48",
            Self::InvalidRules { .. } => "N49",
            Self::UnknownCustody { .. } => "N76",
        }
    }
}
