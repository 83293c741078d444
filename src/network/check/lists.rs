//! The rules for distribution lists, which concern the network as a whole.

use std::collections::HashSet;

use super::SiteIndex;
use crate::network::Rule;
use crate::network::builder::ListBuilder;
use crate::network::lists::ExpandedLists;

pub(super) fn check(lists: &[ListBuilder], index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    numbers_of_lists_are_unique(lists, index, found);
    members_of_lists_are_mailboxes_or_lists(lists, index, found);
    lists_have_members(lists, found);
    nested_lists_are_in_order(&index.lists, found);
}

fn numbers_of_lists_are_unique(lists: &[ListBuilder], index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    let mut seen = HashSet::new();
    for ListBuilder { number, .. } in lists {
        let pbx = index.mailboxes.get(number).map(|(place, _)| index.sites[*place].name.clone());
        if pbx.is_some() || !seen.insert(number) {
            found.push(Rule::ListNumberTaken { list: number.clone(), pbx });
        }
    }
}

fn members_of_lists_are_mailboxes_or_lists(lists: &[ListBuilder], index: &SiteIndex<'_>, found: &mut Vec<Rule>) {
    for list in lists {
        let members = list.members.iter().flatten();
        found.extend(members.filter(|member| !index.is_mailbox_or_list(member)).map(|member| {
            let (list, member) = (list.number.clone(), member.clone());
            Rule::UnknownListMember { list, member }
        }));
    }
}

fn lists_have_members(lists: &[ListBuilder], found: &mut Vec<Rule>) {
    let wrong = lists.iter().filter(|list| !(1..=MOST_MEMBERS).contains(&list.members.len()));
    found.extend(wrong.map(|list| Rule::ListSize { list: list.number.clone(), members: list.members.len() }));
}

fn nested_lists_are_in_order(lists: &ExpandedLists, found: &mut Vec<Rule>) {
    found.extend(lists.circles.iter().cloned().map(|circle| Rule::ListCircle { circle }));
    found.extend(lists.too_deep.iter().cloned().map(|path| Rule::ListTooDeep { path }));
    found.extend(lists.too_large.iter().cloned().map(|list| Rule::ListTooLarge { list }));
}

/// The most members of a list, as in Intuity.
const MOST_MEMBERS: usize = 360;
