//! [`room_warning`] and [`age_warning`]: the mails that warn an owner before it is too late.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId as MessageIdField;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::compose::Envelope;
use crate::directory::Owner;
use crate::message::{Language, MailboxId, Stamp};
use crate::store::{MailboxRoom, MailboxUsage};
use crate::wire::readable_text;

/// Returns the mail in the owner's language: how full the mailbox is, and what the owner can do.
pub(crate) fn room_warning(
    envelope: Envelope<'_>,
    owner: &Owner,
    mailbox: &MailboxId,
    (room, usage): (MailboxRoom, &MailboxUsage),
    now: DateTime<Utc>,
) -> Bytes {
    let words = Words::of(owner.language.as_ref());
    let (subject, sentence) = match room {
        MailboxRoom::None => (words.full, words.takes_none),
        MailboxRoom::Little | MailboxRoom::Enough => (words.nearly_full, words.soon_takes_none),
    };
    let mut lines = vec![format!("{} ({mailbox}).", subject), sentence.to_owned()];
    lines.extend(usage.percent().map(|percent| format!("{}{} %", words.used, percent.min(100))));
    lines.extend([words.remove.to_owned(), String::new()]);
    written(envelope, owner, &format!("{subject} ({mailbox})"), &lines, now)
}

/// Returns the mail in the owner's language: that `messages` will be removed within `days`.
pub(crate) fn age_warning(
    envelope: Envelope<'_>,
    owner: &Owner,
    mailbox: &MailboxId,
    (messages, days): (usize, u16),
    now: DateTime<Utc>,
) -> Bytes {
    let words = Words::of(owner.language.as_ref());
    let lines = vec![
        format!("{} ({mailbox}).", words.expire),
        format!("{}{messages}", words.messages),
        format!("{}{days}", words.within_days),
        String::new(),
    ];
    written(envelope, owner, &format!("{} ({mailbox})", words.expire), &lines, now)
}

fn written(envelope: Envelope<'_>, owner: &Owner, subject: &str, lines: &[String], now: DateTime<Utc>) -> Bytes {
    let Envelope { from, to, node, key } = envelope;
    let text = ContentType::new("text/plain").attribute("charset", "utf-8");
    let mut written = Vec::new();
    MessageBuilder::new()
        .header("MIME-Version", Raw::new("1.0"))
        .header("Message-ID", MessageIdField::new(format!("{key}.warning@{node}")))
        .header("Date", Raw::new(Stamp::new(now, owner.zone).to_rfc5322()))
        .header("From", Address::new_address(Some("Voicemail"), from.as_str()))
        .header("To", Address::new_address(None::<&str>, to.as_str()))
        .header("Subject", Raw::new(readable_text(subject)))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("List-Id", Raw::new(format!("<voicemail.{}>", from.domain())))
        .body(MimePart::new(text, BodyPart::Text(lines.join("\r\n").into())))
        .serialize(&mut written);
    written.into()
}

/// The words of one language.
struct Words {
    /// The primary subtag of the language, RFC 5646.
    language: &'static str,
    nearly_full: &'static str,
    full: &'static str,
    soon_takes_none: &'static str,
    takes_none: &'static str,
    /// The words before the percentage that is used.
    used: &'static str,
    remove: &'static str,
    expire: &'static str,
    /// The words before the number of messages that will be removed.
    messages: &'static str,
    /// The words before the number of days until then.
    within_days: &'static str,
}

impl Words {
    /// Returns the words of `language`, or the English ones if it is unknown or has none here.
    fn of(language: Option<&Language>) -> &'static Self {
        let wanted = language.map_or("en", Language::primary);
        ALL.iter().find(|words| words.language == wanted).unwrap_or(&ALL[0])
    }
}

static ALL: [Words; 5] = [
    Words {
        language: "en",
        nearly_full: "Your mailbox is nearly full",
        full: "Your mailbox is full",
        soon_takes_none: "Soon it takes no more messages.",
        takes_none: "It takes no more messages.",
        used: "Used: ",
        remove: "Please remove messages that you no longer need.",
        expire: "Voice messages will be removed soon",
        messages: "Messages: ",
        within_days: "Within days: ",
    },
    Words {
        language: "de",
        nearly_full: "Ihre Mailbox ist fast voll",
        full: "Ihre Mailbox ist voll",
        soon_takes_none: "Bald nimmt sie keine Nachrichten mehr an.",
        takes_none: "Sie nimmt keine Nachrichten mehr an.",
        used: "Belegt: ",
        remove: "Bitte löschen Sie Nachrichten, die Sie nicht mehr brauchen.",
        expire: "Sprachnachrichten werden bald gelöscht",
        messages: "Nachrichten: ",
        within_days: "Innerhalb von Tagen: ",
    },
    Words {
        language: "fr",
        nearly_full: "Votre boîte vocale est presque pleine",
        full: "Votre boîte vocale est pleine",
        soon_takes_none: "Bientôt, elle n’acceptera plus de messages.",
        takes_none: "Elle n’accepte plus de messages.",
        used: "Utilisé : ",
        remove: "Merci de supprimer les messages dont vous n’avez plus besoin.",
        expire: "Des messages vocaux seront bientôt supprimés",
        messages: "Messages : ",
        within_days: "Dans un délai en jours : ",
    },
    Words {
        language: "es",
        nearly_full: "Su buzón de voz está casi lleno",
        full: "Su buzón de voz está lleno",
        soon_takes_none: "Pronto no aceptará más mensajes.",
        takes_none: "No acepta más mensajes.",
        used: "Usado: ",
        remove: "Por favor, elimine los mensajes que ya no necesite.",
        expire: "Pronto se eliminarán mensajes de voz",
        messages: "Mensajes: ",
        within_days: "En un plazo de días: ",
    },
    Words {
        language: "it",
        nearly_full: "La sua casella vocale è quasi piena",
        full: "La sua casella vocale è piena",
        soon_takes_none: "Presto non accetterà altri messaggi.",
        takes_none: "Non accetta altri messaggi.",
        used: "Utilizzato: ",
        remove: "Si prega di eliminare i messaggi che non servono più.",
        expire: "Presto alcuni messaggi vocali saranno eliminati",
        messages: "Messaggi: ",
        within_days: "Entro giorni: ",
    },
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::directory::MailboxLimits;
    use crate::jobs::JobKey;

    #[test]
    fn the_mail_is_in_the_owners_language_and_names_the_mailbox() {
        let limits = MailboxLimits { messages: Some(10), ..MailboxLimits::default() };
        let usage = MailboxUsage::new(9, Duration::ZERO).with_limits(limits);
        let written = |language: &str, room| {
            let mut owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
            owner.language = Some(language.parse().unwrap());
            let (from, to) = ("voicemail@vm.example".parse().unwrap(), "anna@example.com".parse().unwrap());
            let envelope = Envelope { from: &from, to: &to, node: "node.example", key: JobKey::from_bytes([7; 16]) };
            let mail = room_warning(envelope, &owner, &"2041".parse().unwrap(), (room, &usage), DateTime::UNIX_EPOCH);
            String::from_utf8(mail.to_vec()).unwrap()
        };
        let english = written("en-GB", MailboxRoom::Little);
        for part in [
            "Subject: Your mailbox is nearly full (2041)\r\n",
            "Message-ID: <07070707070707070707070707070707.warning@node.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Soon it takes no more messages.",
            "Used: 90 %",
        ] {
            assert!(english.contains(part), "{part:?}: {english}");
        }
        let (from, to) = ("voicemail@vm.example".parse().unwrap(), "anna@example.com".parse().unwrap());
        let envelope = Envelope { from: &from, to: &to, node: "node.example", key: JobKey::from_bytes([7; 16]) };
        let owner = Owner::new("london".parse().unwrap(), chrono_tz::Europe::London);
        let mail = age_warning(envelope, &owner, &"2041".parse().unwrap(), (12, 3), DateTime::UNIX_EPOCH);
        let mail = String::from_utf8(mail.to_vec()).unwrap();
        assert!(mail.contains("Subject: Voice messages will be removed soon (2041)\r\n"), "{mail}");
        assert!(mail.contains("Messages: 12\r\nWithin days: 3\r\n"), "{mail}");
        assert!(written("de", MailboxRoom::None).contains("Ihre Mailbox ist voll (2041)"));
        assert!(written("es", MailboxRoom::Little).contains("Pronto no"), "another language has its words");
        assert_eq!(written("ne", MailboxRoom::Little), english, "English where there are no words");
    }
}
