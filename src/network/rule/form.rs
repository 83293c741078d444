//! [`FormRule`]: a rule for the form of a description.

use crate::message::{InvalidMailboxId, MailboxId};
use crate::rules::InvalidRules;

/// A rule for the form of a description: its keys, and how its values are written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormRule {
    /// N31: a description has only known keys.
    #[error("a description has only known keys; found {key:?}; correct or remove it (known here: {known})")]
    UnknownKey {
        /// The unknown key, with the path to it.
        key: String,
        /// The keys that are known in this place.
        known: String,
    },
    /// N32: every required key is given.
    #[error("{key} must be given; found nothing; add {key} = \"...\"")]
    KeyMissing {
        /// The missing key, with the path to it.
        key: String,
    },
    /// N33: every value is of the right kind.
    #[error("{} is {wanted}; found {found}; correct it", .key.escape_debug())]
    WrongKind {
        /// The key of the value, with the path to it.
        key: String,
        /// The kind of value that is required.
        wanted: &'static str,
        /// The value given.
        found: String,
    },
    /// N34: a PBX's id is a valid name.
    #[error("{}; found {found:?}; correct it", crate::message::InvalidSiteId)]
    InvalidId {
        /// The id given.
        found: String,
    },
    /// N35: a voicemail type is `central`, `centralized` or `distributed`.
    #[error("{}; found {found:?}; correct it", crate::network::UnknownVoicemailType)]
    UnknownVoicemailType {
        /// The type given.
        found: String,
    },
    /// N36: a node's address is a host name or an IP address.
    #[error("{}; found {found:?} for {key}; correct it", crate::network::InvalidNodeAddress)]
    InvalidNodeAddress {
        /// The key of the address.
        key: &'static str,
        /// The address given.
        found: String,
    },
    /// N37: a zone is in the IANA time zone database.
    #[error("a zone is one of the IANA time zones, such as Europe/London; found {found:?} for {}; correct it", .key.escape_debug())]
    UnknownZone {
        /// The key of the zone, with the path to it.
        key: String,
        /// The zone given.
        found: String,
    },
    /// N38: a mailbox has a number or a name that is not reserved.
    #[error("{}; found {found:?}; correct it", invalid_mailbox(.found))]
    InvalidMailbox {
        /// The text that was given.
        found: String,
    },
    /// N39: a licence class is a known one, or begins with `x-`.
    #[error("{}; found {found:?}; correct it", crate::network::UnknownLicenceClass)]
    UnknownLicenceClass {
        /// The class given.
        found: String,
    },
    /// N40: a licence's last day is a date.
    #[error("a licence's last day is a date such as 2027-01-01; found {found:?}; correct it")]
    InvalidDate {
        /// The date given.
        found: String,
    },
    /// N41: a time server is a host name or an IP address.
    #[error("{}; found {found:?}; correct it", crate::network::InvalidTimeServer)]
    InvalidTimeServer {
        /// The server given.
        found: String,
    },
    /// N42: a node's host is a host name or an IP address.
    #[error("{}; found {found:?}; correct it", crate::network::InvalidNodeHost)]
    InvalidHost {
        /// The host given.
        found: String,
    },
    /// N43: a language is a tag of BCP 47.
    #[error("{}; found {found:?} for {}; correct it", crate::message::InvalidLanguage, .key.escape_debug())]
    InvalidLanguage {
        /// The key of the language, with the path to it.
        key: String,
        /// The language given.
        found: String,
    },
    /// N46: an engine's name can be read.
    #[error("{}; found {found:?}; correct it", crate::network::InvalidEngineName)]
    InvalidEngineName {
        /// The name given.
        found: String,
    },
    /// N48: a value of a rule for messages that arrive can be read.
    #[error("{wanted}; found {found:?} for {}; correct it", .key.escape_debug())]
    InvalidRuleValue {
        /// The key of the value, with the path to it.
        key: String,
        /// The kind of value that is required.
        wanted: String,
        /// The value given.
        found: String,
    },
    /// N49: the rules for messages that arrive are valid together.
    #[error("{} has rules that are not valid: {fault}", .key.escape_debug())]
    InvalidRules {
        /// The key of the rules, with the path to it.
        key: String,
        /// The fault.
        fault: InvalidRules,
    },
    /// N76: the custody can be read.
    #[error("{}; found {found:?}; correct it", crate::forward::UnknownCustody)]
    UnknownCustody {
        /// The custody given.
        found: String,
    },
}

/// Returns why a text is no mailbox.
fn invalid_mailbox(text: &str) -> InvalidMailboxId {
    text.parse::<MailboxId>().err().unwrap_or(InvalidMailboxId::Malformed)
}
