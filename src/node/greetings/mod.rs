//! Greetings of a node: recorded at the central node, and played at the node that answers the call.
//!
//! # Which node needs which greeting
//!
//! The node of the mailbox's home PBX answers calls for the mailbox, so the greetings of a mailbox are sent to
//! [that node](crate::network::Network::greeting_node) if it is a distributed one, and to no other. Another distributed node that records a
//! message for the mailbox does not have its greetings, and plays the standard ones.
//!
//! # How a greeting reaches its node
//!
//! [`Node::greet`] writes it to stable storage at the central node. [`Node::run`] sends it to the node that needs it, at once, and tries
//! again until the node accepts it; a newer edition replaces one that waits. There is no queue that could be lost: the greetings that each
//! node needs follow from the network and from the greetings that are kept. After each start of the central node, after a change of the
//! network, and then once an hour, the central node offers each greeting to the node that needs it, in a mail without the sound. A node that
//! lacks the greeting, because it is new or has lost its disk, is then sent the whole greeting.
//!
//! A distributed node accepts greetings from the central node only, keeps them beside its spool, and plays them from there without asking
//! another node. The central node has to prove its name: a listener without [peers](crate::intake::Access::peers) accepts no greetings. An
//! edition dated more than a day ahead of the node's clock is refused, also from the central node.
//!
//! Central nodes that [share](super::NodeBuilder::greetings) one store of greetings play each new greeting at once. The node that recorded it
//! sends it on; should that node fail first, another one offers it within an hour.
//!
//! A greeting may have an [end](Node::greet_until). Each node obeys it by its own clock; a node of a version before ends plays the greeting
//! until the central node sends the removal, which it does when the end has come.

mod distribution_schedule;
mod error;
mod sender;
mod service;

pub use self::error::GreetError;
pub(super) use self::service::{GreetingService, MakeMailOut};
use chrono::{DateTime, Utc};

use super::Node;
use crate::greeting::{GreetingId, GreetingKind, GreetingVersion, Greetings};
use crate::message::{Audio, MailboxId};

impl Node {
    /// Keeps a greeting of `mailbox` for calls of the given `kind`, and sends it to the node that needs it. It is on stable storage when
    /// this returns.
    ///
    /// # Errors
    ///
    /// [`GreetError::NotCentral`], [`GreetError::NoSuchMailbox`], [`GreetError::UnreadableAudio`], [`GreetError::Empty`] and
    /// [`GreetError::TooBig`] are final; [`GreetError::Directory`] and [`GreetError::Store`] may pass. Nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call keeps the greeting or not. The same call again keeps it as a newer edition.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn save(node: &voicemail::node::Node, wav: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    /// use voicemail::greeting::GreetingKind;
    /// use voicemail::message::{Audio, AudioType};
    ///
    /// node.greet(&"2041".parse()?, GreetingKind::Normal, Audio::new(AudioType::Wav, wav)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn greet(&self, mailbox: &MailboxId, kind: GreetingKind, sound: Audio) -> Result<GreetingVersion, GreetError> {
        error::check(&sound)?;
        self.inner.greetings.record(GreetingId::new(mailbox.clone(), kind), Some(sound), None).await
    }

    /// Keeps a greeting of `mailbox` as [`greet`](Self::greet) does, with an end: from `until` on, [`greeting`](Self::greeting) and
    /// [`greetings`](Self::greetings) of every node report by the clock of that node that there is none, and soon afterwards the central
    /// node removes it everywhere. A central node whose clock is ahead removes it too early, so give it a clock that is compared with
    /// others, as an `SntpClock` is. The end is stored in whole seconds.
    ///
    /// # Errors
    ///
    /// As [`greet`](Self::greet).
    ///
    /// # Cancel safety
    ///
    /// As [`greet`](Self::greet).
    pub async fn greet_until(
        &self,
        mailbox: &MailboxId,
        kind: GreetingKind,
        sound: Audio,
        until: DateTime<Utc>,
    ) -> Result<GreetingVersion, GreetError> {
        error::check(&sound)?;
        self.inner.greetings.record(GreetingId::new(mailbox.clone(), kind), Some(sound), Some(until)).await
    }

    /// Removes a greeting of `mailbox`, here and at the node that has it.
    ///
    /// # Errors
    ///
    /// As [`greet`](Self::greet), except the errors that concern a sound.
    ///
    /// # Cancel safety
    ///
    /// A dropped call removes it or not. The same call again settles it.
    pub async fn clear_greeting(&self, mailbox: &MailboxId, kind: GreetingKind) -> Result<GreetingVersion, GreetError> {
        self.inner.greetings.record(GreetingId::new(mailbox.clone(), kind), None, None).await
    }

    /// Returns the newest greeting of `mailbox` that this node keeps, for calls of the given `kind`; `None` if there is none, it has ended, or
    /// its owner removed it. Asks no other node.
    ///
    /// # Errors
    ///
    /// [`GreetError::Store`] when the greeting cannot be read, or is damaged. Play a standard greeting then.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn greeting(&self, mailbox: &MailboxId, kind: GreetingKind) -> Result<Option<Audio>, GreetError> {
        self.inner.greetings.sound(&GreetingId::new(mailbox.clone(), kind)).await
    }

    /// Returns which greetings of `mailbox` this node keeps, for a [`CallerDialogue`](crate::telephone::CallerDialogue). Reads no sound. When the
    /// store of greetings does not answer, there are none, and callers hear the standard ones.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn greetings(&self, mailbox: &MailboxId) -> Greetings {
        self.inner.greetings.recorded(mailbox).await
    }
}
