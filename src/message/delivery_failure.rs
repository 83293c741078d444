//! [`DeliveryFailure`]: why a message did not reach a mailbox at another system.

use std::fmt;

/// The kind of reason why a message could not be delivered to a mailbox at another voicemail system.
///
/// ```
/// use voicemail::message::DeliveryFailure;
///
/// assert_eq!(DeliveryFailure::of(["5.0.0", "550 5.1.1 nobody here"]), Some(DeliveryFailure::NoSuchMailbox));
/// assert_eq!(DeliveryFailure::of(["550 go away"]), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryFailure {
    /// The other system has no such mailbox.
    NoSuchMailbox,
    /// The mailbox is full.
    MailboxFull,
    /// The message is too long for the other system.
    TooLong,
    /// The other system could not be reached for as long as a mail is tried.
    NotReached,
    /// The other system does not accept the message, for another reason or none.
    Refused,
}

impl DeliveryFailure {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::NoSuchMailbox, Self::MailboxFull, Self::TooLong, Self::NotReached, Self::Refused];

    /// Returns the kind that the first enhanced status code in these texts of mail servers means, if it says more than that the delivery failed.
    ///
    /// # Source
    ///
    /// RFC 3463 §3.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        texts.into_iter().flat_map(str::split_ascii_whitespace).find_map(of_status)
    }

    /// Returns the name, such as `no-such-mailbox`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchMailbox => "no-such-mailbox",
            Self::MailboxFull => "mailbox-full",
            Self::TooLong => "too-long",
            Self::NotReached => "not-reached",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn of_status(word: &str) -> Option<DeliveryFailure> {
    let (class, rest) = word.split_once('.')?;
    let (subject, detail) = rest.split_once('.')?;
    if !matches!(class, "4" | "5") {
        return None;
    }
    match (subject.parse::<u16>().ok()?, detail.parse::<u16>().ok()?) {
        (1, 0 | 1 | 3 | 4 | 6) => Some(DeliveryFailure::NoSuchMailbox),
        (2, 2) => Some(DeliveryFailure::MailboxFull),
        (2, 3) | (3, 4) => Some(DeliveryFailure::TooLong),
        (1, 2 | 10) | (4, _) => Some(DeliveryFailure::NotReached),
        (0, _) => None,
        _ => Some(DeliveryFailure::Refused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_why_a_message_did_not_arrive() {
        for (text, expected) in [
            ("550 5.1.1 <617@vpim.example>: nobody here", Some(DeliveryFailure::NoSuchMailbox)),
            ("452 4.2.2 full", Some(DeliveryFailure::MailboxFull)),
            ("552 5.3.4 too big", Some(DeliveryFailure::TooLong)),
            ("4.4.1", Some(DeliveryFailure::NotReached)),
            ("556 5.1.10 no mail here", Some(DeliveryFailure::NotReached)),
            ("550 5.7.1 not from you", Some(DeliveryFailure::Refused)),
            ("5.6.0", Some(DeliveryFailure::Refused)),
            ("5.0.0", None),
            ("connect to 192.0.2.1 failed", None),
            ("2.1.1 5.1 5.1.x 5..1 5.99999999.1", None),
            ("", None),
        ] {
            assert_eq!(DeliveryFailure::of([text]), expected, "{text}");
        }
    }
}
