//! [`RelayedEntry`]: the name of a relayed message's file.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::message::{MailboxId, MessageId};
use crate::spool::name::EXTENSION;

/// One message that a relay has accepted for one mailbox: `20261129T180000Z-ID-2001.vm`.
///
/// The time is that of the relay's answer, rounded down, so that a name can be found for an id and a mailbox by trying the few times there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spool) struct RelayedEntry {
    pub(super) relayed_at: DateTime<Utc>,
    pub(super) id: MessageId,
    pub(super) mailbox: MailboxId,
}

impl RelayedEntry {
    pub(super) fn new(relayed_at: DateTime<Utc>, id: MessageId, mailbox: MailboxId) -> Self {
        Self { relayed_at, id, mailbox }
    }
}

/// Rounds a time down to `resolution`, in whole seconds. A time before 1970 counts as 1970, and one that no name can have as its last second.
pub(super) fn rounded(at: DateTime<Utc>, resolution: Duration) -> DateTime<Utc> {
    let step = i64::try_from(resolution.as_secs().max(1)).unwrap_or(i64::MAX);
    let secs = at.timestamp().clamp(0, LAST);
    DateTime::from_timestamp(secs - secs % step, 0).unwrap_or_default()
}

impl fmt::Display for RelayedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}{EXTENSION}", self.relayed_at.format(TIME), self.id, self.mailbox)
    }
}

impl FromStr for RelayedEntry {
    type Err = ();

    /// Parses a name exactly as [`Display`](fmt::Display) writes it: another spelling would name a file that does not exist.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.strip_suffix(EXTENSION).ok_or(())?.splitn(3, '-');
        let mut field = || fields.next().ok_or(());
        let relayed_at = NaiveDateTime::parse_from_str(field()?, TIME).map_err(|_| ())?.and_utc();
        let id = field()?.parse().map_err(|_| ())?;
        let mailbox = field()?.parse().map_err(|_| ())?;
        let entry = Self { relayed_at, id, mailbox };
        if entry.to_string() == text { Ok(entry) } else { Err(()) }
    }
}

const TIME: &str = "%Y%m%dT%H%M%SZ";
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;

    proptest! {
        #[test]
        fn any_mailbox_reads_back_from_a_relayed_name(mailbox in any_mailbox()) {
            let entry = RelayedEntry::new(rounded(Utc::now(), Duration::from_secs(3600)), MessageId::random(), mailbox);
            prop_assert_eq!(entry.to_string().parse(), Ok(entry));
        }
    }

    #[test]
    fn a_time_is_rounded_down_and_any_reads_back() {
        let at = "2026-11-29T18:59:59.9Z".parse().unwrap();
        let entry =
            RelayedEntry::new(rounded(at, Duration::from_secs(3600)), MessageId::from_bytes([7; 16]), "2001".parse().unwrap());
        assert_eq!(entry.to_string(), format!("20261129T180000Z-{}-2001.vm", "07".repeat(16)));
        for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            let entry = RelayedEntry { relayed_at: rounded(at, Duration::ZERO), ..entry.clone() };
            assert_eq!(entry.to_string().parse(), Ok(entry));
        }
        for text in ["", "checked.txt", "20261129T180000Z-x-2001.vm", "20261129T180000Z.vm"] {
            assert_eq!(text.parse::<RelayedEntry>(), Err(()), "{text}");
        }
    }
}
