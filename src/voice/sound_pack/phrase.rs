//! [`Phrase`]: a part of a prompt, with the ways to say it.

use super::super::grammar::{File, Files};
use crate::message::Audio;

/// A part of a prompt that is said whole or not at all, with the ways to say it, the best first.
#[derive(Debug)]
pub(super) struct Phrase {
    pub(super) choices: Vec<Vec<Word>>,
    /// Whether the prompt is not said at all without this part.
    pub(super) is_needed: bool,
}

/// One sound of a phrase.
#[derive(Debug, Clone)]
pub(super) enum Word {
    /// A file of the pack.
    File(File),
    /// The recorded name of an owner.
    Name(Audio),
}

impl Phrase {
    pub(super) fn needed(choices: impl IntoIterator<Item = Vec<Word>>) -> Self {
        Self { choices: choices.into_iter().collect(), is_needed: true }
    }

    pub(super) fn optional(choices: impl IntoIterator<Item = Vec<Word>>) -> Self {
        Self { choices: choices.into_iter().collect(), is_needed: false }
    }

    pub(super) fn words(files: Files) -> Vec<Word> {
        files.into_iter().map(Word::File).collect()
    }

    /// Returns the best choice of which `has` has all files.
    pub(super) fn choose(&self, has: impl Fn(File) -> bool) -> Option<&[Word]> {
        let is_there = |word: &Word| match word {
            Word::File(file) => has(file),
            Word::Name(_) => true,
        };
        self.choices.iter().find(|words| words.iter().all(is_there)).map(Vec::as_slice)
    }
}
