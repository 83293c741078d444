//! The rules for mailboxes that several owners share: groups, and mailboxes whose messages are copied.

use super::PbxContext;
use crate::message::MailboxId;
use crate::network::lists::MOST_MAILBOXES;
use crate::network::{Mailbox, Rule};

/// One key of a mailbox that names other mailboxes.
struct Naming<'a> {
    mailbox: &'a Mailbox,
    key: &'static str,
    members: &'a [MailboxId],
}

pub(super) fn shared_mailboxes_name_mailboxes_and_lists(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for Naming { mailbox, key, members } in namings(pbx) {
        let unknown = members.iter().filter(|member| !pbx.index.is_mailbox_or_list(member));
        found.extend(unknown.map(|member| {
            let (number, member) = (mailbox.number.clone(), member.clone());
            Rule::UnknownMember { number, key, member }
        }));
    }
}

pub(super) fn shared_mailboxes_have_members(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for Naming { mailbox, key, members } in namings(pbx) {
        let mailboxes = pbx.index.lists.expand(members).len();
        if !(1..=MOST_MAILBOXES).contains(&mailboxes) {
            found.push(Rule::MemberCount { number: mailbox.number.clone(), key, mailboxes });
        }
    }
}

pub(super) fn shared_mailboxes_are_not_nested(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    for Naming { mailbox, key, members } in namings(pbx) {
        let is_nested = |member: &Mailbox| !member.copies_to.is_empty() || (key == "members" && member.group.is_some());
        let nested =
            pbx.index.lists.expand(members).into_iter().filter(|member| pbx.index.mailbox(member).is_some_and(is_nested));
        found.extend(nested.map(|member| Rule::NestedMember { number: mailbox.number.clone(), key, member }));
    }
}

pub(super) fn groups_make_no_copies(pbx: &PbxContext<'_>, found: &mut Vec<Rule>) {
    let both = pbx.site.mailboxes.iter().filter(|mailbox| mailbox.group.is_some() && !mailbox.copies_to.is_empty());
    found.extend(both.map(|mailbox| Rule::GroupMakesCopies { number: mailbox.number.clone() }));
}

/// Returns what the mailboxes of a PBX name.
fn namings<'a>(pbx: &PbxContext<'a>) -> impl Iterator<Item = Naming<'a>> {
    pbx.site.mailboxes.iter().flat_map(|mailbox| {
        let group = mailbox.group.as_ref().map(|group| Naming { mailbox, key: "members", members: &group.members });
        let copies = (!mailbox.copies_to.is_empty()).then_some(Naming { mailbox, key: "copies_to", members: &mailbox.copies_to });
        group.into_iter().chain(copies)
    })
}
