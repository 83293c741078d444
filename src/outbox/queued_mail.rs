//! [`QueuedMail`]: the contents of a mail's file in the outbox, and [`QueuedMailName`], the name of that file.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::forward::Sender;
use crate::message::{MailAddress, MessageId};

/// The time at which the mail was queued, and a random id: so the oldest comes first in `ls`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct QueuedMailName {
    queued_at: DateTime<Utc>,
    id: MessageId,
}

impl QueuedMailName {
    pub(super) fn new(queued_at: DateTime<Utc>) -> Self {
        Self { queued_at, id: MessageId::random() }
    }

    pub(super) fn queued_at(&self) -> DateTime<Utc> {
        self.queued_at
    }
}

impl fmt::Display for QueuedMailName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}{EXTENSION}", self.queued_at.format(MOMENT), self.id)
    }
}

impl FromStr for QueuedMailName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (moment, id) = text.strip_suffix(EXTENSION).and_then(|text| text.split_once('-')).ok_or(InvalidName)?;
        let queued_at = NaiveDateTime::parse_from_str(moment, MOMENT).map_err(|_| InvalidName)?.and_utc();
        Ok(Self { queued_at, id: id.parse().map_err(|_| InvalidName)? })
    }
}

/// The error of a text that is no [`QueuedMailName`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InvalidName;

/// A mail and its recipient: two lines that an operator can read, an empty line, and the mail as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueuedMail {
    pub(super) sender: Sender,
    pub(super) to: MailAddress,
    pub(super) mail: Bytes,
}

impl QueuedMail {
    /// Returns the lines before the mail.
    pub(super) fn head(sender: Sender, to: &MailAddress) -> String {
        let sender = match sender {
            Sender::Node => NODE,
            Sender::Null => NULL_SENDER,
        };
        format!("Failures-To: {sender}\nTo: {to}\n\n")
    }

    /// Parses a file; returns `None` if it has another form.
    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let (sender, to) = std::str::from_utf8(&bytes[..end]).ok()?.split_once('\n')?;
        let sender = match sender.strip_prefix("Failures-To: ")? {
            NODE => Sender::Node,
            NULL_SENDER => Sender::Null,
            _ => return None,
        };
        Some(Self { sender, to: to.strip_prefix("To: ")?.parse().ok()?, mail: bytes.slice(end + 2..) })
    }

    /// Returns the `Message-ID` of the mail, by which an operator finds it; empty when it has none.
    pub(super) fn message_id(&self) -> String {
        let head = self.mail.split(|byte| *byte == b'\n').take_while(|line| !matches!(line, [] | [b'\r']));
        let value = |line: &[u8]| {
            let (name, value) = line.split_at_checked(FIELD.len())?;
            name.eq_ignore_ascii_case(FIELD).then(|| String::from_utf8_lossy(value).trim().chars().take(250).collect())
        };
        head.into_iter().find_map(value).unwrap_or_default()
    }
}

const MOMENT: &str = "%Y%m%dT%H%M%S%.6fZ";
const EXTENSION: &str = ".mail";
const NODE: &str = "node";
const NULL_SENDER: &str = "nobody";
const FIELD: &[u8] = b"Message-ID:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_read_as_it_was_written_and_nothing_else_is() {
        let mail = Bytes::from_static(b"Subject: x\r\nmessage-id: <1.played@vm.example>\r\n\r\nMessage-ID: <2@x>\r\n\n\nend");
        for sender in [Sender::Node, Sender::Null] {
            let to: MailAddress = "anna@example.com".parse().unwrap();
            let file: Bytes = [QueuedMail::head(sender, &to).as_bytes(), &mail].concat().into();
            let queued = QueuedMail::parse(&file).unwrap();
            assert_eq!(queued, QueuedMail { sender, to, mail: mail.clone() });
            assert_eq!(queued.message_id(), "<1.played@vm.example>");
        }
        for not in ["", "\n\n", "To: a@b.example\n\nx", "Failures-To: me\nTo: a@b.example\n\n", "Failures-To: node\nTo: a\n\n"] {
            assert_eq!(QueuedMail::parse(&not.into()), None, "{not:?}");
        }
    }

    #[test]
    fn the_names_of_files_read_back_and_are_in_the_order_of_time() {
        let at = |text: &str| QueuedMailName::new(text.parse().unwrap());
        let (early, late) = (at("2026-11-22T18:00:00.000001Z"), at("2026-11-22T18:00:00.5Z"));
        assert!(early < late && early.to_string() < late.to_string(), "{early} {late}");
        assert_eq!(early.to_string().parse(), Ok(early));
        for not in ["", ".mail", "README.txt", "20261122T180000.000001Z-x.mail", "20261122-00.mail"] {
            assert_eq!(not.parse::<QueuedMailName>(), Err(InvalidName), "{not}");
        }
    }
}
