//! [`EntryName`]: the name of a waiting message in the spool's folders and in its index.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::message::{MailboxId, MessageId, Urgency};

/// One message waiting for one mailbox: `0-20250330T005940.123Z-ID-2001.vm`.
///
/// The first digit is 0 for an urgent message and 1 for a normal one, so that both `ls` and the index show the messages in the order
/// in which they are sent: urgent ones first, then the oldest. A time outside the years 1 to 9999 is replaced by the nearest one inside,
/// so that every name can be parsed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EntryName {
    rank: u8,
    recorded_at_millis: i64,
    id: MessageId,
    mailbox: MailboxId,
}

impl EntryName {
    pub(crate) fn new(urgency: Urgency, recorded_at: DateTime<Utc>, id: MessageId, mailbox: MailboxId) -> Self {
        let rank = match urgency {
            Urgency::Urgent => 0,
            Urgency::Normal => 1,
        };
        Self { rank, recorded_at_millis: recorded_at.timestamp_millis().clamp(FIRST_MILLIS, LAST_MILLIS), id, mailbox }
    }

    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    pub(crate) fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    /// When the message was recorded, to the millisecond.
    pub(crate) fn recorded_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.recorded_at_millis).unwrap_or_default()
    }

    pub(crate) fn urgency(&self) -> Urgency {
        if self.rank == 0 { Urgency::Urgent } else { Urgency::Normal }
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let recorded_at = self.recorded_at().format(TIME);
        write!(f, "{}-{recorded_at}-{}-{}{EXTENSION}", self.rank, self.id, self.mailbox)
    }
}

impl FromStr for EntryName {
    type Err = ();

    /// Parses a name exactly as [`Display`](fmt::Display) writes it: another spelling would name a file that does not exist.
    fn from_str(text: &str) -> Result<Self, ()> {
        let mut fields = text.strip_suffix(EXTENSION).ok_or(())?.splitn(4, '-');
        let mut field = || fields.next().ok_or(());
        let rank = match field()? {
            "0" => 0,
            "1" => 1,
            _ => return Err(()),
        };
        let recorded_at = NaiveDateTime::parse_from_str(field()?, TIME).map_err(|_| ())?;
        let id = field()?.parse().map_err(|_| ())?;
        let mailbox = field()?.parse().map_err(|_| ())?;
        let name = Self { rank, recorded_at_millis: recorded_at.and_utc().timestamp_millis(), id, mailbox };
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

/// The extension of every message file in the spool.
pub(crate) const EXTENSION: &str = ".vm";

const TIME: &str = "%Y%m%dT%H%M%S%.3fZ";
/// 0001-01-01T00:00:00Z.
const FIRST_MILLIS: i64 = -62_135_596_800_000;
/// 9999-12-31T23:59:59.999Z.
const LAST_MILLIS: i64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::mailbox::tests::any_mailbox;

    fn name(urgency: Urgency, recorded_at: &str) -> EntryName {
        EntryName::new(urgency, recorded_at.parse().unwrap(), MessageId::from_bytes([7; 16]), "2001".parse().unwrap())
    }

    #[test]
    fn a_name_reads_back_as_written() {
        let name = name(Urgency::Urgent, "2025-03-30T00:59:40.123Z");
        assert_eq!(name.to_string(), format!("0-20250330T005940.123Z-{}-2001.vm", "07".repeat(16)));
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    proptest! {
        #[test]
        fn any_mailbox_reads_back_from_its_entry_names(mailbox in any_mailbox()) {
            let name = EntryName::new(Urgency::Normal, DateTime::UNIX_EPOCH, MessageId::from_bytes([7; 16]), mailbox);
            prop_assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    #[test]
    fn urgent_then_oldest_come_first_as_names_and_as_text() {
        let urgent = name(Urgency::Urgent, "2025-03-30T03:00:00Z");
        let older = name(Urgency::Normal, "2025-03-30T01:00:00Z");
        let newer = name(Urgency::Normal, "2025-03-30T02:00:00.001Z");
        assert!(urgent < older && older < newer);
        assert!(urgent.to_string() < older.to_string() && older.to_string() < newer.to_string());
    }

    #[test]
    fn a_clock_far_off_gives_names_that_read_back_all_the_same() {
        for instant in [DateTime::<Utc>::MIN_UTC, DateTime::UNIX_EPOCH, DateTime::<Utc>::MAX_UTC] {
            let name = EntryName::new(Urgency::Normal, instant, MessageId::from_bytes([7; 16]), "2001".parse().unwrap());
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    #[test]
    fn another_spelling_of_a_name_is_another_file() {
        let id = "aB".repeat(16);
        for time in ["20250330T005940.123Z", "20250330T005940.1Z", "20250330T005940.1234Z"] {
            assert_eq!(format!("1-{time}-{id}-2001.vm").parse::<EntryName>(), Err(()), "{time}");
        }
    }

    #[test]
    fn other_files_are_no_entries() {
        for text in ["", "README.txt", "2-20250330T005940.123Z-0-2001.vm", "0-x-y-z.vm", "0-20250330T005940.123Z.vm"] {
            assert_eq!(text.parse::<EntryName>(), Err(()), "{text}");
        }
    }
}
