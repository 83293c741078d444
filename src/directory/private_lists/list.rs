//! [`PrivateList`]: a list that an owner keeps, with its [`ListNumber`].

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use crate::message::MailboxId;

/// A list of an owner's own: 1 to 360 members, each once, under a number and a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateList {
    number: ListNumber,
    name: String,
    members: Vec<MailboxId>,
}

impl PrivateList {
    /// A list of these members: mailboxes and distribution lists, but no private ones. Of a name, the first 60 characters are kept, without control
    /// characters.
    ///
    /// # Errors
    ///
    /// [`InvalidListMembers`] if there are none or more than 360 different ones.
    pub fn new(
        number: ListNumber,
        name: impl AsRef<str>,
        members: impl IntoIterator<Item = MailboxId>,
    ) -> Result<Self, InvalidListMembers> {
        let mut seen = HashSet::new();
        let members: Vec<MailboxId> = members.into_iter().filter(|member| seen.insert(member.clone())).collect();
        if !(1..=MOST_MEMBERS).contains(&members.len()) {
            return Err(InvalidListMembers);
        }
        let name: String = name.as_ref().chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
        Ok(Self { number, name: name.trim().to_owned(), members })
    }

    /// The number by which its owner addresses it.
    pub fn number(&self) -> ListNumber {
        self.number
    }

    /// The name; empty if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The members, in the order in which they were given.
    pub fn members(&self) -> &[MailboxId] {
        &self.members
    }
}

/// The number of a private list: 1 to 20.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListNumber(u8);

impl ListNumber {
    /// All numbers.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=MOST_LISTS).map(Self)
    }
}

impl TryFrom<u8> for ListNumber {
    type Error = InvalidListNumber;

    fn try_from(number: u8) -> Result<Self, InvalidListNumber> {
        if (1..=MOST_LISTS).contains(&number) { Ok(Self(number)) } else { Err(InvalidListNumber) }
    }
}

impl FromStr for ListNumber {
    type Err = InvalidListNumber;

    fn from_str(text: &str) -> Result<Self, InvalidListNumber> {
        let number: u8 = text.parse().map_err(|_| InvalidListNumber)?;
        if text == number.to_string() { number.try_into() } else { Err(InvalidListNumber) }
    }
}

impl fmt::Display for ListNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that no private list has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of a private list is 1 to 20")]
#[non_exhaustive]
pub struct InvalidListNumber;

/// Members that make no private list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a private list has 1 to 360 members")]
#[non_exhaustive]
pub struct InvalidListMembers;

/// The most mailboxes of a list, with those of the lists on it.
pub(crate) const MOST_MAILBOXES: usize = 1_000;
/// The most lists of an owner, and the most members of one, as in Intuity.
const MOST_LISTS: u8 = 20;
const MOST_MEMBERS: usize = 360;
const LONGEST_NAME: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_1_to_20_written_one_way() {
        assert_eq!("20".parse().map(|number: ListNumber| number.to_string()), Ok("20".to_owned()));
        for not in ["0", "21", "07", "+7", "", "x", "256"] {
            assert_eq!(not.parse::<ListNumber>(), Err(InvalidListNumber), "{not}");
        }
    }

    #[test]
    fn a_list_has_1_to_360_members_each_once() {
        let list = |count: u32| {
            let members =
                (0..count).flat_map(|number| [number, number]).map(|number| (1_000 + number).to_string().parse().unwrap());
            PrivateList::new(ListNumber(1), "a\nname", members)
        };
        assert_eq!(list(360).map(|list| (list.members().len(), list.name().to_owned())), Ok((360, "aname".to_owned())));
        assert_eq!((list(0), list(361)), (Err(InvalidListMembers), Err(InvalidListMembers)));
    }
}
