//! [`RuleStore`]: keeps the rules that owners have changed.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

use super::{ArrivalRules, RuleStoreError, RulesVersion};
use crate::message::MailboxId;

/// Keeps the rules that owners have changed. A mailbox without any here has those of the directory.
///
/// # Contract
///
/// - **Kept.** After `Ok`, a change survives a restart of the process, and of the machine if the store is durable at all.
/// - **Whole.** Rules are loaded as they were saved, or not at all.
/// - **Expected.** A change is made only while the rules have the version that its maker expects. Of two changes with one expected version, one is
///   made, and the other answers [`RuleStoreError::Conflict`].
/// - **Listed.** Each mailbox that has rules is listed once, in the order of the values, so that a page begins behind any mailbox.
///
/// [`conformance::rules`](crate::conformance::rules) tests what can be seen from outside.
#[async_trait]
pub trait RuleStore: Debug + Send + Sync + 'static {
    /// Returns the rules of `mailbox` with their version; `None` if there are none here. Rules that are empty are some: they mean that no mail is
    /// sent.
    ///
    /// # Errors
    ///
    /// A [`RuleStoreError`], but no conflict.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError>;

    /// Replaces the rules of `mailbox`, if they have the version `expected`: `None` if there are none. Without `rules`, those of the directory
    /// are in force again. Returns the new version.
    ///
    /// # Errors
    ///
    /// [`RuleStoreError::Conflict`] if the rules have another version, and have not changed; all others may pass, and the change may have been made
    /// all the same.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed the rules or not. Load them to find out.
    async fn replace(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<Option<RulesVersion>, RuleStoreError>;

    /// Lists up to `limit` mailboxes that have rules here, in order, beginning behind `after`; fewer only if there are no more.
    ///
    /// # Errors
    ///
    /// A [`RuleStoreError`], but no conflict. Rules that are damaged are listed without an error.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, RuleStoreError>;
}

/// Rules as a store has them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRules {
    /// The rules.
    pub rules: ArrivalRules,
    /// Their version.
    pub version: RulesVersion,
}

impl StoredRules {
    /// These rules, with their own version.
    pub fn new(rules: ArrivalRules) -> Self {
        let version = rules.version();
        Self { rules, version }
    }
}

/// Implements [`RuleStore`] for a shared or boxed store, by passing every call on.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<S: RuleStore + ?Sized> RuleStore for $wrapper<S> {
            async fn load(&self, mailbox: &MailboxId) -> Result<Option<StoredRules>, RuleStoreError> {
                (**self).load(mailbox).await
            }

            async fn replace(
                &self,
                mailbox: &MailboxId,
                rules: Option<&ArrivalRules>,
                expected: Option<RulesVersion>,
            ) -> Result<Option<RulesVersion>, RuleStoreError> {
                (**self).replace(mailbox, rules, expected).await
            }

            async fn mailboxes(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<MailboxId>, RuleStoreError> {
                (**self).mailboxes(after, limit).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
