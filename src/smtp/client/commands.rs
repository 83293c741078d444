//! [`Commands`].

use super::event::BodyForm;
use super::step::Step;

/// A command or several, and the replies that they ask for.
#[derive(Debug, Default)]
pub(super) struct Commands {
    pub(super) text: String,
    pub(super) body: Option<BodyForm>,
    pub(super) replies: Vec<Step>,
}

impl Commands {
    pub(super) fn command(text: String, step: Step) -> Self {
        Self { text, body: None, replies: vec![step] }
    }

    pub(super) fn add(&mut self, command: impl AsRef<str>, step: Step) {
        self.text.push_str(command.as_ref());
        self.replies.push(step);
    }
}
