//! Mail of other systems as messages: of Asterisk's voicemail, of VPIM, and of mail programs that attach a sound.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Datelike as _, Utc};
use sha2::{Digest as _, Sha256};

use super::fields::Fields;
use super::{DecodeError, business_card, caller, receipt};
use crate::message::{
    CallDetails, Caller, CallerName, CallerNumber, ClockQuality, ClockSource, EndReason, Head, MessageId, MessageKind, Privacy,
    RecordedAt, Urgency,
};

/// The facts about a message that are in the parts of its mail, and not in its header block.
#[derive(Debug, Default)]
pub(super) struct PartFacts {
    /// Whether a forwarded message is urgent.
    is_urgent: bool,
    /// Whether a forwarded message is private.
    is_private: bool,
    /// The sender, by the first business card that names one.
    card: Caller,
}

impl PartFacts {
    /// Adds a forwarded mail with these fields.
    pub(super) fn add_forwarded(&mut self, fields: &Fields<'_>) {
        self.is_urgent |= urgency(fields) == Urgency::Urgent;
        self.is_private |= privacy(fields) == Privacy::Private;
    }

    /// Adds a business card of the sender.
    pub(super) fn add_card(&mut self, card: &[u8]) {
        if self.card == Caller::default() {
            self.card = business_card::caller(card);
        }
    }
}

/// Returns the head of a foreign mail with the header block `block` and a sound of `length`.
///
/// A forwarded message is from who forwards it, with the id and the date of that mail (RFC 3801 §4.8). It is urgent or private if the
/// mail, or a message forwarded in it, is.
pub(super) fn head(fields: &Fields<'_>, block: &[u8], facts: &PartFacts, length: Duration) -> Result<Head, DecodeError> {
    Ok(Head {
        id: id(fields, block),
        caller: caller(fields, &facts.card),
        recorded_at: RecordedAt {
            instant: instant(fields).ok_or(DecodeError::NoDate)?,
            // An offset names no zone, so only the instant is kept.
            zone: chrono_tz::UTC,
            quality: ClockQuality::unknown(ClockSource::Unknown),
        },
        site: None,
        urgency: if facts.is_urgent { Urgency::Urgent } else { urgency(fields) },
        privacy: if facts.is_private { Privacy::Private } else { privacy(fields) },
        length,
        end_reason: EndReason::Complete,
        call_details: CallDetails::default(),
        language: None,
        receipt: receipt::requested(fields),
        kind: MessageKind::Voice,
    })
}

/// Returns the id of a foreign mail, the same for each copy: from its `Message-ID`, or from the header block of a mail without one.
fn id(fields: &Fields<'_>, block: &[u8]) -> MessageId {
    let name = fields.raw("Message-ID");
    let digest: [u8; 32] = Sha256::digest(name.as_deref().map_or(block, str::as_bytes)).into();
    let (id, _) = digest.split_first_chunk().expect("16 bytes are the beginning of 32");
    MessageId::from_bytes(*id)
}

/// Returns the caller: from the fields for that, or, in a mail without any, from the address of the sender, if this is a number. Number and
/// name are from the business card where the address has none.
///
/// # Source
///
/// RFC 3801 §4.5.2 for the card; MS-OXCMAIL §2.1.3.2.3 for the fields of Exchange UM.
fn caller(fields: &Fields<'_>, card: &Caller) -> Caller {
    let number = |text: &str| text.trim().parse::<CallerNumber>().ok();
    if fields.text("Caller-ID").or(fields.text("Caller-Name")).is_some() {
        return Caller { number: caller::number(fields), name: caller::name(fields) };
    }
    if let Some(id) = fields.text("X-Asterisk-CallerID") {
        let name = fields.text("X-Asterisk-CallerIDName");
        return Caller { number: number(&id), name: name.as_deref().and_then(CallerName::cleaned) };
    }
    if let Some(id) = fields.text("X-CallingTelephoneNumber") {
        let name = fields.text("X-VoiceMessageSenderName");
        return Caller { number: number(&id), name: name.as_deref().and_then(CallerName::cleaned) };
    }
    let Some((address, name)) = fields.from() else { return card.clone() };
    let local_part = address.rsplit_once('@').map_or(&*address, |(local, _)| local).trim_matches('"');
    let number = number(local_part).or_else(|| card.number.clone());
    // Without a number, this is the name of somebody who writes mails.
    let name = name.filter(|_| number.is_some()).as_deref().and_then(CallerName::cleaned);
    Caller { name: name.or_else(|| card.name.clone()), number }
}

/// Returns when the mail was sent. If that date cannot be right, returns when the last server accepted the mail.
fn instant(fields: &Fields<'_>) -> Option<DateTime<Utc>> {
    let plausible = |instant: &DateTime<Utc>| PLAUSIBLE_YEARS.contains(&instant.year());
    fields.date().filter(plausible).or_else(|| fields.received().filter(plausible))
}

/// # Source
///
/// `Importance` and `Priority`: RFC 2156 §5.3. `X-Priority` has no standard; 1 and 2 are above normal.
fn urgency(fields: &Fields<'_>) -> Urgency {
    let is = |name: &str, value: &str| fields.text(name).is_some_and(|text| text.trim().eq_ignore_ascii_case(value));
    let x_priority = fields.text("X-Priority").is_some_and(|text| text.trim_start().starts_with(['1', '2']));
    if is("Importance", "high") || is("Priority", "urgent") || x_priority { Urgency::Urgent } else { Urgency::Normal }
}

/// Returns whether the message is private: any `Sensitivity` but `normal` makes it so.
///
/// # Source
///
/// RFC 3801 §4.2.13.
fn privacy(fields: &Fields<'_>) -> Privacy {
    match fields.text("Sensitivity").as_deref().map(str::trim) {
        None | Some("") => Privacy::Normal,
        Some(value) if value.eq_ignore_ascii_case("normal") => Privacy::Normal,
        Some(_) => Privacy::Private,
    }
}

/// The years of dates that are believed: a clock without a battery starts in 1970 or 1980.
const PLAUSIBLE_YEARS: RangeInclusive<i32> = 1990..=2199;
