//! [`MessageSummary`]: the body of a NOTIFY about waiting messages.

use std::fmt::Write as _;
use std::str;

use super::SipUri;
use crate::message::Summary;

/// The number of messages in a mailbox, as `application/simple-message-summary`.
///
/// [`of`](Self::of) and [`parse`](Self::parse) make one; its fields may be changed.
///
/// ```
/// use voicemail::message::Summary;
/// use voicemail::sip::MessageSummary;
///
/// let summary = Summary::new(2, 8).with_urgent(0, 2);
/// let body = MessageSummary::of(summary, "sip:2041@pbx.example".parse()?);
/// assert_eq!(
///     body.to_text(),
///     "Messages-Waiting: yes\r\nMessage-Account: sip:2041@pbx.example\r\nVoice-Message: 2/8 (0/2)\r\n"
/// );
/// assert_eq!(MessageSummary::parse(body.to_text().as_bytes())?, body);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
///
/// RFC 3842 §5.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageSummary {
    /// Whether the lamp is lit.
    pub waiting: bool,
    /// The account that the mailbox belongs to.
    pub account: Option<SipUri>,
    /// The numbers of voice messages; `None` where the body has no `Voice-Message` line.
    pub voice: Option<Summary>,
}

impl MessageSummary {
    /// The media type, for a Content-Type or Accept field.
    pub const CONTENT_TYPE: &str = "application/simple-message-summary";

    /// The body for `summary` of the mailbox known as `account`.
    pub const fn of(summary: Summary, account: SipUri) -> Self {
        Self { waiting: summary.waiting(), account: Some(account), voice: Some(summary) }
    }

    /// Writes the body. `Messages-Waiting` comes first, because some servers read no other line.
    pub fn to_text(&self) -> String {
        let mut text = format!("{WAITING}: {}\r\n", if self.waiting { "yes" } else { "no" });
        // Writing to a text does not fail.
        if let Some(account) = &self.account {
            let _ = write!(text, "{ACCOUNT}: {account}\r\n");
        }
        if let Some(voice) = self.voice {
            let _ = write!(text, "{VOICE}: {voice}\r\n");
        }
        text
    }

    /// Reads a body. The case of names and of `yes` does not matter, line ends may be LF, a count above 4294967295 is read as 4294967295,
    /// and other lines are ignored.
    ///
    /// # Errors
    ///
    /// [`InvalidMessageSummary`] when the body does not say whether messages wait.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidMessageSummary> {
        let text = str::from_utf8(body).map_err(|_| InvalidMessageSummary)?;
        let fields = text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.trim(), value.trim()));
        let (mut waiting, mut account, mut voice) = (None, None, None);
        for (name, value) in fields {
            if name.eq_ignore_ascii_case(WAITING) {
                waiting =
                    [("yes", true), ("no", false)].iter().find(|(word, _)| value.eq_ignore_ascii_case(word)).map(|(_, on)| *on);
            } else if name.eq_ignore_ascii_case(ACCOUNT) {
                account = value.trim_start_matches('<').trim_end_matches('>').parse().ok();
            } else if name.eq_ignore_ascii_case(VOICE) {
                voice = counts(value);
            }
        }
        Ok(Self { waiting: waiting.ok_or(InvalidMessageSummary)?, account, voice })
    }
}

/// Reads `2/8` or `2/8 (0/2)`.
fn counts(value: &str) -> Option<Summary> {
    let pair = |text: &str| {
        let (new, old) = text.split_once('/')?;
        Some((count(new)?, count(old)?))
    };
    let (all, urgent) = match value.split_once('(') {
        Some((all, urgent)) => (all, pair(urgent.trim_end().strip_suffix(')')?)?),
        None => (value, (0, 0)),
    };
    let ((new, old), (urgent_new, urgent_old)) = (pair(all)?, urgent);
    Some(Summary { new, old, urgent_new, urgent_old })
}

fn count(text: &str) -> Option<u32> {
    let digits = text.trim();
    let number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    number.then(|| digits.parse().unwrap_or(u32::MAX))
}

/// The body does not say whether messages wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body does not say whether messages wait")]
pub struct InvalidMessageSummary;

const WAITING: &str = "Messages-Waiting";
const ACCOUNT: &str = "Message-Account";
const VOICE: &str = "Voice-Message";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<MessageSummary, InvalidMessageSummary> {
        MessageSummary::parse(text.as_bytes())
    }

    #[test]
    fn bodies_of_other_programs_are_read() {
        let asterisk = read("Messages-Waiting: no\r\nVoice-Message: 0/0 (0/0)\r\n").unwrap();
        assert_eq!((asterisk.waiting, asterisk.account, asterisk.voice), (false, None, Some(Summary::default())));
        let bare =
            read("messages-waiting:YES\nMessage-Account:<sip:a@b>\nvoice-message:2/8\nFax-Message: 1/0\n\nTo: x\n").unwrap();
        assert_eq!(bare.voice, Some(Summary { new: 2, old: 8, ..Summary::default() }));
        assert_eq!(bare.account, "sip:a@b".parse().ok());
        let large = read("Messages-Waiting: yes\r\nVoice-Message: 99999999999999/1 ( 4294967295 / 4294967296 )\r\n").unwrap();
        let most = u32::MAX;
        assert_eq!(large.voice, Some(Summary { new: most, old: 1, urgent_new: most, urgent_old: most }));
    }

    #[test]
    fn a_body_without_the_state_of_the_lamp_is_refused() {
        for text in ["", "Voice-Message: 2/8", "Messages-Waiting: perhaps\r\n", "Messages-Waiting yes", "\u{0}"] {
            assert_eq!(read(text), Err(InvalidMessageSummary), "{text:?}");
        }
        assert_eq!(MessageSummary::parse(b"Messages-Waiting: yes\r\n\xff"), Err(InvalidMessageSummary));
        for value in ["2", "2/", "/8", "2/8 (", "2/8 (1)", "-1/8", "2/8 (1/2"] {
            assert_eq!(counts(value), None, "{value:?}");
        }
    }
}
