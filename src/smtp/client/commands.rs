//! [`Commands`]: commands to send.

use super::event::BodyFraming;
use super::step::ProtocolStep;

/// One or more commands to send, and the replies that they ask for.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) text: String,
    /// The message to send after the text, if there is one.
    pub(super) body: Option<BodyFraming>,
    pub(super) replies: Vec<ProtocolStep>,
}

impl Commands {
    pub(super) fn command(text: String, step: ProtocolStep) -> Self {
        Self { text, body: None, replies: vec![step] }
    }

    pub(super) fn add(&mut self, command: impl AsRef<str>, step: ProtocolStep) {
        self.text.push_str(command.as_ref());
        self.replies.push(step);
    }
}
