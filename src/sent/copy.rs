//! [`copy_sent`]: the lists of sent messages on their way from one store to another.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use chrono::{DateTime, Utc};

use super::{SentMessage, SentStore, SentStoreError};
use crate::message::{MailboxId, MessageId};
use crate::pages::Pages;

/// The numbers of sent messages that [`copy_sent`] has copied or left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedSent {
    /// How many messages were copied, or merged with those of the target, and read back.
    pub copied: u64,
    /// How many messages were in the target already, with the same states or later ones, or are older than 500 others of their owner.
    pub unchanged: u64,
    /// The messages that the target does not give back as they were copied, with their owners.
    pub missing: Vec<(MailboxId, MessageId)>,
}

impl CopiedSent {
    /// Whether the target has all messages of the source that it keeps by its contract.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty()
    }
}

impl fmt::Display for CopiedSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent messages copied, {} unchanged, {} faults", self.copied, self.unchanged, self.missing.len())
    }
}

/// Copies the sent messages of all owners that are kept at `now`. A message that the target has, too, is [merged](SentMessage::merge): no state goes
/// back. Of the messages of an owner in both stores, the newest 500 are in the target then.
///
/// A page of owners and the messages of one owner are in memory. The call can be repeated until no node uses the source any more; what is the same already is
/// not written.
///
/// # Errors
///
/// [`SentStoreError`] if one of the stores fails; the same call goes on.
///
/// # Cancel safety
///
/// A dropped call has copied some messages, each of them whole. The same call again copies the rest.
pub async fn copy_sent<S, T>(source: &S, target: &T, now: DateTime<Utc>) -> Result<CopiedSent, SentStoreError>
where
    S: SentStore + ?Sized,
    T: SentStore + ?Sized,
{
    let mut copied = CopiedSent::default();
    let mut owners = Pages::new(PAGE);
    loop {
        if owners.is_due() {
            owners.fill_keys(source.owners(owners.last(), PAGE).await?);
        }
        let Some(owner) = owners.next_key() else { return Ok(copied) };
        let messages = source.list(&owner, now).await?;
        let lacking = lacking(target, &owner, &messages, now).await?;
        copied.unchanged += count(messages.len() - lacking.len());
        // The oldest first: so no message that is copied pushes a newer one out.
        for message in lacking.iter().rev() {
            target.record(&owner, message).await?;
        }
        if !lacking.is_empty() {
            let missing = self::lacking(target, &owner, &lacking, now).await?;
            copied.copied += count(lacking.len() - missing.len());
            copied.missing.extend(missing.into_iter().map(|message| (owner.clone(), message.id)));
        }
    }
}

/// Those of the `messages` that the store does not have, or has with earlier states; but only those that it keeps, the newest 500 of all.
async fn lacking<T: SentStore + ?Sized>(
    store: &T,
    owner: &MailboxId,
    messages: &[SentMessage],
    now: DateTime<Utc>,
) -> Result<Vec<SentMessage>, SentStoreError> {
    let listed = store.list(owner, now).await?;
    let there: BTreeMap<MessageId, &SentMessage> = listed.iter().map(|message| (message.id, message)).collect();
    let new = messages.iter().filter(|message| !there.contains_key(&message.id));
    let mut newest: Vec<_> = listed.iter().chain(new).map(|message| (message.sent_at, message.id)).collect();
    newest.sort_unstable_by(|one, other| other.cmp(one));
    let kept: HashSet<MessageId> = newest.into_iter().take(SentMessage::MAX_KEPT).map(|(_, id)| id).collect();
    let is_there = |message: &SentMessage| {
        there.get(&message.id).is_some_and(|known| {
            let mut merged = (*known).clone();
            merged.merge(message);
            merged == **known
        })
    };
    Ok(messages.iter().filter(|message| kept.contains(&message.id) && !is_there(message)).cloned().collect())
}

fn count(messages: usize) -> u64 {
    u64::try_from(messages).unwrap_or(u64::MAX)
}

/// How many owners are in memory.
const PAGE: usize = 1000;

#[cfg(feature = "fs")]
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::disk::{PowerCutDisk, Unsynced};
    use crate::message::Disposition;
    use crate::sent::{SentCopy, SentFolder, SentState};

    const HEARD: SentState = SentState::Ended { disposition: Disposition::Played, at: DateTime::UNIX_EPOCH };

    async fn open(disk: &PowerCutDisk) -> SentFolder {
        SentFolder::open(disk.clone(), "/sent").await.unwrap()
    }

    fn mailbox(number: &str) -> MailboxId {
        number.parse().unwrap()
    }

    /// A message that was sent so many seconds after 1970.
    fn message(n: u16, second: i64, state: SentState) -> SentMessage {
        let mut bytes = [0; 16];
        bytes[..2].copy_from_slice(&n.to_be_bytes());
        let (id, at) = (MessageId::from_bytes(bytes), DateTime::from_timestamp(second, 0).unwrap());
        SentMessage::new(id, at, Duration::from_secs(3), vec![SentCopy::new(mailbox("2002"), id, state)])
    }

    async fn filled(there: impl IntoIterator<Item = (&str, SentMessage)>) -> (PowerCutDisk, SentFolder) {
        let disk = PowerCutDisk::new();
        let store = open(&disk).await;
        for (owner, message) in there {
            store.record(&mailbox(owner), &message).await.unwrap();
        }
        (disk, store)
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(10_000, 0).unwrap()
    }

    #[tokio::test]
    async fn messages_are_merged_and_nothing_of_the_target_is_lost() {
        let (one, two) = (message(1, 1_000, SentState::Delivered), message(2, 2_000, HEARD));
        let (_, source) = filled([("2041", one.clone()), ("2041", two.clone()), ("2042", one.clone())]).await;
        let (there, three) = (message(2, 2_000, SentState::Sending), message(3, 3_000, SentState::Delivered));
        let heard = message(1, 1_000, HEARD);
        let (_, target) = filled([("2041", there), ("2041", three.clone()), ("2042", heard.clone())]).await;
        let copied = copy_sent(&source, &target, now()).await.unwrap();
        assert_eq!(copied.to_string(), "2 sent messages copied, 1 unchanged, 0 faults");
        assert_eq!(target.list(&mailbox("2041"), now()).await.unwrap(), [three, two, one]);
        assert_eq!(target.list(&mailbox("2042"), now()).await.unwrap(), [heard], "a state went back");
        let again = copy_sent(&source, &target, now()).await.unwrap();
        assert_eq!((again.copied, again.unchanged, again.is_clean()), (0, 3, true));
    }

    #[tokio::test]
    async fn the_newest_of_both_stores_stay() {
        let sent = |numbers: std::ops::Range<u16>| numbers.map(|n| ("2041", message(n, n.into(), SentState::Delivered)));
        let (_, source) = filled(sent(0..40)).await;
        let (_, target) = filled(sent(20..500)).await;
        let first = copy_sent(&source, &target, now()).await.unwrap();
        assert_eq!((first.copied, first.unchanged), (20, 20));
        target.record(&mailbox("2041"), &message(500, 500, SentState::Delivered)).await.unwrap();
        let again = copy_sent(&source, &target, now()).await.unwrap();
        assert_eq!((again.copied, again.unchanged, again.is_clean()), (0, 40, true), "a message came back for a newer one");
    }

    #[tokio::test]
    async fn a_copy_that_was_cut_off_goes_on() {
        let (one, two) = (message(1, 1_000, SentState::Delivered), message(2, 2_000, HEARD));
        let (_, source) = filled([("2041", one.clone()), ("2041", two.clone()), ("2042", two.clone())]).await;
        for operations in 0.. {
            let (disk, target) = filled([("2041", message(2, 2_000, SentState::Sending))]).await;
            disk.power_off_after(operations);
            let stopped = copy_sent(&source, &target, now()).await.is_err();
            disk.power_cut(Unsynced::Forgotten);
            let target = open(&disk).await;
            assert!(copy_sent(&source, &target, now()).await.unwrap().is_clean());
            assert_eq!(target.list(&mailbox("2041"), now()).await.unwrap(), [two.clone(), one.clone()], "after {operations}");
            assert_eq!(target.list(&mailbox("2042"), now()).await.unwrap(), std::slice::from_ref(&two), "after {operations}");
            if !stopped {
                assert!(operations > 5);
                break;
            }
        }
    }
}
