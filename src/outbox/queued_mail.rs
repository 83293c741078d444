//! [`QueuedMail`]: a mail of the outbox as the payload of its job.

use bytes::Bytes;

use crate::forward::Sender;
use crate::message::MailAddress;

/// A mail and its recipient: two lines that an operator can read, an empty line, and the mail as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct QueuedMail {
    pub(super) sender: Sender,
    pub(super) to: MailAddress,
    pub(super) mail: Bytes,
}

impl QueuedMail {
    /// Returns a mail as the payload of its job.
    pub(super) fn encode(sender: Sender, to: &MailAddress, mail: &[u8]) -> Vec<u8> {
        let sender = match sender {
            Sender::Node => NODE.to_owned(),
            Sender::Message(id) => format!("{MESSAGE}{id}"),
            Sender::Null => NULL_SENDER.to_owned(),
        };
        [format!("Failures-To: {sender}\nTo: {to}\n\n").as_bytes(), mail].concat()
    }

    /// Parses a payload; returns `None` if it has another form.
    pub(super) fn parse(bytes: &Bytes) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n")?;
        let (sender, to) = std::str::from_utf8(&bytes[..end]).ok()?.split_once('\n')?;
        let sender = match sender.strip_prefix("Failures-To: ")? {
            NODE => Sender::Node,
            NULL_SENDER => Sender::Null,
            other => Sender::Message(other.strip_prefix(MESSAGE)?.parse().ok()?),
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

const NODE: &str = "node";
const NULL_SENDER: &str = "nobody";
const MESSAGE: &str = "message ";
const FIELD: &[u8] = b"Message-ID:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::MessageId;

    #[test]
    fn a_mail_is_read_as_it_was_written_and_nothing_else_is() {
        let mail = Bytes::from_static(b"Subject: x\r\nmessage-id: <1.played@vm.example>\r\n\r\nMessage-ID: <2@x>\r\n\n\nend");
        for sender in [Sender::Node, Sender::Null, Sender::Message(MessageId::from_bytes([7; 16]))] {
            let to: MailAddress = "anna@example.com".parse().unwrap();
            let queued = QueuedMail::parse(&QueuedMail::encode(sender, &to, &mail).into()).unwrap();
            assert_eq!(queued, QueuedMail { sender, to, mail: mail.clone() });
            assert_eq!(queued.message_id(), "<1.played@vm.example>");
        }
        for not in [
            "",
            "\n\n",
            "To: a@b.example\n\nx",
            "Failures-To: me\nTo: a@b.example\n\n",
            "Failures-To: node\nTo: a\n\n",
            "Failures-To: message 1\nTo: a@b.example\n\n",
        ] {
            assert_eq!(QueuedMail::parse(&not.into()), None, "{not:?}");
        }
    }
}
