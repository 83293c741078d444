//! An owner sees of a mail: subject, sender, text, and a sound that every program plays.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use mail_parser::{MessageParser, MimeHeaders as _};
use voicemail::arrival::ArrivalStep as _;
use voicemail::arrival::mail::MailFacts;
use voicemail::audio::Wav;
use voicemail::message::{Privacy, Transcript, Urgency};
use voicemail::rules::{ArrivalRule, Content, PrivateMessages, SoundForm};
use voicemail::store::MessageStore as _;

use super::support::{Place, caller, mailbox, message, rule};

fn field(mail: &mail_parser::Message<'_>, name: &str) -> String {
    mail.header_raw(name).unwrap_or_default().trim().to_owned()
}

#[tokio::test]
async fn a_copy_has_the_call_as_text_and_the_sound_as_wav() {
    let place = Place::new([rule(Content::Copy)]);
    let bytes = place.sent_for(&message().site("berlin-2".parse().unwrap()).build()).await.remove(0);
    let mail = MessageParser::default().parse(&bytes[..]).unwrap();
    assert_eq!(mail.subject(), Some("Voice message from Jürgen Groß +493023125014, 0:42"));
    let from = mail.from().unwrap().first().unwrap();
    assert_eq!((from.name(), from.address()), (Some("Jürgen Groß via voicemail"), Some("voicemail@voicemail.example")));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("anna@example.com"));
    assert!(mail.reply_to().is_none(), "the caller has no mail address");
    for (name, value) in [
        ("Date", "Wed, 25 Mar 2026 23:59:30 +0100"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Voicemail-Length", "42"),
        ("Message-Context", "voice-message"),
        ("List-Id", "<voicemail.voicemail.example>"),
        ("Importance", ""),
    ] {
        assert_eq!(field(&mail, name), value, "{name}");
    }
    let text = "Voice message from Jürgen Groß +493023125014\nLength: 0:42\nRecorded: 2026-03-25 23:59 +01:00 Europe/Berlin\n\
                PBX: berlin-2\nMailbox: 2041\n";
    assert_eq!(mail.body_text(0).unwrap().replace("\r\n", "\n"), text);
    let sound = mail.attachment(0).unwrap();
    assert_eq!(sound.attachment_name(), Some("2026-03-25 2359 +493023125014 0-42.wav"));
    let media = sound.content_type().unwrap();
    assert_eq!((media.ctype(), media.subtype()), ("audio", Some("wav")));
    let wav = Wav::parse(sound.contents()).unwrap();
    assert_eq!((wav.format.rate, wav.duration().as_millis()), (8000, 41_200));
}

#[tokio::test]
async fn an_owner_reads_a_mail_in_her_language_and_zone() {
    let place = Place::with(
        [rule(Content::Copy).with_private(PrivateMessages::Send).with_sound(SoundForm::Stored)],
        |mut owner| {
            owner.language = Some("de".parse().unwrap());
            owner.zone = chrono_tz::Asia::Kathmandu;
            owner
        },
        |step| step,
    );
    let urgent = message().urgency(Urgency::Urgent).privacy(Privacy::Private).caller(caller("", "2042")).build();
    let bytes = place.sent_for(&urgent).await.remove(0);
    let mail = MessageParser::default().parse(&bytes[..]).unwrap();
    assert_eq!(mail.subject(), Some("Dringend: Sprachnachricht von 2042, 0:42"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("2042 über Voicemail"));
    assert_eq!(mail.reply_to().unwrap().first().unwrap().address(), Some("karl@example.com"), "2042 is a mailbox");
    assert_eq!((field(&mail, "Importance"), field(&mail, "Sensitivity")), ("High".to_owned(), "Private".to_owned()));
    assert_eq!(field(&mail, "Date"), "Thu, 26 Mar 2026 04:44:30 +0545");
    let sound = mail.attachment(0).unwrap();
    assert_eq!(sound.contents(), &urgent.audio().bytes()[..], "the bytes as they are stored");
    assert_eq!(sound.attachment_name(), Some("2026-03-26 0444 2042 0-42.726"));
}

#[tokio::test]
async fn a_mail_without_a_sound_says_why() {
    for (rules, limit, why) in [
        (rule(Content::Notice), u64::MAX, "This mail has no sound: call the mailbox to listen to the message."),
        (rule(Content::Copy), 1000, "The sound is too large for a mail: call the mailbox to listen to the message."),
    ] {
        let place = Place::with([rules], |owner| owner, |step| step.max_sound_bytes(limit));
        let bytes = place.sent_for(&message().build()).await.remove(0);
        let mail = MessageParser::default().parse(&bytes[..]).unwrap();
        assert_eq!(mail.attachment_count(), 0);
        let text = mail.body_text(0).unwrap();
        assert!(text.lines().any(|line| line == why), "{text}");
    }
}

#[tokio::test]
async fn a_mail_has_the_transcript_if_there_is_one() {
    let place = Place::new([rule(Content::Copy), ArrivalRule::new("alert".parse().unwrap(), Content::Alert)]);
    let arrived = place.arrives(&message().build()).await;
    let transcript = Transcript::new("Call me back.\nIt is urgent.", "whisper");
    place.store.set_transcript(&mailbox(), arrived.id, &transcript).await.unwrap();
    for part in place.step.parts(&arrived, &place.store).await.unwrap() {
        place.run(&arrived, &part).await.unwrap();
    }
    let mails = std::mem::take(&mut *place.server.mails.lock().unwrap());
    let text = |at: usize| {
        let mail = MessageParser::default().parse(&mails[at].1[..]).unwrap();
        mail.body_text(0).unwrap().replace("\r\n", "\n")
    };
    assert!(text(0).ends_with("\nTranscript, made by a machine:\n\nCall me back.\nIt is urgent.\n"), "{}", text(0));
    assert!(!text(1).contains("Call me back"), "{}", text(1));
}

#[tokio::test]
async fn an_alert_has_160_characters_and_the_time() {
    let place = Place::new([rule(Content::Alert)]);
    let bytes = place.sent_for(&message().caller(caller(&"Ä".repeat(50), "+493023125014")).build()).await.remove(0);
    let mail = MessageParser::default().parse(&bytes[..]).unwrap();
    let text = mail.body_text(0).unwrap();
    assert!(text.trim().chars().count() <= 160 && text.trim().ends_with(", 2026-03-25 23:59"), "{text}");
    assert_eq!((mail.attachment_count(), mail.parts.len()), (0, 1));
}

#[derive(Debug)]
struct Short;

impl voicemail::arrival::mail::MailTemplate for Short {
    fn subject(&self, facts: &MailFacts<'_>) -> String {
        format!("Box {}", facts.mailbox)
    }

    fn text(&self, facts: &MailFacts<'_>) -> String {
        format!("{}\n", facts.recorded_at())
    }

    fn alert(&self, facts: &MailFacts<'_>) -> String {
        self.subject(facts)
    }

    fn sender(&self, _: &MailFacts<'_>) -> String {
        "ACME".to_owned()
    }
}

#[tokio::test]
async fn a_template_has_its_own_words() {
    let place = Place::with_template(Short);
    let bytes = place.sent_for(&message().build()).await.remove(0);
    let mail = MessageParser::default().parse(&bytes[..]).unwrap();
    assert_eq!((mail.subject(), mail.from().unwrap().first().unwrap().name()), (Some("Box 2041"), Some("ACME")));
    assert_eq!(mail.body_text(0).unwrap().trim_end(), "Wed 2026-03-25 23:59:00 +01:00 Europe/Berlin");
}
