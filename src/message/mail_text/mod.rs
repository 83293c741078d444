//! The subject of a mail with a voice message, and the lines of text beside its sound.
//!
//! Both are plain text in the language of the owner of the message. A subject is not yet encoded for a header field.

mod words;

use std::time::Duration;

use chrono_tz::Tz;

use self::words::{ReceiptWords, Words};
use super::{
    CallFields, Caller, DeliveryFailure, Disposition, Head, Language, MessageKind, Privacy, ReceiptReport, Stamp, Urgency,
};

/// Returns the subject of a mail with a message whose sound has this length: `Voice message from Anna Whitfield +442079460112, 0:42`.
///
/// That of a receipt is `Your message to 2002 was heard`. A language that has no words here is written in English.
pub(crate) fn subject(head: &Head, language: Option<&Language>, length: Duration) -> String {
    let words = Words::of(language);
    if let MessageKind::Receipt(report) = &head.kind {
        return outcome(words, report);
    }
    let urgent = if head.urgency == Urgency::Urgent { words.urgent } else { "" };
    format!("{urgent}{}, {}", message_from(words, &head.caller), minutes(length))
}

/// Returns the text of a mail with a message: lines about the caller, the length of the sound, and the time in `zone`. Each ends with CR LF.
///
/// ```text
/// Voice message from Anna Whitfield +442079460112
/// Length: 0:42
/// Recorded: 2025-10-26 02:30 +01:00 Europe/Berlin
/// This message is urgent.
/// ```
///
/// That of a receipt is about the message that it reports:
///
/// ```text
/// Your message to 2002 was heard.
/// Recorded: 2025-10-26 02:30 +01:00 Europe/Berlin
/// Heard: 2025-10-27 09:15 +01:00 Europe/Berlin
/// ```
pub(crate) fn text(head: &Head, zone: Tz, language: Option<&Language>, length: Duration) -> String {
    let words = Words::of(language);
    let moment = |instant| format!("{} {}", Stamp::new(instant, zone).local().format("%Y-%m-%d %H:%M %:z"), zone.name());
    if let MessageKind::Receipt(report) = &head.kind {
        let of_receipt = receipt_words(words, report);
        return [
            format!("{}.", outcome(words, report)),
            format!("{}{}", words.recorded, moment(report.recorded_at)),
            format!("{}{}", of_receipt.at, moment(head.recorded_at.instant)),
            String::new(),
        ]
        .join("\r\n");
    }
    let mut lines = vec![
        message_from(words, &head.caller),
        format!("{}{}", words.length, minutes(length)),
        format!("{}{}", words.recorded, moment(head.recorded_at.instant)),
    ];
    if head.urgency == Urgency::Urgent {
        lines.push(words.is_urgent.to_owned());
    }
    if head.privacy == Privacy::Private {
        lines.push(words.is_private.to_owned());
    }
    let fields = &head.call_details.fields;
    if let Some(mailbox) = fields.get(CallFields::UNDELIVERABLE_TO) {
        lines.push(format!("{}{mailbox}.", words.undeliverable_to));
        lines.extend(fields.get(CallFields::UNDELIVERABLE_REASON).map(|why| format!("{}{why}", words.undeliverable_reason)));
    }
    lines.push(String::new());
    lines.join("\r\n")
}

/// Returns the primary subtag of the language in which [`subject`] and [`text`] write.
pub(crate) fn written_in(language: Option<&Language>) -> &'static str {
    Words::of(language).language
}

fn receipt_words<'a>(words: &'a Words, report: &ReceiptReport) -> &'a ReceiptWords {
    match report.disposition {
        Disposition::Played => &words.heard,
        Disposition::RemovedUnheard => &words.removed,
        Disposition::Expired => &words.expired,
        Disposition::NotDelivered(_) => &words.not_delivered,
    }
}

/// Returns what became of the message that a receipt reports.
fn outcome(words: &Words, report: &ReceiptReport) -> String {
    let ReceiptWords { before, after, .. } = receipt_words(words, report);
    let reason = match report.disposition {
        Disposition::NotDelivered(failure) => reason(words, failure),
        Disposition::Played | Disposition::RemovedUnheard | Disposition::Expired => "",
    };
    format!("{before} {} {after}{reason}", report.mailbox)
}

fn reason(words: &Words, failure: DeliveryFailure) -> &'static str {
    match failure {
        DeliveryFailure::NoSuchMailbox => words.failures.no_such_mailbox,
        DeliveryFailure::MailboxFull => words.failures.mailbox_full,
        DeliveryFailure::TooLong => words.failures.too_long,
        DeliveryFailure::NotReached => words.failures.not_reached,
        DeliveryFailure::Refused => words.failures.refused,
    }
}

/// Returns what the message is and who left it: the name and the number of the caller, as far as they are known.
fn message_from(words: &Words, caller: &Caller) -> String {
    match (&caller.name, &caller.number) {
        (Some(name), Some(number)) => format!("{} {name} {number}", words.message_from),
        (Some(name), None) => format!("{} {name}", words.message_from),
        (None, Some(number)) => format!("{} {number}", words.message_from),
        (None, None) => words.message_from_unknown.to_owned(),
    }
}

/// Returns a length as `0:42` or `1:00:05`, in whole seconds, rounded up as in `Content-Duration`.
pub(crate) fn minutes(length: Duration) -> String {
    let secs = length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0));
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{secs:02}") } else { format!("{minutes}:{secs:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{CallerName, ClockQuality, ClockSource, RecordedAt};

    fn head(name: Option<&str>, number: Option<&str>) -> Head {
        let quality = ClockQuality::unknown(ClockSource::Manual);
        let instant = "2025-10-26T01:30:00Z".parse().unwrap();
        let mut head = Head::new(RecordedAt { instant, zone: chrono_tz::Europe::Berlin, quality });
        head.caller = Caller::new(number.map(|number| number.parse().unwrap()), name.and_then(CallerName::cleaned));
        head
    }

    fn language(tag: &str) -> Language {
        tag.parse().unwrap()
    }

    const LENGTH: Duration = Duration::from_millis(41_200);

    #[test]
    fn a_subject_names_the_caller_as_far_as_known() {
        for (name, number, expected) in [
            (Some("Anna"), Some("+442079460112"), "Voice message from Anna +442079460112, 0:42"),
            (Some("山田 太郎"), None, "Voice message from 山田 太郎, 0:42"),
            (None, Some("2041"), "Voice message from 2041, 0:42"),
            (None, None, "Voice message from an unknown caller, 0:42"),
        ] {
            assert_eq!(subject(&head(name, number), None, LENGTH), expected);
        }
    }

    #[test]
    fn each_language_of_the_telephone_has_its_words() {
        let mut urgent = head(None, None);
        urgent.urgency = Urgency::Urgent;
        for (tag, expected) in [
            ("en-GB", "Urgent: Voice message from an unknown caller, 0:42"),
            ("de-AT", "Dringend: Sprachnachricht von einer unbekannten Nummer, 0:42"),
            ("fr", "Urgent : Message vocal d’un correspondant inconnu, 0:42"),
            ("es-MX", "Urgente: Mensaje de voz de un número desconocido, 0:42"),
            ("it", "Urgente: Messaggio vocale da un numero sconosciuto, 0:42"),
            ("ne", "Urgent: Voice message from an unknown caller, 0:42"),
        ] {
            assert_eq!(subject(&urgent, Some(&language(tag)), LENGTH), expected);
        }
        assert_eq!((written_in(Some(&language("de-AT"))), written_in(Some(&language("ne")))), ("de", "en"));
    }

    #[test]
    fn the_text_has_caller_length_time_and_flags() {
        let mut message = head(Some("Jürgen"), Some("2041"));
        let usual = "Sprachnachricht von Jürgen 2041\r\nLänge: 0:42\r\nAufgenommen: 2025-10-26 02:30 +01:00 Europe/Berlin\r\n";
        assert_eq!(text(&message, chrono_tz::Europe::Berlin, Some(&language("de")), LENGTH), usual);
        (message.urgency, message.privacy) = (Urgency::Urgent, Privacy::Private);
        let written = text(&message, chrono_tz::Asia::Kathmandu, None, LENGTH);
        let expected = "Voice message from Jürgen 2041\r\nLength: 0:42\r\nRecorded: 2025-10-26 07:15 +05:45 Asia/Kathmandu\r\n\
                        This message is urgent.\r\nThis message is private. Please do not pass it on.\r\n";
        assert_eq!(written, expected);
    }

    #[test]
    fn a_receipt_says_what_became_of_which_message_and_when() {
        let mut receipt = head(None, Some("2002"));
        let recorded_at = "2025-10-25T08:00:00Z".parse().unwrap();
        for (tag, disposition, said) in [
            ("en", Disposition::Played, "Your message to 2002 was heard"),
            ("de", Disposition::RemovedUnheard, "Ihre Nachricht an 2002 wurde ungehört gelöscht"),
            ("fr", Disposition::Played, "Votre message pour 2002 a été écouté"),
            ("es", Disposition::Expired, "Su mensaje para 2002 nunca fue escuchado y se eliminó por su antigüedad"),
            ("it", Disposition::RemovedUnheard, "Il suo messaggio per 2002 è stato eliminato senza essere ascoltato"),
            (
                "en",
                Disposition::NotDelivered(DeliveryFailure::NotReached),
                "Your message to 2002 could not be delivered: the other system could not be reached",
            ),
            (
                "de",
                Disposition::NotDelivered(DeliveryFailure::NoSuchMailbox),
                "Ihre Nachricht an 2002 konnte nicht zugestellt werden: keine Mailbox hat diese Nummer",
            ),
            (
                "fr",
                Disposition::NotDelivered(DeliveryFailure::MailboxFull),
                "Votre message pour 2002 n’a pas pu être remis : la boîte vocale est pleine",
            ),
        ] {
            let id = crate::message::MessageId::from_bytes([7; 16]);
            let report = ReceiptReport::new(disposition, "2002".parse().unwrap(), id, recorded_at);
            receipt.kind = MessageKind::Receipt(report);
            let language = language(tag);
            assert_eq!(subject(&receipt, Some(&language), Duration::ZERO), said);
            let written = text(&receipt, chrono_tz::Europe::Berlin, Some(&language), Duration::ZERO);
            let lines: Vec<&str> = written.split("\r\n").collect();
            assert_eq!(lines[0], format!("{said}."));
            assert!(lines[1].ends_with("2025-10-25 10:00 +02:00 Europe/Berlin"), "{written}");
            assert!(lines[2].ends_with("2025-10-26 02:30 +01:00 Europe/Berlin"), "{written}");
            assert_eq!(lines[3..], [""]);
        }
    }

    #[test]
    fn an_undeliverable_message_says_whom_it_was_for_and_why() {
        let mut message = head(None, Some("2041"));
        let fields = [(CallFields::UNDELIVERABLE_TO, "2999"), (CallFields::UNDELIVERABLE_REASON, "550 5.1.1 no mailbox 2999")];
        for (name, value) in fields {
            message.call_details.fields.insert(name, value).unwrap();
        }
        for (tag, expected) in [
            ("en", "This message could not be delivered to mailbox 2999.\r\nReason: 550 5.1.1 no mailbox 2999\r\n"),
            ("fr", "Ce message n’a pas pu être remis à la boîte vocale 2999.\r\nRaison : 550 5.1.1 no mailbox 2999\r\n"),
        ] {
            let written = text(&message, chrono_tz::UTC, Some(&language(tag)), LENGTH);
            assert!(written.ends_with(expected), "{written}");
        }
    }

    #[test]
    fn lengths_are_minutes_and_seconds_rounded_up() {
        for (length, expected) in [
            (Duration::ZERO, "0:00"),
            (Duration::from_millis(1), "0:01"),
            (Duration::from_secs(59), "0:59"),
            (Duration::from_millis(59_001), "1:00"),
            (Duration::from_secs(3605), "1:00:05"),
            (Duration::MAX, "5124095576030431:00:15"),
        ] {
            assert_eq!(minutes(length), expected);
        }
    }
}
