//! The text of a notification: pairs of a mailbox and its version, `2041 1743296380000000 2042 1743296380000001`.

use voicemail::message::MailboxId;

/// Writes changes as texts that are short enough for a notification.
pub(super) fn write<'a>(changes: impl IntoIterator<Item = (&'a MailboxId, &'a i64)>) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    for (mailbox, version) in changes {
        let pair = format!("{mailbox} {version}");
        match texts.last_mut() {
            Some(text) if text.len() + pair.len() < LONGEST => {
                text.push(' ');
                text.push_str(&pair);
            }
            _ => texts.push(pair),
        }
    }
    texts
}

/// Reads the changes of a notification. Words that are not a change are skipped: others may use the channel.
pub(super) fn read(text: &str) -> impl Iterator<Item = (MailboxId, i64)> {
    let mut words = text.split(' ');
    std::iter::from_fn(move || Some((words.next()?, words.next()?)))
        .filter_map(|(mailbox, version)| Some((mailbox.parse().ok()?, version.parse().ok()?)))
}

/// The server takes less than 8000 bytes.
const LONGEST: usize = 7900;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn many_changes_are_several_texts_that_read_back() {
        let changes: Vec<(MailboxId, i64)> = (0..1000).map(|n| (n.to_string().parse().unwrap(), i64::MAX - n)).collect();
        let texts = write(changes.iter().map(|(mailbox, version)| (mailbox, version)));
        assert!(texts.len() > 1 && texts.iter().all(|text| text.len() < 8000));
        let read: Vec<_> = texts.iter().flat_map(|text| read(text)).collect();
        assert_eq!(read, changes);
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics(text in ".{0,80}") {
            let _ = read(&text).count();
        }
    }
}
