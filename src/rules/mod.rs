//! Rules of owners for the messages that arrive in their mailboxes: which mail is sent, to whom and when, and what becomes of the message.
//!
//! An [`ArrivalRule`] is data. The rules of a mailbox are [`ArrivalRules`], from a network description, a [`RuleStore`] or the program. The
//! step [`MailStep`](crate::arrival::mail::MailStep) of a central node follows them.
//!
//! The module [`arrival`](crate::arrival) lists the options of other systems, and those that are left out, with the reasons.
//!
//! # As text
//!
//! A [`RuleStore`] keeps the rules of a mailbox in this form, which a person can read and change. Only `rule`, `content` and the first line must be
//! there; `ArrivalRules` has methods that write and read it.
//!
//! ```
//! use voicemail::rules::ArrivalRules;
//!
//! let text = "\
//! voicemail rules 1
//!
//! rule office
//! content copy
//! to anna@example.com
//! when urgent
//! time mon-fri 08:00-18:00
//! time sat 22:00-02:00
//! delay 600
//! then heard
//! private send
//! sound stored
//! ";
//! let rules = ArrivalRules::from_text(text)?;
//! assert_eq!(rules.len(), 1);
//! assert_eq!(rules.to_text(), text);
//!
//! let error = ArrivalRules::from_text("voicemail rules 1\n\nrule office\ncontent fax\n").unwrap_err();
//! assert_eq!(error.to_string(), "line 4, content: a rule's content is one of copy, notice, alert; found \"fax\"; correct it");
//! # Ok::<(), voicemail::rules::RulesTextError>(())
//! ```

mod choices;
mod copy;
mod error;
#[cfg(feature = "fs")]
mod folder;
mod id;
mod list;
mod rule;
mod store;
mod text_form;
mod time_span;
mod timetable;
mod version;

pub use self::choices::{Content, MessageFilter, PrivateMessages, RuleRecipient, SoundForm, Then, UnknownChoice};
pub use self::copy::{CopiedRules, copy_rules};
pub use self::error::{InvalidRules, RuleStoreError, RulesTextError};
#[cfg(feature = "fs")]
pub use self::folder::FolderRules;
pub use self::id::{InvalidRuleId, RuleId};
pub use self::list::ArrivalRules;
pub use self::rule::ArrivalRule;
pub use self::store::{RuleStore, StoredRules};
pub use self::time_span::{InvalidTimeSpan, TimeSpan};
pub use self::timetable::Timetable;
pub use self::version::{InvalidRulesVersion, RulesVersion};
