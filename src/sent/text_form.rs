//! [`SentMessage`] as text, for a file.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::{SentCopy, SentMessage, SentState};

/// Writes a message.
///
/// ```text
/// voicemail sent 1
/// id: 000102030405060708090a0b0c0d0e0f
/// sent-at: 2025-03-30T00:59:40Z
/// length-ms: 2500
/// copy: 2002 000102030405060708090a0b0c0d0e0f displayed 2025-03-30T08:00:00Z
/// copy: 2003 000102030405060708090a0b0c0d0e0f delivered
/// ```
pub(super) fn to_text(message: &SentMessage) -> String {
    let SentMessage { id, sent_at, length, copies } = message;
    let head = format!("{MAGIC}\nid: {id}\nsent-at: {}\nlength-ms: {}\n", moment(*sent_at), length.as_millis());
    std::iter::once(head).chain(copies.iter().map(copy_line)).collect()
}

fn copy_line(copy: &SentCopy) -> String {
    let SentCopy { mailbox, id, state } = copy;
    let state = match state {
        SentState::Sending => SENDING.to_owned(),
        SentState::NotDelivered => NOT_DELIVERED.to_owned(),
        SentState::Delivered => DELIVERED.to_owned(),
        SentState::Returned => RETURNED.to_owned(),
        SentState::Ended { disposition, at } => format!("{disposition} {}", moment(*at)),
    };
    format!("copy: {mailbox} {id} {state}\n")
}

/// Reads a message; `None` if the text is none.
pub(super) fn from_text(text: &str) -> Option<SentMessage> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    if lines.next()? != MAGIC {
        return None;
    }
    let id = lines.next()?.strip_prefix("id: ")?.parse().ok()?;
    let sent_at = parse_moment(lines.next()?.strip_prefix("sent-at: ")?)?;
    let length = Duration::from_millis(lines.next()?.strip_prefix("length-ms: ")?.parse().ok()?);
    let copies = lines.map(parse_copy).collect::<Option<Vec<_>>>()?;
    Some(SentMessage { id, sent_at, length, copies })
}

fn parse_copy(line: &str) -> Option<SentCopy> {
    let words: Vec<&str> = line.strip_prefix("copy: ")?.split(' ').collect();
    let (mailbox, id, state) = match words[..] {
        [mailbox, id, SENDING] => (mailbox, id, SentState::Sending),
        [mailbox, id, NOT_DELIVERED] => (mailbox, id, SentState::NotDelivered),
        [mailbox, id, DELIVERED] => (mailbox, id, SentState::Delivered),
        [mailbox, id, RETURNED] => (mailbox, id, SentState::Returned),
        [mailbox, id, disposition, at] => {
            (mailbox, id, SentState::Ended { disposition: disposition.parse().ok()?, at: parse_moment(at)? })
        }
        _ => return None,
    };
    Some(SentCopy::new(mailbox.parse().ok()?, id.parse().ok()?, state))
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

fn parse_moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc())
}

const MAGIC: &str = "voicemail sent 1";
const SENDING: &str = "sending";
const NOT_DELIVERED: &str = "not-delivered";
const DELIVERED: &str = "delivered";
const RETURNED: &str = "returned";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::{Disposition, MessageId};

    fn message() -> SentMessage {
        let (id, at) = (MessageId::from_bytes([1; 16]), "2025-03-30T00:59:40.000000001Z".parse().unwrap());
        let ends = Disposition::ALL.map(|disposition| SentState::Ended { disposition, at });
        let states =
            [SentState::Sending, SentState::NotDelivered, SentState::Delivered, SentState::Returned].into_iter().chain(ends);
        let copies = (2002..).zip(states).map(|(number, state)| SentCopy::new(number.to_string().parse().unwrap(), id, state));
        SentMessage::new(id, at, Duration::from_millis(2500), copies.collect())
    }

    #[test]
    fn a_message_reads_back_and_a_part_of_it_is_none() {
        let text = to_text(&message());
        assert_eq!(from_text(&text), Some(message()));
        for line in text.lines().take(4) {
            assert_eq!(from_text(&text.replace(line, "")), None, "without {line}");
        }
        assert_eq!(from_text(text.trim_end()), None, "a line that is cut off");
    }

    proptest! {
        #[test]
        fn hostile_texts_never_panic(text in "\\PC{0,80}", at in 0..200_usize) {
            let _ = from_text(&text);
            let mut whole = to_text(&message());
            whole.insert_str(at, &text);
            let _ = from_text(&whole);
        }
    }
}
