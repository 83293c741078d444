//! [`PostmasterMail`]: forwards mail to a node's postmaster to the operator's address.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use encodify::base64::STANDARD;

use crate::clock::Clock;
use crate::disk::Disk;
use crate::forward::{MailOut as _, Sender};
use crate::intake::{Postmaster, PostmasterFolder};
use crate::message::{MailAddress, MessageId};
use crate::network::NodeAddress;
use crate::outbox::Outbox;
use crate::smtp::Reply;

/// Returns where mail to the postmaster of `node` goes: into the outbox for the operator's address, or else into a folder.
pub(super) fn postmaster(
    node: &NodeAddress,
    operator: Option<(MailAddress, Outbox)>,
    disk: &Arc<dyn Disk>,
    folder: PathBuf,
    clock: &Arc<dyn Clock>,
) -> Arc<dyn Postmaster> {
    let clock = Arc::clone(clock);
    match operator {
        Some((to, outbox)) => Arc::new(PostmasterMail { outbox, to, node: node.to_string(), clock }),
        None => Arc::new(PostmasterFolder::new(Arc::clone(disk), folder, clock)),
    }
}

/// Forwards mail to the postmaster, enclosed in a mail from the node: as a message if it is plain text, else as a file.
///
/// Mail that the node has forwarded once already is refused, so that no mail loops.
#[derive(Debug)]
struct PostmasterMail {
    outbox: Outbox,
    /// The address of the operator.
    to: MailAddress,
    /// The node's host name.
    node: String,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl Postmaster for PostmasterMail {
    async fn check(&self, size: u64) -> Result<(), Reply> {
        if size > MOST_BYTES { Err(too_big()) } else { Ok(()) }
    }

    async fn keep(&self, mail: Bytes) -> Result<String, Reply> {
        if mail.len() as u64 > MOST_BYTES {
            return Err(too_big());
        }
        if has_passed(&mail, &self.node) {
            return Err(Reply::with_status(554, "5.4.6", "this mail to the postmaster has come round"));
        }
        let id = format!("<{}.postmaster@{}>", MessageId::random(), self.node);
        let whole = enclosed(&mail, &id, &self.node, &self.to, self.clock.now().instant);
        match self.outbox.send(Sender::Null, &self.to, &whole).await {
            Ok(_) => Ok(id),
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a mail to the postmaster was not kept");
                Err(Reply::with_status(452, "4.3.1", "the mail to the postmaster cannot be kept now, try again later"))
            }
        }
    }
}

fn too_big() -> Reply {
    Reply::with_status(552, "5.3.4", "the message is too big for the postmaster")
}

/// Returns a mail from the node that encloses another.
///
/// # Source
///
/// RFC 2046 §5.2.1, which allows no base64 for a message; RFC 3834 §5 for `Auto-Submitted`.
fn enclosed(mail: &[u8], id: &str, node: &str, to: &MailAddress, at: DateTime<Utc>) -> Bytes {
    let mut whole = format!(
        "Date: {}\r\nFrom: <voicemail@{node}>\r\nTo: <{to}>\r\nSubject: Mail to the postmaster of {node}\r\nMessage-ID: {id}\r\n\
         Auto-Submitted: auto-generated\r\n{LOOP}: {node}\r\nMIME-Version: 1.0\r\n",
        at.to_rfc2822()
    )
    .into_bytes();
    if is_plain(mail) {
        whole.extend_from_slice(b"Content-Type: message/rfc822\r\n\r\n");
        whole.extend_from_slice(mail);
    } else {
        whole.extend_from_slice(
            b"Content-Type: application/octet-stream; name=\"postmaster.eml\"\r\n\
              Content-Disposition: attachment; filename=\"postmaster.eml\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        );
        for line in mail.chunks(BYTES_PER_LINE) {
            whole.extend_from_slice(STANDARD.encode(line).as_bytes());
            whole.extend_from_slice(b"\r\n");
        }
    }
    whole.into()
}

/// Whether a mail may be enclosed without encoding: lines of at most 998 ASCII characters. RFC 5322 §2.1.1.
fn is_plain(mail: &[u8]) -> bool {
    mail.ends_with(b"\r\n")
        && mail.split_inclusive(|byte| *byte == b'\n').all(|line| {
            let text = line.strip_suffix(b"\r\n").unwrap_or(line);
            text.len() <= 998 && text.iter().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n'))
        })
}

/// Whether this node has forwarded the mail before.
fn has_passed(mail: &[u8], node: &str) -> bool {
    let head = mail.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).take_while(|line| !line.is_empty());
    head.into_iter().any(|line| {
        let (name, value) = line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len()));
        name.eq_ignore_ascii_case(LOOP.as_bytes())
            && value.get(1..).is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(node.as_bytes()))
    })
}

/// The field that names the nodes that have forwarded a mail.
const LOOP: &str = "Voicemail-Postmaster";

/// The longest mail that is forwarded.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// The bytes that make a line of 76 characters of base64. RFC 2045 §6.8.
const BYTES_PER_LINE: usize = 57;

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(mail: &[u8]) -> String {
        let whole = enclosed(
            mail,
            "<1.postmaster@vm1.example>",
            "vm1.example",
            &"anna@example.com".parse().unwrap(),
            DateTime::UNIX_EPOCH,
        );
        assert!(is_plain(&whole));
        String::from_utf8(whole.to_vec()).unwrap()
    }

    #[test]
    fn plain_mail_is_enclosed_as_a_message_and_other_mail_as_a_file() {
        let plain = whole(b"Subject: x\r\n\r\nhello\r\n");
        assert!(plain.ends_with("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhello\r\n"), "{plain}");
        for other in [&b"\xff\r\n"[..], b"a\nb\r\n", b"no end", b"nul\0\r\n", &[b'x'; 2000]] {
            let file = whole(other);
            let (_, body) = file.split_once("base64\r\n\r\n").unwrap();
            let decoded = STANDARD.decode(body.replace("\r\n", "").as_bytes()).unwrap();
            assert_eq!(decoded, other);
        }
    }

    #[test]
    fn mail_that_this_node_has_forwarded_is_recognised() {
        let once = whole(b"Subject: x\r\n\r\nhello\r\n");
        let relayed = format!("Received: from a\r\n\tby b\r\n{once}");
        assert!(has_passed(relayed.as_bytes(), "VM1.example"));
        assert!(!has_passed(relayed.as_bytes(), "vm2.example"));
        assert!(!has_passed(b"Subject: x\r\n\r\nVoicemail-Postmaster: vm1.example\r\n", "vm1.example"));
    }
}
