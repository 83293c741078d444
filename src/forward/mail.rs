//! The way of any mail to anybody: the trait [`MailOut`].

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use super::{ForwardError, Outcome};
use crate::message::MailAddress;

/// Hands an Internet message to a mail server, for somebody who need not have a mailbox here.
///
/// # Contract
///
/// - **Answered for.** [`Outcome::Accepted`] means that the server has answered for the mail.
/// - **Unchanged.** The mail arrives as it was given, but for what servers add on the way.
/// - **Ends.** Every call ends within a bounded time, whatever the server does.
#[async_trait]
pub trait MailOut: Debug + Send + Sync + 'static {
    /// Hands over `mail`, which has lines of at most 998 ASCII characters, for `to`.
    ///
    /// # Errors
    ///
    /// A [`ForwardError`] when nothing is known to have been accepted.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have handed the mail over or not; the same call again may hand it over twice.
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError>;
}

/// Whom failures come back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// The node, by its own address.
    Node,
    /// Nobody: the mail is an answer of a machine, which must not be answered. The null return path.
    Nobody,
}

/// Passes every call on, so that a shared or boxed way out is one.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<M: MailOut + ?Sized> MailOut for $wrapper<M> {
            async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
                (**self).send(sender, to, mail).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
