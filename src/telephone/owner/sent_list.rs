//! [`SentList`]: the sent messages that an owner hears one by one.

use super::super::Function;
use crate::sent::SentMessage;

/// The sent messages of an owner, the newest first, and the current one.
pub(super) struct SentList {
    pub(super) messages: Vec<SentMessage>,
    pub(super) at: usize,
}

impl SentList {
    /// The functions that are offered for the current message.
    pub(super) fn offered(&self) -> Vec<Function> {
        let functions = [Function::Again, Function::Previous, Function::Next, Function::Back];
        functions.into_iter().filter(|function| *function != Function::Previous || self.at > 0).collect()
    }
}
