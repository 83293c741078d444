//! What the names of files in a Maildir say: pure, no disk.
//!
//! A name is `BASE` or `BASE:2,FLAGS`. The base is a message's identity for life; the flags come and go with renames.

use std::borrow::Cow;

use super::arrivals::Key;
use crate::message::{MessageId, Status, Urgency};

/// The base name of a message that this store deposited: `<seconds>.<id><key>[U].<host>`.
///
/// It tells all that a summary needs, so that counting opens no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnName {
    /// When it was recorded, in seconds since 1970.
    pub recorded_secs: i64,
    /// The id it is kept under.
    pub id: MessageId,
    /// Which arrival it is.
    pub key: Key,
    /// Whether it comes before others.
    pub urgency: Urgency,
}

impl OwnName {
    /// The base name at `host`.
    pub(super) fn to_base(&self, host: &str) -> String {
        let urgent = if self.urgency == Urgency::Urgent { "U" } else { "" };
        format!("{}.{}{}{urgent}.{}", self.recorded_secs.max(0), self.id, self.key, escaped(host))
    }

    /// Reads a base name of this store, of any host; `None` for a name that another program gave.
    pub(super) fn parse(base: &str) -> Option<Self> {
        let mut parts = base.splitn(3, '.');
        let (seconds, unique, _host) = (parts.next()?, parts.next()?, parts.next()?);
        if seconds.is_empty() || !seconds.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (hex, urgency) = match unique.strip_suffix('U') {
            Some(hex) => (hex, Urgency::Urgent),
            None => (unique, Urgency::Normal),
        };
        let (id, key) = hex.split_at_checked(32)?;
        Some(Self { recorded_secs: seconds.parse().ok()?, id: id.parse().ok()?, key: key.parse().ok()?, urgency })
    }
}

/// Which folder of a Maildir a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Folder {
    /// What no program has shown to its owner yet.
    New,
    /// All else.
    Cur,
}

/// A file in a Maildir, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileName {
    /// Which folder it is in.
    pub folder: Folder,
    /// Its name there.
    pub name: String,
}

impl FileName {
    /// The file `name` in `folder`; `None` for a name that is no message's.
    pub(super) fn parse(folder: Folder, name: String) -> Option<Self> {
        let file = Self { folder, name };
        (!file.base().is_empty() && !file.name.starts_with('.')).then_some(file)
    }

    /// All before the flags.
    pub(super) fn base(&self) -> &str {
        self.name.split_once(':').map_or(&self.name, |(base, _)| base)
    }

    /// Where the message stands: new as long as it is in `new`, whatever its flags say.
    pub(super) fn status(&self) -> Status {
        match self.folder {
            Folder::Cur if self.flags().contains('T') => Status::Removed,
            Folder::Cur if self.flags().contains('S') => Status::Old,
            Folder::Cur | Folder::New => Status::New,
        }
    }

    /// What the file must be named so that it stands at `status`; all other flags stay.
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

/// Reads a name that anybody may have given a file; answers the names that the file may be given because of it.
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
        for name in ["1795360430.M83834P6722.host", "", ".", "..", "1.2", "1..h", "a.b.c", "1.é.h"] {
            assert_eq!(OwnName::parse(name), None, "{name}");
        }
        for name in [".hidden", "", ":2,S"] {
            assert_eq!(FileName::parse(Folder::New, name.to_owned()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_base_name_reads_back_as_written(
            secs in 0..i64::MAX, id: [u8; 16], key: [u8; 16], urgent: bool, host in "\\PC{1,20}"
        ) {
            let urgency = if urgent { Urgency::Urgent } else { Urgency::Normal };
            let own = OwnName { recorded_secs: secs, id: MessageId::from_bytes(id), key: Key::from_bytes(key), urgency };
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
