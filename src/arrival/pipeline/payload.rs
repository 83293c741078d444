//! [`StepJob`]: a part of a step as the payload of its job.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::arrival::Arrived;

/// A part of a step for a message: some lines that an operator can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StepJob {
    pub arrived: Arrived,
    /// The part; `None` if the step has not said its parts yet.
    pub part: Option<String>,
}

impl StepJob {
    /// Returns the payload.
    pub(super) fn encode(&self) -> Vec<u8> {
        let Arrived { mailbox, id, noticed_at } = &self.arrived;
        let noticed_at = noticed_at.to_rfc3339_opts(SecondsFormat::Micros, true);
        let mut text = format!("Mailbox: {mailbox}\nMessage: {id}\nNoticed: {noticed_at}\n");
        if let Some(part) = &self.part {
            // Writing to a text does not fail.
            let _ = writeln!(text, "Part: {part}");
        }
        text.into_bytes()
    }

    /// Parses a payload; returns `None` if it has another form.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(payload).ok()?.lines();
        let mailbox = lines.next()?.strip_prefix("Mailbox: ")?.parse().ok()?;
        let id = lines.next()?.strip_prefix("Message: ")?.parse().ok()?;
        let noticed_at: DateTime<Utc> = lines.next()?.strip_prefix("Noticed: ")?.parse().ok()?;
        let part = lines.next().map(|line| line.strip_prefix("Part: ").map(str::to_owned));
        let part = match part {
            Some(part) => Some(part?),
            None => None,
        };
        lines.next().is_none().then_some(Self { arrived: Arrived::new(mailbox, id, noticed_at), part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageId;

    #[test]
    fn a_payload_reads_back_and_any_other_text_does_not() {
        let noticed_at = "2026-11-29T15:00:00.123456Z".parse().unwrap();
        let arrived = Arrived::new("2041".parse().unwrap(), MessageId::from_bytes([7; 16]), noticed_at);
        for part in [None, Some(String::new()), Some("anna@example.com".to_owned())] {
            let job = StepJob { arrived: arrived.clone(), part };
            assert_eq!(StepJob::parse(&job.encode()), Some(job));
        }
        for not in ["", "Mailbox: 2041", "Mailbox: x y\nMessage: 0\nNoticed: never\n"] {
            assert_eq!(StepJob::parse(not.as_bytes()), None, "{not}");
        }
    }
}
