//! [`Rule`]: a rule for the description of a network.

mod code;
mod form;

pub use self::form::FormRule;
use super::{EngineName, LicenceClass, NodeAddress, NodeHost, PbxName, TimeSource, VoicemailType};
use crate::forward::Custody;
use crate::message::{MailboxId, SiteId};
use crate::rules::RuleId;

/// A rule that a description breaks, with the values that break it. The [`code`](Self::code) of a rule never changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// N01: one PBX is central.
    #[error("one PBX is central; found none; give the PBX whose node keeps the mailboxes voicemail = \"central\"")]
    NoCentral,
    /// N02: only one PBX is central.
    #[error("only one PBX is central; found {first} to be central too; make one of them centralized or distributed")]
    SecondCentral {
        /// The first central PBX of the description.
        first: PbxName,
    },
    /// N03: ids are unique.
    #[error("a PBX's id is unique; found the same id on PBX #{first}; give one of them another id")]
    DuplicateId {
        /// The place of the first PBX with this id in the description, from 1.
        first: usize,
    },
    /// N04: mailbox numbers are unique across the network.
    #[error("a mailbox number is unique across the network; found {number} on PBX {first} too; renumber or remove one")]
    DuplicateMailbox {
        /// The number.
        number: MailboxId,
        /// The first PBX of the description that has it.
        first: PbxName,
    },
    /// N05: a central or distributed node has an address.
    #[error("a PBX with {voicemail} voicemail has a node; found no address of it; add its node = \"...\"")]
    NodeMissing {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
    },
    /// N06: on centralized voicemail there is no node.
    #[error("a PBX with centralized voicemail has no node; found {found}; remove its node, or make it distributed")]
    NodeNotAllowed {
        /// The address given.
        found: NodeAddress,
    },
    /// N07: every PBX but the central one has a destination.
    #[error(
        "a PBX with {voicemail} voicemail names the trunk group to the central PBX; found none; add its destination = \"...\""
    )]
    DestinationMissing {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
    },
    /// N08: the central PBX has no destination.
    #[error("the central PBX has no destination; found {found:?}; remove its destination")]
    DestinationNotAllowed {
        /// The destination given.
        found: String,
    },
    /// N09: the destination is a trunk group of this PBX.
    #[error(
        "a destination is one of the PBX's trunk groups; found {destination:?}, which is none; add it to trunk_groups, or name another"
    )]
    UnknownTrunkGroup {
        /// The destination given.
        destination: String,
    },
    /// N10: the destination leads to the central PBX.
    #[error(
        "a destination leads to the central PBX; found {destination:?} to lead to {leads_to}; name a trunk group to the central PBX"
    )]
    DestinationNotCentral {
        /// The destination given.
        destination: String,
        /// The PBX that the trunk group leads to.
        leads_to: PbxName,
    },
    /// N11: every trunk group leads to a PBX of the network.
    #[error(
        "a trunk group leads to a PBX of the network; found {trunk_group:?} to lead to {leads_to:?}, which is none; correct the id"
    )]
    TrunkGroupToNowhere {
        /// The trunk group's name.
        trunk_group: String,
        /// The id that it leads to, which no PBX has.
        leads_to: String,
    },
    /// N12: a PBX whose node records has the voicemail licence.
    #[error("a PBX with {voicemail} voicemail needs the licence voicemail; found {}; add \"voicemail\" to its licences", list(.found))]
    VoicemailLicenceMissing {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
        /// The licences it has.
        found: Vec<LicenceClass>,
    },
    /// N13: a PBX on centralized voicemail has only licences for unified messaging and call archive.
    #[error(
        "a PBX with centralized voicemail has no licences but unified-messaging and call-archive; found {class}; \
         remove it: the central PBX's counts"
    )]
    LicenceNotAllowed {
        /// The class of a licence that the PBX does not need.
        class: LicenceClass,
    },
    /// N14: a PBX has at most one licence of each class.
    #[error("a PBX has one licence of each class; found {class} more than once; remove all but one")]
    DuplicateLicence {
        /// The class of the licences.
        class: LicenceClass,
    },
    /// N15: every PBX has its time from SNTP.
    #[error("a PBX has its time from SNTP; found {found}; add time = {{ sntp = [\"...\"] }} with at least one server")]
    SntpMissing {
        /// The source of time given.
        found: TimeSource,
    },
    /// N16: only a PBX on centralized voicemail is the central PBX's fallback.
    #[error("the central PBX's fallback has centralized voicemail; found {voicemail}; choose another PBX as its fallback")]
    FallbackNotAllowed {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
    },
    /// N17: a distributed node is not the backup of the central node.
    #[error(
        "a backup node is no distributed node; found {node}, the distributed node of PBX {of}; give the fallback another backup_node"
    )]
    BackupNodeDistributed {
        /// The backup node's address.
        node: NodeAddress,
        /// The first PBX of the description whose distributed node it is.
        of: PbxName,
    },
    /// N18: only the fallback has a backup node.
    #[error("only the central PBX's fallback has a backup node; found {found}; add fallback = true, or remove backup_node")]
    BackupNodeWithoutFallback {
        /// The backup node's address.
        found: NodeAddress,
    },
    /// N19: a PBX whose node may record has ports.
    #[error("a PBX with {voicemail} voicemail and its licence has ports; found none; add ports = N, at least 1")]
    PortsMissing {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
    },
    /// N20: on centralized voicemail a PBX has no ports.
    #[error("a PBX with centralized voicemail records on the central PBX's ports; found {found} of its own; remove its ports")]
    PortsNotAllowed {
        /// The number of ports given.
        found: u32,
    },
    /// N21: the maximum length of a message is at least 1 second, and not below the minimum.
    #[error(
        "a mailbox's maximum length is 1 second or more and not below its minimum; found {min_seconds} to {max_seconds} seconds \
         for {number}; raise max_seconds or lower min_seconds"
    )]
    LimitsCrossed {
        /// The number of the mailbox.
        number: MailboxId,
        /// The minimum length in seconds, given or by default.
        min_seconds: u64,
        /// The maximum length in seconds, given or by default.
        max_seconds: u64,
    },
    /// N22: a trunk group's name has 1 to 63 characters that can be shown.
    #[error("a trunk group's name has 1 to 63 characters, none of them a control character; found {name:?}; rename it")]
    TrunkGroupName {
        /// The name given.
        name: String,
    },
    /// N23: the domain is a host name.
    #[error("the domain is a host name such as voicemail.example; found {found:?}; correct it")]
    InvalidDomain {
        /// The domain given.
        found: String,
    },
    /// N24: the central PBX has at most one fallback.
    #[error("the central PBX has one fallback; found {first} as its fallback too; choose one of them")]
    SecondFallback {
        /// The first fallback of the description.
        first: PbxName,
    },
    /// N25: only the central node has hosts.
    #[error("only the central PBX's node has hosts; found {found} on a PBX with {voicemail} voicemail; remove its hosts")]
    HostsNotAllowed {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
        /// The first host given.
        found: NodeHost,
    },
    /// N26: a node's hosts are all different.
    #[error("a node's hosts are all different; found {host} more than once; remove all but the first")]
    DuplicateHost {
        /// The host that is given more than once.
        host: NodeHost,
    },
    /// N27: a mailbox can hold at least one message.
    #[error(
        "a mailbox can hold something; found {limit} = 0 for {}; raise it, or remove it for no limit",
        .number.as_ref().map_or_else(|| "the PBX's mailboxes".to_owned(), ToString::to_string)
    )]
    HoldsNothing {
        /// The mailbox; `None` for the limits of a PBX for all of its mailboxes.
        number: Option<MailboxId>,
        /// The key of the limit in a description: `messages`, `minutes` or `bytes`.
        limit: &'static str,
    },
    /// N28: a list's number belongs to no mailbox and to no other list.
    #[error(
        "a list's number belongs to no mailbox and to no other list; found {list} to be {} too; give the list another number",
        .pbx.as_ref().map_or_else(|| "another list".to_owned(), |pbx| format!("a mailbox of PBX {pbx}"))
    )]
    ListNumberTaken {
        /// The number of the list.
        list: MailboxId,
        /// The PBX of the mailbox with this number; `None` if another list has it.
        pbx: Option<PbxName>,
    },
    /// N29: a list's members are mailboxes and lists of the network.
    #[error(
        "a list's members are mailboxes and lists of the network; found {member} on list {list}, which is none; correct or remove it"
    )]
    UnknownListMember {
        /// The number of the list.
        list: MailboxId,
        /// The member that is no mailbox and no list.
        member: MailboxId,
    },
    /// N30: a list has 1 to 360 members.
    #[error("a list has 1 to 360 members; found {members} on list {list}; add some, or split or remove the list")]
    ListSize {
        /// The number of the list.
        list: MailboxId,
        /// How many members it has.
        members: usize,
    },
    /// N50: no list leads back to itself.
    #[error("no list leads back to itself; found {}; remove one of them from the one before it", in_row(.circle))]
    ListCircle {
        /// The lists of the circle, each a member of the one before it; the last is the first again.
        circle: Vec<MailboxId>,
    },
    /// N51: at most four lists are one in the other.
    #[error("at most four lists are one in the other; found {}; put the members of the inner ones into the outer ones", in_row(.path))]
    ListTooDeep {
        /// The list that is nested too deeply, and the lists inside it, each a member of the one before it.
        path: Vec<MailboxId>,
    },
    /// N52: a list has at most 1 000 mailboxes, with those of the lists inside it.
    #[error("a list has at most 1000 mailboxes, with those of the lists inside it; found more on list {list}; split it")]
    ListTooLarge {
        /// The number of the list.
        list: MailboxId,
    },
    /// N53: a shared mailbox names mailboxes and lists of the network.
    #[error(
        "{key} of a mailbox names mailboxes and lists of the network; found {member} in that of {number}, which is none; correct or remove it"
    )]
    UnknownMember {
        /// The shared mailbox.
        number: MailboxId,
        /// The key: `members` or `copies_to`.
        key: &'static str,
        /// The member that is no mailbox and no list.
        member: MailboxId,
    },
    /// N54: a shared mailbox names 1 to 1 000 mailboxes, with those of lists among them.
    #[error(
        "{key} of a mailbox names 1 to 1000 mailboxes, with those of lists; found {mailboxes} in that of {number}; add some, or split or \
         remove it"
    )]
    MemberCount {
        /// The shared mailbox.
        number: MailboxId,
        /// The key: `members` or `copies_to`.
        key: &'static str,
        /// How many mailboxes it names.
        mailboxes: usize,
    },
    /// N55: a member of a group is no group, and neither it nor a mailbox that gets copies has copies made itself.
    #[error(
        "{key} of a mailbox names no mailbox that is shared itself; found {member} in that of {number}; name its members instead"
    )]
    NestedMember {
        /// The shared mailbox.
        number: MailboxId,
        /// The key: `members` or `copies_to`.
        key: &'static str,
        /// The member that is shared itself.
        member: MailboxId,
    },
    /// N56: a mailbox is a group's or has copies made, not both.
    #[error("a mailbox has members or copies_to; found both at {number}; remove one of them")]
    GroupMakesCopies {
        /// The mailbox.
        number: MailboxId,
    },
    /// N57: only a group has a message owned by the member who accepts it first.
    #[error("a mailbox with first_owns has members; found none at {number}; add them, or remove first_owns")]
    FirstOwnsWithoutMembers {
        /// The mailbox.
        number: MailboxId,
    },
    /// N58: new and old messages stay for some time.
    #[error(
        "new and old messages stay for some time; found {key} = 0 for {}; raise it, or remove it",
        .number.as_ref().map_or_else(|| "the PBX's mailboxes".to_owned(), ToString::to_string)
    )]
    StaysNoTime {
        /// The mailbox; `None` for the retention of a PBX for all of its mailboxes.
        number: Option<MailboxId>,
        /// The key in a description: `new_days` or `old_days`.
        key: &'static str,
    },
    /// N59: a warning comes from 1 to 100 percent of a limit on.
    #[error(
        "a warning comes from 1 to 100 percent of a limit on; found {found} for {}; correct it, or remove it for 90",
        .number.as_ref().map_or_else(|| "the PBX's mailboxes".to_owned(), ToString::to_string)
    )]
    WarningPercent {
        /// The mailbox; `None` for the thresholds of a PBX for all of its mailboxes.
        number: Option<MailboxId>,
        /// The percentage given.
        found: u8,
    },
    /// N60: undeliverable messages go to a mailbox of the network.
    #[error("undeliverable messages go to a mailbox of the network; found {found}, which is none; correct or remove it")]
    UnknownUndeliverable {
        /// The number or name given, which no mailbox has.
        found: MailboxId,
    },
    /// N65: the name of a web hook is unique.
    #[error("a web hook's name is unique; found {webhook} twice; give one of them another name")]
    DuplicateWebhook {
        /// The name of the web hook.
        webhook: String,
    },
    /// N66: a web hook has a secret.
    #[error(
        "a web hook has one secret, or two while one is replaced; found {found} for {webhook}; correct its secrets = [{{ file = \"...\" }}]"
    )]
    WebhookSecrets {
        /// The name of the web hook.
        webhook: String,
        /// How many secrets it has.
        found: usize,
    },
    /// N67: a web hook leads to a server that it is allowed to reach.
    #[error(
        "a web hook leads to a public server by https, or to one that it allows; found for {webhook} that {refused}; correct its url, or \
         add to its ports or prefixes"
    )]
    WebhookTarget {
        /// The name of the web hook.
        webhook: String,
        /// Why the server is refused.
        refused: String,
    },
    /// N68: a web hook names PBXs of the network.
    #[error("the pbx of a web hook is in the network; found {found} for {webhook}, which is not; correct or remove it")]
    WebhookPbx {
        /// The name of the web hook.
        webhook: String,
        /// The id given.
        found: SiteId,
    },
    /// N69: a value of a web hook can be read.
    #[error("{wanted}; found {found} for {}; correct it", .key.escape_debug())]
    InvalidWebhookValue {
        /// The key of the value, with the path to it.
        key: String,
        /// The kind of value that is required.
        wanted: String,
        /// The value given, unless it may be a secret.
        found: String,
    },
    /// N70: web hooks need a program that can send them.
    #[error(
        "a program with web hooks is built with the feature http-client of voicemail; found webhook in the description, and no such \
         feature; build the program with it, or remove webhook"
    )]
    WebhooksUnsupported,
    /// N44: only the central PBX names an engine.
    #[error(
        "only the central PBX names the engine of the mailboxes; found {found} on a PBX with {voicemail} voicemail; remove it"
    )]
    EngineNotAllowed {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
        /// The engine given.
        found: EngineName,
    },
    /// N45: a backup node serves an engine.
    #[error(
        "a backup node serves the same engine as the central node; found {found}, and no engine; add engine = \"...\" to the central \
         PBX, or remove backup_node"
    )]
    BackupNodeWithoutEngine {
        /// The backup node's address.
        found: NodeAddress,
    },
    /// N47: a rule for messages that arrive has an address to send mails to.
    #[error(
        "a rule of a mailbox sends its mails to an address; found none for rule {rule} of {number}; add to = \"...\" to the rule, or \
         email = \"...\" to the mailbox"
    )]
    RuleWithoutAddress {
        /// The mailbox.
        number: MailboxId,
        /// The rule of the mailbox.
        rule: RuleId,
    },
    /// N75: only a distributed node sends messages to the central one.
    #[error("only a PBX with distributed voicemail has custody; found {found} on a PBX with {voicemail} voicemail; remove it")]
    CustodyNotAllowed {
        /// The PBX's voicemail type.
        voicemail: VoicemailType,
        /// The custody given.
        found: Custody,
    },
    /// N80: the values of another voicemail system can be used.
    #[error("{wanted}; found {found:?} for system.{}; correct it", .system.escape_debug())]
    InvalidSystem {
        /// The name of the system.
        system: String,
        /// The kind of value that is required.
        wanted: &'static str,
        /// The value given.
        found: String,
    },
    /// N81: a prefix leads to one voicemail system.
    #[error(
        "a prefix leads to one voicemail system; found {prefix} for system.{} and system.{}; remove one",
        .first.escape_debug(), .system.escape_debug()
    )]
    PrefixTaken {
        /// The name of the system.
        system: String,
        /// The prefix.
        prefix: String,
        /// The first system of the description that has it.
        first: String,
    },
    /// N82: no mailbox and no list has a number that leads to another voicemail system.
    #[error(
        "a number that leads to another voicemail system is no mailbox and no list; found {number}, which begins with {prefix} of \
         system.{}; renumber it, or make the prefix longer",
        .system.escape_debug()
    )]
    PrefixOfMailbox {
        /// The name of the system.
        system: String,
        /// The prefix.
        prefix: String,
        /// The mailbox or list.
        number: MailboxId,
    },
    /// N83: a number has one address at other voicemail systems.
    #[error(
        "a number leads to one address at other voicemail systems; found {number} for system.{} and system.{}; remove one",
        .first.escape_debug(), .system.escape_debug()
    )]
    AddressTaken {
        /// The name of the system.
        system: String,
        /// The number.
        number: MailboxId,
        /// The first system of the description that has an address for it.
        first: String,
    },
    /// N84: no mailbox and no list has a number with an address at another voicemail system.
    #[error(
        "a number with an address at another voicemail system is no mailbox and no list; found {number}, which has an address in \
         system.{}; renumber it, or remove the address",
        .system.escape_debug()
    )]
    AddressOfMailbox {
        /// The name of the system.
        system: String,
        /// The mailbox or list.
        number: MailboxId,
    },
    /// A rule for the form of a description.
    #[error(transparent)]
    Form(#[from] FormRule),
}

/// Returns the lists in a row, each a member of the one before it.
fn in_row(lists: &[MailboxId]) -> String {
    lists.iter().map(ToString::to_string).collect::<Vec<_>>().join(" > ")
}

fn list(classes: &[LicenceClass]) -> String {
    let names: Vec<_> = classes.iter().map(LicenceClass::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
