//! [`OwnerRules`]: which rules of a mailbox are in force, and changes of them by the owner.

use std::sync::Arc;

use crate::directory::{Directory, DirectoryError, Owner};
use crate::message::MailboxId;
use crate::rules::{ArrivalRules, RuleStore, RuleStoreError, RulesVersion};

/// Finds the rules of a mailbox that are in force, and changes them for an owner who may do so.
///
/// Those of the rule store are in force; a mailbox that has none there has those of the [directory](Owner::rules).
///
/// ```
/// use voicemail::arrival::mail::{OwnerRules, OwnerRulesError};
/// use voicemail::message::MailboxId;
/// use voicemail::rules::ArrivalRules;
///
/// /// Switches all mails of an owner off.
/// async fn no_mail(rules: &OwnerRules, mailbox: &MailboxId) -> Result<(), OwnerRulesError> {
///     let current = rules.in_force(mailbox).await?;
///     rules.change(mailbox, Some(&ArrivalRules::default()), current.own).await?;
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct OwnerRules {
    directory: Arc<dyn Directory>,
    store: Option<Arc<dyn RuleStore>>,
}

impl OwnerRules {
    /// The rules of `directory`, which nobody can change.
    pub fn new(directory: impl Directory) -> Self {
        Self { directory: Arc::new(directory), store: None }
    }

    /// The same rules, and those of owners who have changed theirs in `store`.
    #[must_use]
    pub fn with_store(self, store: impl RuleStore) -> Self {
        Self { store: Some(Arc::new(store)), ..self }
    }

    /// Returns the rules of `mailbox` that are in force.
    ///
    /// # Errors
    ///
    /// [`OwnerRulesError::NoSuchMailbox`], [`OwnerRulesError::Directory`] and [`OwnerRulesError::Store`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub async fn in_force(&self, mailbox: &MailboxId) -> Result<RulesInForce, OwnerRulesError> {
        let owner = self.owner(mailbox).await?;
        let stored = match &self.store {
            Some(store) => store.load(mailbox).await?,
            None => None,
        };
        let (rules, own) = match stored {
            Some(stored) => (stored.rules, Some(stored.version)),
            None => (owner.rules.clone(), None),
        };
        Ok(RulesInForce { owner, rules, own })
    }

    /// Replaces the owner's own rules, if they still have the version `expected`: that of [`RulesInForce::own`]. Without `rules`, those of the
    /// directory are in force again. Returns the new version.
    ///
    /// An operator changes rules by the [`RuleStore`] itself, which asks for no permission.
    ///
    /// # Errors
    ///
    /// [`OwnerRulesError::NotAllowed`] if the owner may not change rules, or there is no store for them; [`OwnerRulesError::Store`] with a conflict
    /// if they were changed meanwhile; else as [`in_force`](Self::in_force).
    ///
    /// # Cancel safety
    ///
    /// As for [`RuleStore::replace`].
    pub async fn change(
        &self,
        mailbox: &MailboxId,
        rules: Option<&ArrivalRules>,
        expected: Option<RulesVersion>,
    ) -> Result<Option<RulesVersion>, OwnerRulesError> {
        let may = self.owner(mailbox).await?.may_change_rules;
        let store = self.store.as_ref().filter(|_| may).ok_or_else(|| OwnerRulesError::NotAllowed(mailbox.clone()))?;
        Ok(store.replace(mailbox, rules, expected).await?)
    }

    /// Returns the owner of `mailbox`.
    pub(super) async fn owner(&self, mailbox: &MailboxId) -> Result<Owner, OwnerRulesError> {
        self.directory.find(mailbox).await?.ok_or_else(|| OwnerRulesError::NoSuchMailbox(mailbox.clone()))
    }
}

/// The rules of a mailbox that are in force.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RulesInForce {
    /// The owner of the mailbox.
    pub owner: Owner,
    /// The rules.
    pub rules: ArrivalRules,
    /// The version of the rules if they are the owner's own; `None` if they are those of the directory.
    pub own: Option<RulesVersion>,
}

/// Why rules could not be found or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerRulesError {
    /// The directory has no such mailbox.
    #[error("no mailbox {0}")]
    NoSuchMailbox(MailboxId),
    /// The owner may not change rules.
    #[error("the owner of mailbox {0} may not change rules")]
    NotAllowed(MailboxId),
    /// The directory failed.
    #[error("the owner cannot be looked up")]
    Directory(#[from] DirectoryError),
    /// The store of rules failed.
    #[error(transparent)]
    Store(#[from] RuleStoreError),
}

impl OwnerRulesError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoSuchMailbox(_) | Self::NotAllowed(_) => false,
            Self::Directory(error) => error.is_transient(),
            Self::Store(error) => error.is_transient(),
        }
    }
}
