//! [`FileName`] and [`OwnName`]: the names of files in a Maildir. This module does not access the disk.
//!
//! A name is `BASE` or `BASE:2,FLAGS`. The base identifies a message as long as it exists; renames change the flags.

use std::borrow::Cow;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::message::{Head, MessageId, Status, Urgency};
use crate::store::DeduplicationKey;

/// The base name of a message that this store has put here: `<seconds>.<id><key><tags>.<host>`.
///
/// It contains all that lists, counts and limits need, so that no file must be opened for them. The tags are `U` for urgent, `N` with the
/// nanoseconds of the recording time, `L` with the length in milliseconds and `B` with the mail's size in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnName {
    /// The recording time: seconds since 1970, and nanoseconds.
    pub recorded: (i64, u32),
    /// The id it is kept under.
    pub id: MessageId,
    /// The key of its arrival.
    pub key: DeduplicationKey,
    /// Whether the message is urgent.
    pub urgency: Urgency,
    /// How long the sound is, to the millisecond.
    pub length: Duration,
    /// How many bytes the mail has.
    pub bytes: u64,
}

impl OwnName {
    /// The name for the message with this `head`, whose mail has `bytes` bytes, under the id `id`.
    pub(super) fn of(head: &Head, id: MessageId, key: DeduplicationKey, bytes: u64) -> Self {
        let instant = head.recorded_at.instant.max(DateTime::<Utc>::UNIX_EPOCH);
        Self {
            recorded: (instant.timestamp(), instant.timestamp_subsec_nanos().min(MAX_NANOS)),
            id,
            key,
            urgency: head.urgency,
            length: Duration::from_millis(u64::try_from(head.length.as_millis()).unwrap_or(u64::MAX)),
            bytes,
        }
    }

    /// The base name at `host`.
    pub(super) fn to_base(&self, host: &str) -> String {
        let ((seconds, nanos), Self { id, key, bytes, .. }) = (self.recorded, self);
        let urgent = if self.urgency == Urgency::Urgent { "U" } else { "" };
        let length = self.length.as_millis();
        format!("{seconds}.{id}{key}{urgent}N{nanos}L{length}B{bytes}.{}", escaped(host))
    }

    /// Reads a base name that a store like this one gave, on any host; `None` for the name of another program. A value without tag is zero.
    pub(super) fn parse(base: &str) -> Option<Self> {
        let mut parts = base.splitn(3, '.');
        let (seconds, unique, _host) = (parts.next()?, parts.next()?, parts.next()?);
        if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (id, rest) = unique.split_at_checked(32)?;
        let (key, mut tags) = rest.split_at_checked(32)?;
        let mut own = Self {
            recorded: (seconds.parse().ok()?, 0),
            id: id.parse().ok()?,
            key: key.parse().ok()?,
            urgency: Urgency::Normal,
            length: Duration::ZERO,
            bytes: 0,
        };
        while let Some(tag) = tags.chars().next() {
            if !tag.is_ascii_uppercase() {
                return None;
            }
            let value = tags.get(1..)?;
            let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
            let number = || value[..end].parse::<u64>().ok();
            match tag {
                'U' => own.urgency = Urgency::Urgent,
                'N' => own.recorded.1 = u32::try_from(number()?).ok().filter(|nanos| *nanos <= MAX_NANOS)?,
                'L' => own.length = Duration::from_millis(number()?),
                'B' => own.bytes = number()?,
                _ => {} // a later version may have more tags
            }
            tags = &value[end..];
        }
        Some(own)
    }
}

/// A folder of a Maildir that holds messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    /// `new`: messages that no program has shown to their owner yet.
    New,
    /// `cur`: all other messages.
    Cur,
}

/// The name of a file in a Maildir. Of two files with one base name, the one with the greater name is the message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileName {
    /// The folder that it is in.
    pub folder: Folder,
    /// Its name there.
    pub name: String,
}

impl FileName {
    /// The file `name` in `folder`; `None` if no message can have this name.
    pub(super) fn parse(folder: Folder, name: String) -> Option<Self> {
        let file = Self { folder, name };
        (!file.base().is_empty() && !file.name.starts_with('.')).then_some(file)
    }

    /// The name without the flags.
    pub(super) fn base(&self) -> &str {
        self.name.split_once(':').map_or(&self.name, |(base, _)| base)
    }

    /// The status of the message: new as long as it is in `new`, whatever flags it has.
    pub(super) fn status(&self) -> Status {
        match self.folder {
            Folder::Cur if self.flags().contains('T') => Status::Removed,
            Folder::Cur if self.flags().contains('S') => Status::Old,
            Folder::Cur | Folder::New => Status::New,
        }
    }

    /// The name that gives the message this `status`; all other flags stay.
    pub(super) fn at(&self, status: Status) -> Self {
        if self.status() == status {
            return self.clone();
        }
        let mut flags: Vec<char> = self.flags().chars().collect();
        let seen = flags.contains(&'S') && self.folder == Folder::Cur;
        flags.retain(|flag| !matches!(flag, 'S' | 'T'));
        match status {
            Status::New => {}
            Status::Old => flags.push('S'),
            Status::Removed => {
                flags.push('T');
                flags.extend(seen.then_some('S'));
            }
        }
        flags.sort_unstable();
        flags.dedup();
        Self { folder: Folder::Cur, name: format!("{}:2,{}", self.base(), flags.into_iter().collect::<String>()) }
    }

    fn flags(&self) -> &str {
        self.name.split_once(':').and_then(|(_, info)| info.strip_prefix("2,")).unwrap_or("")
    }
}

/// Reads a name that any program may have given a file; answers the names that the store may rename the file to.
#[cfg(any(test, doc, feature = "conformance"))]
pub(crate) fn read_hostile_name(name: &str) -> Vec<String> {
    let mut names = Vec::new();
    if !name.contains('/') && !name.contains('\0') {
        for folder in [Folder::New, Folder::Cur] {
            let Some(file) = FileName::parse(folder, name.to_owned()) else { continue };
            for status in [Status::New, Status::Old, Status::Removed] {
                let renamed = file.at(status);
                assert_eq!(renamed.status(), status, "{name:?}");
                assert_eq!(renamed.base(), file.base(), "a message's base name is its identity");
                names.push(renamed.name);
            }
        }
    }
    if let Some(own) = OwnName::parse(name) {
        let written = own.to_base(name);
        assert_eq!(OwnName::parse(&written), Some(own), "{name:?}");
        names.extend((!name.contains('\0')).then_some(written));
    }
    names
}

/// `host` without the characters that a base name must not have.
fn escaped(host: &str) -> Cow<'_, str> {
    if host.contains(['/', ':']) { host.replace('/', "\\057").replace(':', "\\072").into() } else { host.into() }
}

/// The largest number of nanoseconds in a name: those of a leap second go beyond, and are cut off here.
const MAX_NANOS: u32 = 999_999_999;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cur(name: &str) -> FileName {
        FileName::parse(Folder::Cur, name.to_owned()).unwrap()
    }

    fn statuses() -> impl Strategy<Value = Status> {
        prop_oneof![Just(Status::New), Just(Status::Old), Just(Status::Removed)]
    }

    #[test]
    fn a_status_is_a_flag_and_other_flags_stay_in_ascii_order() {
        let new = FileName::parse(Folder::New, "1.x.h".to_owned()).unwrap();
        assert_eq!(new.at(Status::New), new);
        assert_eq!(new.at(Status::Old).name, "1.x.h:2,S");
        assert_eq!(new.at(Status::Removed), cur("1.x.h:2,T"));
        assert_eq!(cur("1.x.h:2,FRSa").at(Status::Removed).name, "1.x.h:2,FRSTa");
        assert_eq!(cur("1.x.h:2,FRSTa").at(Status::Old).name, "1.x.h:2,FRSa");
        assert_eq!(cur("1.x.h:2,FRSTa").at(Status::New).name, "1.x.h:2,FRa");
        assert_eq!(cur("1.x.h").at(Status::Old).name, "1.x.h:2,S");
        assert_eq!(cur("1.x.h:1,x").at(Status::New).name, "1.x.h:1,x");
    }

    #[test]
    fn names_of_other_programs_are_not_taken_for_our_own() {
        let (hex, nanos) = ("0f".repeat(32), "9".repeat(10));
        for name in ["1795360430.M83834P6722.host", "", ".", "..", "1.2", "1..h", "a.b.c", "1.é.h"] {
            assert_eq!(OwnName::parse(name), None, "{name}");
        }
        for tags in ["u", "é", "N", "Nx", &format!("N{nanos}"), "L1B"] {
            assert_eq!(OwnName::parse(&format!("1.{hex}{tags}.h")), None, "{tags}");
        }
        assert_eq!(OwnName::parse(&format!("1.{hex}UX7.h")).unwrap().urgency, Urgency::Urgent);
        for name in [".hidden", "", ":2,S"] {
            assert_eq!(FileName::parse(Folder::New, name.to_owned()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_base_name_reads_back_as_written(
            recorded in (0..i64::MAX, 0..=MAX_NANOS), id: [u8; 16], key: [u8; 16], urgent: bool, host in "\\PC{1,20}",
            millis: u64, bytes: u64
        ) {
            let urgency = if urgent { Urgency::Urgent } else { Urgency::Normal };
            let (id, key, length) = (MessageId::from_bytes(id), DeduplicationKey::from_bytes(key), Duration::from_millis(millis));
            let own = OwnName { recorded, id, key, urgency, length, bytes };
            let base = own.to_base(&host);
            prop_assert!(!base.contains(['/', ':']));
            prop_assert_eq!(OwnName::parse(&base), Some(own));
        }

        #[test]
        fn any_file_can_be_marked_and_keeps_its_base(name in "\\PC{0,40}", in_new: bool, status in statuses()) {
            let folder = if in_new { Folder::New } else { Folder::Cur };
            if let Some(file) = FileName::parse(folder, name) {
                let marked = file.at(status);
                prop_assert_eq!(marked.status(), status);
                prop_assert_eq!(marked.base(), file.base());
                prop_assert_eq!(marked.at(status), marked.clone());
            }
        }
    }
}
