//! The errors of rules: [`InvalidRules`], [`RulesTextError`] and [`RuleStoreError`].

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Content, RuleId, RulesVersion};
use crate::message::MailboxId;

/// Why rules are not valid for a mailbox: which rule and field, what was found, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRules {
    /// There are more than 16 rules.
    #[error("a mailbox has at most 16 rules; found {found}; remove some")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// Two rules have the same id.
    #[error("rule {id}: the id of a rule is unique in its mailbox; found it twice; rename one")]
    DuplicateId {
        /// The id.
        id: RuleId,
    },
    /// A rule removes a message whose sound it has not sent.
    #[error(
        "rule {id}: then = remove needs a mail with the sound; found content = {content}; make it content = copy, or then = heard"
    )]
    RemovesUnsent {
        /// The rule.
        id: RuleId,
        /// The content of its mail.
        content: Content,
    },
    /// A delay is longer than 7 days.
    #[error("rule {id}: a delay is 7 days at most; found {} seconds; shorten it", .found.as_secs())]
    DelayTooLong {
        /// The rule.
        id: RuleId,
        /// Its delay.
        found: Duration,
    },
    /// A rule has more than 32 hours in its timetable.
    #[error("rule {id}: a rule has at most 32 hours; found {found}; join some")]
    TooManyHours {
        /// The rule.
        id: RuleId,
        /// How many hours it has.
        found: usize,
    },
}

/// Why a text has no rules: in which line and field, what was found, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesTextError {
    /// The text is not of a version that can be read.
    #[error("line 1: rules begin with the line \"voicemail rules 1\"; found {found:?}; correct it, or update this program")]
    Version {
        /// The first line.
        found: String,
    },
    /// A line has no field that is known.
    #[error("line {line}: a line has one of the fields {known}; found {found:?}; correct or remove it")]
    UnknownField {
        /// The number of the line, from 1.
        line: usize,
        /// The fields that are known.
        known: String,
        /// The field that was found.
        found: String,
    },
    /// A value cannot be read.
    #[error("line {line}, {field}: {wanted}; found {found:?}; correct it")]
    Value {
        /// The number of the line, from 1.
        line: usize,
        /// The field.
        field: &'static str,
        /// The kind of value that is required.
        wanted: String,
        /// The value that was found.
        found: String,
    },
    /// A field that a rule has once is given twice.
    #[error("line {line}, {field}: a rule has this field once; found it again; remove one")]
    Twice {
        /// The number of the line, from 1.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// A field is missing.
    #[error("line {line}: a rule has the field {field}; found none; add it")]
    Missing {
        /// The number of the line in which the rule begins, from 1.
        line: usize,
        /// The field.
        field: &'static str,
    },
    /// The rules are not valid together.
    #[error(transparent)]
    Invalid(#[from] InvalidRules),
}

/// Why rules could not be loaded or saved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuleStoreError {
    /// The rules have changed since they were loaded. Load them again, and repeat the change.
    #[error("the rules of mailbox {mailbox} were changed meanwhile; load them again, and repeat the change")]
    Conflict {
        /// The mailbox.
        mailbox: MailboxId,
        /// The version of the rules that are there now; `None` if there are none.
        current: Option<RulesVersion>,
    },
    /// The stored rules cannot be read. Somebody has to correct or delete them.
    #[error("the stored rules of mailbox {mailbox} cannot be read; correct or delete them")]
    Damaged {
        /// The mailbox.
        mailbox: MailboxId,
        /// The fault.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The disk failed.
    #[error("the rules in {folder} cannot be read or written")]
    Disk {
        /// The folder of the rules.
        folder: PathBuf,
        /// The error of the file system.
        #[source]
        source: io::Error,
    },
    /// The medium of the store did not answer; the same call may succeed later.
    #[error("the store of rules is unavailable")]
    Unavailable(#[source] Box<dyn StdError + Send + Sync>),
}

impl RuleStoreError {
    /// Whether the same call, unchanged, may succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Disk { .. } | Self::Unavailable(_) => true,
            Self::Conflict { .. } | Self::Damaged { .. } => false,
        }
    }
}
