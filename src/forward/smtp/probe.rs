//! The mail that a node sends to itself through a relay, to see whether reports come back.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lettre::Address;

use crate::message::MessageId;

/// Writes a probe, which goes to the return path `to` of the node `node`.
///
/// # Source
///
/// RFC 3834 §5 for `Auto-Submitted`.
pub(super) fn mail(node: &str, to: &Address, id: MessageId, at: DateTime<Utc>) -> Bytes {
    format!(
        "MIME-Version: 1.0\r\n\
         Message-ID: <{id}.probe@{node}>\r\n\
         Date: {date}\r\n\
         From: <voicemail@{node}>\r\n\
         To: <{to}>\r\n\
         Subject: Voicemail return path\r\n\
         Auto-Submitted: auto-generated\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         {node} sends this mail to itself, to see whether reports about voice messages come back.\r\n",
        date = at.to_rfc2822(),
    )
    .into()
}
