//! The mails to owners: the step [`MailStep`] sends those that the [rules](crate::rules) of owners want.
//!
//! [`OwnerRules`] finds the rules in force, and changes them for owners. A [`MailTemplate`] has the words of the mails.

mod builder;
mod compose;
mod error;
mod facts;
mod file_name;
mod owner_rules;
mod sound;
mod step;
mod template;
mod warning;
mod words;

pub use self::builder::MailStepBuilder;
pub(crate) use self::compose::Envelope;
pub use self::error::MailStepError;
pub use self::facts::{MailFacts, NoSound};
pub use self::owner_rules::{OwnerRules, OwnerRulesError, RulesInForce};
pub use self::step::MailStep;
pub use self::template::{MailTemplate, StandardTemplate};
pub(crate) use self::warning::{age_warning, room_warning};
