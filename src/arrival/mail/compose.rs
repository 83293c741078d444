//! [`compose`]: a mail to an owner as an Internet message.

use bytes::Bytes;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId as MessageIdField;
use mail_builder::headers::raw::Raw;
use mail_builder::mime::{BodyPart, MimePart};

use super::file_name::file_name;
use super::template::MAX_ALERT_CHARS;
use super::{MailFacts, MailTemplate};
use crate::jobs::JobKey;
use crate::message::{Audio, MailAddress, MessageId, Privacy, Stamp, Urgency};
use crate::rules::Content;
use crate::wire::readable_text;

/// The envelope of a mail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Envelope<'a> {
    /// The address of the sender, which takes mail.
    pub(crate) from: &'a MailAddress,
    /// The address of the recipient.
    pub(crate) to: &'a MailAddress,
    /// The host name of the node, the right side of `Message-ID`.
    pub(crate) node: &'a str,
    /// The key of the work, which is the same for each try.
    pub(crate) key: JobKey,
}

/// Writes the mail: a text, and the sound after it if there is one. All that the template writes stays in its field or part.
///
/// # Source
///
/// RFC 3834 §5 (`Auto-Submitted`), RFC 2156 (`Importance`, `Sensitivity`), RFC 2919 (`List-Id`), RFC 3458 (`Message-Context`), RFC 2231 (the file's name).
pub(super) fn compose(
    facts: &MailFacts<'_>,
    envelope: Envelope<'_>,
    template: &dyn MailTemplate,
    sound: Option<&Audio>,
) -> Bytes {
    let Envelope { from, to, node, key } = envelope;
    let head = facts.head;
    let mut mail = MessageBuilder::new()
        .header("MIME-Version", Raw::new("1.0"))
        .header("Message-ID", MessageIdField::new(format!("{key}.mail@{node}")))
        .header("Date", Raw::new(Stamp::new(facts.now, facts.zone).to_rfc5322()))
        .header("From", Address::new_address(Some(one_line(&template.sender(facts), MAX_SENDER_CHARS)), from.as_str()))
        .header("To", Address::new_address(None::<&str>, to.as_str()));
    if let Some(address) = facts.reply_to {
        mail = mail.header("Reply-To", Address::new_address(None::<&str>, address.as_str()));
    }
    mail = mail
        .header("Subject", Raw::new(readable_text(&one_line(&template.subject(facts), MAX_SUBJECT_CHARS))))
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("List-Id", Raw::new(format!("<voicemail.{}>", from.domain())))
        .header("X-Voicemail-Length", Raw::new(whole_seconds(facts).to_string()));
    if head.urgency == Urgency::Urgent {
        mail = mail.header("Importance", Raw::new("High"));
    }
    if head.privacy == Privacy::Private {
        mail = mail.header("Sensitivity", Raw::new("Private"));
    }
    if sound.is_some() {
        mail = mail.header("Message-Context", Raw::new("voice-message"));
    }
    let text = match facts.content {
        Content::Alert => one_line(&template.alert(facts), MAX_ALERT_CHARS),
        Content::Copy | Content::Notice => lines(&template.text(facts)),
    };
    let text = MimePart::new(ContentType::new("text/plain").attribute("charset", "utf-8"), BodyPart::Text(text.into()));
    let mut written = Vec::new();
    mail.body(match sound {
        Some(sound) => {
            let boundary = format!("=_{}", MessageId::random());
            let mixed = ContentType::new("multipart/mixed").attribute("boundary", boundary);
            MimePart::new(mixed, vec![text, sound_part(facts, sound)])
        }
        None => text,
    })
    .serialize(&mut written);
    written.into()
}

fn sound_part<'a>(facts: &MailFacts<'_>, sound: &'a Audio) -> MimePart<'a> {
    let name = file_name(facts.head, &facts.recorded_at(), sound.media());
    let media = ContentType::new(sound.media().mime()).attribute("name", name.clone());
    let bytes = sound.bytes().as_ref();
    MimePart::new(media, BodyPart::Binary(bytes.into()))
        .attachment(name)
        .header("Content-Duration", Raw::new(whole_seconds(facts).to_string()))
}

/// The length in whole seconds (RFC 3803), rounded up.
fn whole_seconds(facts: &MailFacts<'_>) -> u64 {
    let length = facts.head.length;
    length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0))
}

/// Returns `text` as one line of at most `most` characters: control characters and line separators become spaces.
fn one_line(text: &str, most: usize) -> String {
    let spaced = |c: char| if c.is_control() || is_line_end(c) { ' ' } else { c };
    text.chars().map(spaced).take(most).collect::<String>().trim().to_owned()
}

/// Returns `text` with CR LF at the end of each line. Other control characters become spaces.
fn lines(text: &str) -> String {
    let unified = text.replace("\r\n", "\n").replace(['\r', '\u{85}', '\u{2028}', '\u{2029}'], "\n");
    unified.split('\n').map(|line| one_line(line, MAX_TEXT_CHARS)).collect::<Vec<_>>().join("\r\n")
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

const MAX_SUBJECT_CHARS: usize = 250;
const MAX_SENDER_CHARS: usize = 100;
/// The most characters of a line of the text.
const MAX_TEXT_CHARS: usize = 20_000;
