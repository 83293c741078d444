//! Reads the limits of mailboxes, and how long their messages stay.

use std::time::Duration;

use super::super::builder::Setting;
use super::super::table_reader::TableReader;
use super::super::value::Value;
use crate::directory::{MailboxLimits, RecordingLimits, Retention, WarningThresholds};

/// Reads the limits of length. The defaults stand in for limits that are not given, and for both if one of them cannot be read.
pub(super) fn recording(parts: &mut TableReader) -> RecordingLimits {
    let usual = RecordingLimits::default();
    match (parts.number("min_seconds"), parts.number("max_seconds")) {
        (Setting::Unreadable, _) | (_, Setting::Unreadable) => usual,
        (min, max) => RecordingLimits {
            min: min.value().map_or(usual.min, |seconds| Duration::from_secs(seconds.into())),
            max: max.value().map_or(usual.max, |seconds| Duration::from_secs(seconds.into())),
        },
    }
}

/// Reads the limits of a mailbox. A limit that is not given or cannot be read is none.
pub(super) fn holding(fields: &mut TableReader) -> MailboxLimits {
    let Setting::Value(table) = fields.table("holds") else { return MailboxLimits::default() };
    let mut parts = TableReader::new(table, fields.path_of("holds."));
    let limits = MailboxLimits {
        messages: parts.number("messages").value().map(|messages| usize::try_from(messages).unwrap_or(usize::MAX)),
        length: parts.number("minutes").value().map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
        bytes: parts.large_number("bytes").value(),
    };
    fields.end_inner(parts);
    limits
}

/// Reads how long messages stay, in days. A time that is not given or cannot be read is none.
pub(super) fn retention(fields: &mut TableReader) -> Retention {
    let Setting::Value(table) = fields.table("retention") else { return Retention::default() };
    let mut parts = TableReader::new(table, fields.path_of("retention."));
    let retention = Retention {
        new: days(&mut parts, "new_days"),
        old: days(&mut parts, "old_days"),
        removed: days(&mut parts, "removed_days"),
    };
    fields.end_inner(parts);
    retention
}

/// Reads when an owner is warned. A threshold that is not given or cannot be read is none.
pub(super) fn warnings(fields: &mut TableReader) -> WarningThresholds {
    let Setting::Value(table) = fields.table("warnings") else { return WarningThresholds::default() };
    let mut parts = TableReader::new(table, fields.path_of("warnings."));
    let percent = parts.read("percent", "a whole number from 1 to 100", |value| match value {
        Value::Integer(number @ 1..=100) => u8::try_from(number).map_err(|_| value),
        other => Err(other),
    });
    let days = parts.read("days", "a whole number from 0 to 65535", |value| match value {
        Value::Integer(number) => u16::try_from(number).map_err(|_| value),
        other => Err(other),
    });
    fields.end_inner(parts);
    WarningThresholds { percent: percent.value(), days: days.value() }
}

fn days(parts: &mut TableReader, key: &'static str) -> Option<Duration> {
    parts.number(key).value().map(|days| Duration::from_secs(86_400 * u64::from(days)))
}
