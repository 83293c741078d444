//! [`MailTemplate`]: the words of a mail.

use std::fmt::Debug;
use std::sync::Arc;

use super::words::OwnerMailWords;
use super::{MailFacts, NoSound};
use crate::message::{Caller, mail_text};

/// Writes the words of the mails to owners.
///
/// A text may contain anything: characters that would end a line of a header, and all other control characters, are replaced before a mail is made of
/// it, and what is too long is cut off.
pub trait MailTemplate: Debug + Send + Sync + 'static {
    /// Returns the subject, of which at most 250 characters are sent.
    fn subject(&self, facts: &MailFacts<'_>) -> String;

    /// Returns the text of a mail with or without the sound.
    fn text(&self, facts: &MailFacts<'_>) -> String;

    /// Returns the text of an alert, of which at most 160 characters are sent.
    fn alert(&self, facts: &MailFacts<'_>) -> String;

    /// Returns the name of the sender, which stands before the address, and of which at most 100 characters are sent.
    fn sender(&self, facts: &MailFacts<'_>) -> String;
}

/// The template of which mails are made by default: in the language of the owner if it is `en`, `de`, `fr`, `es` or `it`, and else in English.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct StandardTemplate;

impl MailTemplate for StandardTemplate {
    /// `Voice message from NAME NUMBER, 0:42`; `Urgent: …` for an urgent message.
    fn subject(&self, facts: &MailFacts<'_>) -> String {
        mail_text::subject(facts.head, facts.language, facts.head.length)
    }

    /// The facts about the call on a line each; then the transcript, or why the mail has no sound.
    fn text(&self, facts: &MailFacts<'_>) -> String {
        let words = OwnerMailWords::of(facts.language);
        let mut pieces = vec![mail_text::text(facts.head, facts.zone, facts.language, facts.head.length)];
        if let Some(site) = &facts.head.site {
            pieces.push(format!("{}{site}\n", words.pbx));
        }
        pieces.push(format!("{}{}\n", words.mailbox, facts.mailbox));
        if let Some(no_sound) = facts.no_sound {
            let why = match no_sound {
                NoSound::NotWanted => words.sound_in_mailbox,
                NoSound::TooLarge => words.sound_too_large,
            };
            pieces.push(format!("\n{why}\n"));
        }
        if let Some(transcript) = facts.transcript {
            pieces.push(format!("\n{}\n\n{transcript}\n", words.transcript));
        }
        pieces.concat()
    }

    /// The subject, and the time of the recording.
    fn alert(&self, facts: &MailFacts<'_>) -> String {
        let time = facts.recorded_at().local().format("%Y-%m-%d %H:%M").to_string();
        let subject: String = self.subject(facts).chars().take(MAX_ALERT_CHARS - time.len() - 2).collect();
        format!("{subject}, {time}")
    }

    /// `NAME via voicemail`; the number without a name.
    fn sender(&self, facts: &MailFacts<'_>) -> String {
        let words = OwnerMailWords::of(facts.language);
        let Caller { name, number, .. } = &facts.head.caller;
        let caller = name.as_ref().map(ToString::to_string).or(number.as_ref().map(ToString::to_string));
        format!("{} {}", caller.as_deref().unwrap_or(words.unknown), words.via_voicemail)
    }
}

#[deny(clippy::missing_trait_methods)]
impl<T: MailTemplate + ?Sized> MailTemplate for Arc<T> {
    fn subject(&self, facts: &MailFacts<'_>) -> String {
        (**self).subject(facts)
    }

    fn text(&self, facts: &MailFacts<'_>) -> String {
        (**self).text(facts)
    }

    fn alert(&self, facts: &MailFacts<'_>) -> String {
        (**self).alert(facts)
    }

    fn sender(&self, facts: &MailFacts<'_>) -> String {
        (**self).sender(facts)
    }
}

/// The most characters of an alert, as in a short message of GSM 03.38.
pub(super) const MAX_ALERT_CHARS: usize = 160;
