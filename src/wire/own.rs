//! The header fields of this crate, for the facts that have no standard field: with them, a decoded message is identical to the one that
//! was encoded.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use super::fields::Fields;
use super::text::encoded_text;
use super::{caller, receipt};
use crate::message::{
    CallDetails, CallFields, Caller, ContentDigest, EndReason, Head, MessageKind, Privacy, ReceiptRequest, RecordedAt, Stamp,
    Urgency,
};

/// Returns the fields of this crate for `head`, recorded at `stamp`, each with its value.
pub(super) fn fields(head: &Head, stamp: &Stamp, digest: ContentDigest) -> Vec<(Cow<'static, str>, String)> {
    let mut fields: Vec<(Cow<'static, str>, String)> = vec![
        (RECORDED_AT.into(), stamp.to_rfc9557()),
        (CLOCK.into(), head.recorded_at.quality.to_string()),
        (DIGEST.into(), format!("sha-256={digest}")),
        (LENGTH.into(), format!("{}.{:09}", head.length.as_secs(), head.length.subsec_nanos())),
        (END_REASON.into(), end_reason_name(head.end_reason).to_owned()),
    ];
    if let Some(site) = &head.site {
        fields.push((SITE.into(), site.to_string()));
    }
    let CallDetails { called, diverted_from, call_id, fields: integrators } = &head.call_details;
    if let Some(number) = called {
        fields.push((CALLED.into(), encoded_text(number.as_str())));
    }
    if let Some(number) = diverted_from {
        fields.push((DIVERTED_FROM.into(), encoded_text(number.as_str())));
    }
    if let Some(id) = call_id {
        fields.push((CALL_ID.into(), encoded_text(id.as_str())));
    }
    fields.extend(integrators.iter().map(|(name, value)| (format!("{FIELD}{name}").into(), encoded_text(value))));
    if let Some(language) = &head.language {
        fields.push((LANGUAGE.into(), language.to_string()));
    }
    if let Some(request) = &head.receipt {
        fields.push((RECEIPT_ABOUT.into(), request.original().unwrap_or(UNKNOWN).to_owned()));
    }
    if let Some(report) = head.kind.report() {
        fields.push((REPORT.into(), report.to_string()));
    }
    fields
}

/// Reads the head of a mail of this crate; `None` when any of the fields is missing or unreadable, so that the mail is foreign.
pub(super) fn read(fields: &Fields<'_>) -> Option<Head> {
    digest(fields)?;
    let id = fields.raw("Message-ID")?.strip_prefix('<')?.split_once('@')?.0.parse().ok()?;
    let site = match fields.text(SITE) {
        Some(site) => Some(site.parse().ok()?),
        None => None,
    };
    Some(Head {
        id,
        caller: Caller { number: caller::number(fields), name: caller::name(fields) },
        recorded_at: recorded_at(fields)?,
        site,
        urgency: urgency(fields),
        privacy: privacy(fields),
        length: length(&fields.text(LENGTH)?)?,
        end_reason: end_reason(&fields.text(END_REASON)?)?,
        call_details: call_details(fields),
        language: fields.text(LANGUAGE).and_then(|language| language.parse().ok()),
        receipt: requested(fields),
        kind: kind(fields),
    })
}

/// Reads what the message says of its call. A field that cannot be read counts as missing: a later version may allow more than this one.
fn call_details(fields: &Fields<'_>) -> CallDetails {
    let read = fields.with_prefix(FIELD);
    CallDetails {
        called: fields.text(CALLED).and_then(|number| number.parse().ok()),
        diverted_from: fields.text(DIVERTED_FROM).and_then(|number| number.parse().ok()),
        call_id: fields.text(CALL_ID).and_then(|id| id.parse().ok()),
        fields: CallFields::read(read.iter().map(|(name, value)| (&**name, &**value))),
    }
}

/// Reads the request for a receipt: as from any mail, but about the mail that it stood in first, whose `Message-ID` may be another one.
fn requested(fields: &Fields<'_>) -> Option<ReceiptRequest> {
    let request = receipt::requested(fields)?;
    Some(match fields.raw(RECEIPT_ABOUT) {
        Some(original) => request.about(&original),
        None => request,
    })
}

/// Reads whether the message is a receipt. One that cannot be read counts as a message that somebody has recorded.
fn kind(fields: &Fields<'_>) -> MessageKind {
    let report = fields.text(REPORT).and_then(|report| report.parse().ok());
    report.map_or(MessageKind::Voice, MessageKind::Receipt)
}

/// Reads the digest that the sound must have, also of a foreign mail.
pub(super) fn digest(fields: &Fields<'_>) -> Option<ContentDigest> {
    fields.text(DIGEST)?.strip_prefix("sha-256=")?.parse().ok()
}

fn urgency(fields: &Fields<'_>) -> Urgency {
    let high = fields.text("Importance").is_some_and(|value| value.eq_ignore_ascii_case("high"));
    if high { Urgency::Urgent } else { Urgency::Normal }
}

fn privacy(fields: &Fields<'_>) -> Privacy {
    let private = fields.text("Sensitivity").is_some_and(|value| value.eq_ignore_ascii_case("private"));
    if private { Privacy::Private } else { Privacy::Normal }
}

fn recorded_at(fields: &Fields<'_>) -> Option<RecordedAt> {
    let stamp = fields.text(RECORDED_AT)?;
    let (instant, zone) = stamp.strip_suffix(']')?.split_once('[')?;
    let instant = DateTime::parse_from_rfc3339(instant).ok()?.to_utc();
    let quality = fields.text(CLOCK)?.parse().ok()?;
    (representable(instant) == instant).then_some(RecordedAt { instant, zone: zone.parse().ok()?, quality })
}

/// Returns `instant`, or the nearest one whose year has four digits in every zone.
pub(super) fn representable(instant: DateTime<Utc>) -> DateTime<Utc> {
    instant.clamp(EARLIEST, LATEST)
}

/// Seconds with nine digits after the point.
fn length(text: &str) -> Option<Duration> {
    let (secs, nanos) = text.split_once('.')?;
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if nanos.len() != 9 || !digits(nanos) || !digits(secs) {
        return None;
    }
    Some(Duration::new(secs.parse().ok()?, nanos.parse().ok()?))
}

fn end_reason_name(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Complete => "complete",
        EndReason::AtLimit => "at-limit",
        EndReason::Truncated => "truncated",
    }
}

fn end_reason(name: &str) -> Option<EndReason> {
    [EndReason::Complete, EndReason::AtLimit, EndReason::Truncated].into_iter().find(|reason| end_reason_name(*reason) == name)
}

/// The first moment that is written unchanged.
pub(super) const EARLIEST: DateTime<Utc> = second_of_january(1);
/// The last moment that is written unchanged.
pub(super) const LATEST: DateTime<Utc> = second_of_january(9999);

const fn second_of_january(year: i32) -> DateTime<Utc> {
    let day = NaiveDate::from_ymd_opt(year, 1, 2).expect("the second of January is in every year");
    day.and_time(NaiveTime::MIN).and_utc()
}

/// The request for a receipt of the node that stores the message, which is of one way of the message and not of the message.
pub(super) const CUSTODY: &str = "Voicemail-Custody";
const RECORDED_AT: &str = "Voicemail-Recorded-At";
const CLOCK: &str = "Voicemail-Clock";
const SITE: &str = "Voicemail-Site";
pub(super) const DIGEST: &str = "Voicemail-Digest";
const LENGTH: &str = "Voicemail-Length";
const END_REASON: &str = "Voicemail-Ending";
const CALLED: &str = "Voicemail-Called";
const DIVERTED_FROM: &str = "Voicemail-Diverted-From";
const CALL_ID: &str = "Voicemail-Call-ID";
const LANGUAGE: &str = "Voicemail-Language";
const RECEIPT_ABOUT: &str = "Voicemail-Receipt-About";
const REPORT: &str = "Voicemail-Report";
/// Instead of a `Message-ID` that is not known; it is no id.
const UNKNOWN: &str = "unknown";
/// The beginning of the name of a field of the integrator's.
const FIELD: &str = "Voicemail-Field-";
