//! Greetings at a node: recorded at the central one, and said wherever calls are answered.
//!
//! # Which node needs which greeting
//!
//! A call to a mailbox that nobody answers is answered by the node of the mailbox's home PBX, so the greetings of a mailbox go to
//! [that node](crate::network::Network::greeting_node) if it is a distributed one, and to no other. Another distributed node that takes
//! a message for the mailbox has none of its greetings, and uses the usual words.
//!
//! # The way of a greeting
//!
//! [`Node::greet`] puts it on stable storage at the central node. [`Node::run`] sends it to the node that needs it: at once, and then
//! again for as long as it takes; while it waits, a newer edition takes its place. There is no queue to lose: what each node needs follows
//! from the network and from the greetings that are kept. After each start of the central node, after a change of the network, and then
//! once an hour, it offers each greeting to the node that needs it, in a mail without the sound; a node that does not have it, because it is
//! new there or has lost its disk, is sent it whole.
//!
//! A distributed node takes greetings from the central node alone, keeps them with its spool, and answers a call from there, without
//! asking another node. The central node has to prove its name: a listener without [peers](crate::intake::Access::peers) takes no
//! greetings. An edition dated more than a day ahead of the node's clock is refused, also from the central node.

mod courier;
mod desk;
mod error;
mod rounds;

pub(super) use self::desk::{GreetingDesk, MakeWay};
pub use self::error::GreetError;
use super::Node;
use crate::greeting::{GreetingId, GreetingKind, GreetingVersion, Greetings};
use crate::message::{Audio, MailboxId};

impl Node {
    /// Keeps what the owner of `mailbox` has recorded as their greeting, for the calls that `kind` says, and has it sent to the node that
    /// needs it. It is on stable storage when this answers.
    ///
    /// # Errors
    ///
    /// [`GreetError::NotCentral`], [`GreetError::NoSuchMailbox`], [`GreetError::UnreadableAudio`], [`GreetError::Empty`] and
    /// [`GreetError::TooBig`] are final; [`GreetError::Directory`] and [`GreetError::Book`] may pass. Nothing has changed then.
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
        self.inner.greetings.record(GreetingId::new(mailbox.clone(), kind), Some(sound)).await
    }

    /// Removes a greeting of `mailbox`, here and at the node that has it.
    ///
    /// # Errors
    ///
    /// As [`greet`](Self::greet), of which none concerns a sound.
    ///
    /// # Cancel safety
    ///
    /// A dropped call removes it or not. The same call again settles it.
    pub async fn clear_greeting(&self, mailbox: &MailboxId, kind: GreetingKind) -> Result<GreetingVersion, GreetError> {
        self.inner.greetings.record(GreetingId::new(mailbox.clone(), kind), None).await
    }

    /// What the owner of `mailbox` says to the callers that `kind` says: the newest greeting that is kept at this node, whatever other
    /// nodes do just now. `None` if there is none, or the owner removed it.
    ///
    /// # Errors
    ///
    /// [`GreetError::Book`] when the disk does not give it, or gives something else. The usual words will do then.
    ///
    /// # Cancel safety
    ///
    /// It changes nothing.
    pub async fn greeting(&self, mailbox: &MailboxId, kind: GreetingKind) -> Result<Option<Audio>, GreetError> {
        let greeting = self.inner.greetings.read(&GreetingId::new(mailbox.clone(), kind)).await?;
        Ok(greeting.and_then(|greeting| greeting.sound().cloned()))
    }

    /// Which greetings of `mailbox` there are at this node, for a [`CallerDialogue`](crate::telephone::CallerDialogue). It reads no disk.
    pub fn greetings(&self, mailbox: &MailboxId) -> Greetings {
        self.inner.greetings.recorded(mailbox)
    }
}
