//! [`ExpandedLists`]: the mailboxes of distribution lists whose members may be lists themselves.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::builder::ListBuilder;
use crate::message::MailboxId;

/// Distribution lists with all their mailboxes, and those whose mailboxes cannot be known or are too many.
#[derive(Debug, Default)]
pub(super) struct ExpandedLists {
    /// The mailboxes of each list that is in order, each once.
    pub(super) mailboxes: BTreeMap<MailboxId, Vec<MailboxId>>,
    /// The lists that lead back to themselves: each circle from one of its lists to the same list.
    pub(super) circles: Vec<Vec<MailboxId>>,
    /// The lists that are nested too deeply: each with the lists inside it, one in the other.
    pub(super) too_deep: Vec<Vec<MailboxId>>,
    /// The lists that have too many mailboxes.
    pub(super) too_large: Vec<MailboxId>,
}

impl ExpandedLists {
    /// Expands `lists`. Of two lists with the same number, the first one counts; a member that is no list counts as a mailbox.
    pub(super) fn of<'a>(lists: impl IntoIterator<Item = &'a ListBuilder>) -> Self {
        let lists: Vec<&ListBuilder> = lists.into_iter().collect();
        let mut members = Members::new();
        for list in &lists {
            members.entry(&list.number).or_insert_with(|| list.members.iter().flatten().collect());
        }
        let mut expansion = Expansion { members, finished: BTreeMap::new(), found: Self::default() };
        for list in &lists {
            expansion.visit(&list.number);
        }
        expansion.found
    }

    /// Returns the mailboxes that `members` are and have, each once. A list that is not in order counts as a mailbox.
    pub(super) fn expand(&self, members: &[MailboxId]) -> Vec<MailboxId> {
        let of = |member| self.mailboxes.get(member).map_or(std::slice::from_ref(member), Vec::as_slice);
        let mut seen = HashSet::new();
        members.iter().flat_map(of).filter(|mailbox| seen.insert(*mailbox)).cloned().collect()
    }
}

/// The members of each list.
type Members<'a> = BTreeMap<&'a MailboxId, Vec<&'a MailboxId>>;

struct Expansion<'a> {
    members: Members<'a>,
    finished: BTreeMap<&'a MailboxId, Finished<'a>>,
    found: ExpandedLists,
}

/// The facts about a list that follow from all lists inside it.
#[derive(Default)]
struct Finished<'a> {
    /// How many lists are one in the other, this one included; `None` for a list that leads into a circle.
    depth: Option<usize>,
    /// The list inside this one that is nested most deeply.
    deepest: Option<&'a MailboxId>,
}

impl<'a> Expansion<'a> {
    /// Expands a list after all lists inside it. Keeps the path itself, because a description may nest lists more deeply than a stack allows.
    fn visit(&mut self, list: &'a MailboxId) {
        let mut path = vec![(list, 0)];
        let mut on_path = HashSet::from([list]);
        while let Some((list, next)) = path.last_mut() {
            if self.finished.contains_key(*list) {
                path.pop();
                continue;
            }
            let member = self.members.get(*list).and_then(|members| members.get(*next)).copied();
            *next += 1;
            match member {
                Some(member) if on_path.contains(member) => {
                    let circle = path.iter().map(|(list, _)| *list).skip_while(|list| *list != member).chain([member]);
                    self.found.circles.push(circle.cloned().collect());
                }
                Some(member) if self.members.contains_key(member) && !self.finished.contains_key(member) => {
                    on_path.insert(member);
                    path.push((member, 0));
                }
                Some(_) => {}
                None => {
                    let list = *list;
                    self.finish(list);
                    on_path.remove(list);
                    path.pop();
                }
            }
        }
    }

    fn finish(&mut self, list: &'a MailboxId) {
        let members = self.members.get(list).cloned().unwrap_or_default();
        let lists: Vec<&MailboxId> = members.iter().copied().filter(|member| self.members.contains_key(member)).collect();
        // A list that is not finished yet is on a circle with this one.
        let depths: Option<Vec<_>> = lists.iter().map(|inner| Some((self.finished.get(inner)?.depth?, *inner))).collect();
        let Some(depths) = depths else {
            self.finished.insert(list, Finished::default());
            return;
        };
        let (below, deepest) = depths.into_iter().max().map_or((0, None), |(depth, inner)| (depth, Some(inner)));
        self.finished.insert(list, Finished { depth: Some(below + 1), deepest });
        if below >= DEEPEST {
            let path = std::iter::successors(Some(list), |list| self.finished.get(list)?.deepest);
            let path = path.cloned().collect();
            self.found.too_deep.push(path);
        } else if let Some(mailboxes) = self.mailboxes_of(&members) {
            self.found.mailboxes.insert(list.clone(), mailboxes);
        } else {
            self.found.too_large.push(list.clone());
        }
    }

    /// Returns the mailboxes of a list with these members, each once; `None` if they are too many.
    fn mailboxes_of(&self, members: &[&MailboxId]) -> Option<Vec<MailboxId>> {
        let (mut seen, mut mailboxes) = (BTreeSet::new(), Vec::new());
        for member in members {
            let inner = if self.members.contains_key(member) {
                self.found.mailboxes.get(*member)?.as_slice()
            } else {
                std::slice::from_ref(*member)
            };
            for mailbox in inner {
                if seen.insert(mailbox) {
                    if mailboxes.len() == MOST_MAILBOXES {
                        return None;
                    }
                    mailboxes.push(mailbox.clone());
                }
            }
        }
        Some(mailboxes)
    }
}

/// How many lists may be one in the other.
pub(super) const DEEPEST: usize = 4;
/// The most mailboxes of a list, with those of the lists inside it.
pub(super) use crate::directory::MOST_MAILBOXES;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    fn list(number: &str, members: &[&str]) -> ListBuilder {
        ListBuilder { number: id(number), members: members.iter().map(|member| Some(id(member))).collect() }
    }

    fn ids(numbers: &[&str]) -> Vec<MailboxId> {
        numbers.iter().map(|number| id(number)).collect()
    }

    #[test]
    fn a_mailbox_on_several_nested_lists_is_there_once() {
        let lists = [list("900", &["1", "901", "902", "1"]), list("901", &["2", "902"]), list("902", &["3", "2", "1"])];
        let found = ExpandedLists::of(&lists);
        assert_eq!(found.mailboxes[&id("900")], ids(&["1", "2", "3"]));
        assert_eq!(found.mailboxes[&id("901")], ids(&["2", "3", "1"]));
        assert!(found.circles.is_empty() && found.too_deep.is_empty() && found.too_large.is_empty());
    }

    #[test]
    fn each_circle_is_found_whole_and_once() {
        let lists = [
            list("900", &["901"]),
            list("901", &["1", "902"]),
            list("902", &["903", "901"]),
            list("903", &["901", "1"]),
            list("904", &["904"]),
        ];
        let found = ExpandedLists::of(&lists);
        assert_eq!(found.circles, [ids(&["901", "902", "903", "901"]), ids(&["901", "902", "901"]), ids(&["904", "904"])]);
        assert!(found.mailboxes.is_empty() && found.too_deep.is_empty());
    }

    #[test]
    fn lists_are_nested_four_deep_at_most() {
        let chain: Vec<_> = (0..6_u32).map(|number| list(&(900 + number).to_string(), &[&*(901 + number).to_string()])).collect();
        let found = ExpandedLists::of(&chain);
        assert_eq!(found.mailboxes.len(), 4);
        assert_eq!(found.too_deep, [ids(&["901", "902", "903", "904", "905"]), ids(&["900", "901", "902", "903", "904", "905"])]);
        let endless: Vec<_> =
            (0..200_000_u32).map(|number| list(&(100_000 + number).to_string(), &[&*(100_001 + number).to_string()])).collect();
        assert_eq!(ExpandedLists::of(&endless[199_996..]).mailboxes.len(), 4);
    }

    #[test]
    fn a_list_has_a_thousand_mailboxes_at_most() {
        let numbers: Vec<String> = (10_000..11_001).map(|number| number.to_string()).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let (some, more, rest) =
            (list("901", &numbers[..360]), list("902", &numbers[300..660]), list("903", &numbers[660..1_000]));
        let all = ["901", "902", "903"];
        let fits = [list("900", &all), some.clone(), more.clone(), rest.clone()];
        assert_eq!(ExpandedLists::of(&fits).mailboxes[&id("900")].len(), 1_000);
        let one_more = [list("900", &["901", "902", "903", numbers[1_000]]), some, more, rest, list("899", &["900"])];
        let found = ExpandedLists::of(&one_more);
        assert_eq!(found.too_large, ids(&["900", "899"]));
    }
}
