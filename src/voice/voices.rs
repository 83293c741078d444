//! [`Voices`]: the voice of each language.

use std::collections::HashMap;
use std::sync::Arc;

use super::Voice;
use crate::message::Language;

/// The voice of each language that people are spoken to in, and the language of those whose own has no voice.
#[derive(Debug, Clone)]
pub struct Voices {
    default: Language,
    by_language: HashMap<Language, Arc<dyn Voice>>,
    /// The voice of `default`, which is also in `by_language`.
    default_voice: Arc<dyn Voice>,
}

impl Voices {
    /// Returns one voice, in the language for all who prefer none that has a voice.
    pub fn new(language: Language, voice: impl Voice) -> Self {
        let voice: Arc<dyn Voice> = Arc::new(voice);
        let by_language = HashMap::from([(language.clone(), Arc::clone(&voice))]);
        Self { default: language, by_language, default_voice: voice }
    }

    /// Adds the voice of one more language, or replaces it.
    #[must_use]
    pub fn with(mut self, language: Language, voice: impl Voice) -> Self {
        let voice: Arc<dyn Voice> = Arc::new(voice);
        if language == self.default {
            self.default_voice = Arc::clone(&voice);
        }
        self.by_language.insert(language, voice);
        self
    }

    /// Returns the voice for somebody who prefers `language`: that of this very tag, else that of its primary subtag (`de` for `de-AT`),
    /// else that of the default language.
    pub fn get(&self, language: Option<&Language>) -> &Arc<dyn Voice> {
        let of_tag = language.and_then(|language| self.by_language.get(language));
        let of_primary = || self.by_language.get(&language?.primary().parse::<Language>().ok()?);
        of_tag.or_else(of_primary).unwrap_or(&self.default_voice)
    }

    /// Returns the language of those who prefer none that has a voice.
    pub fn default_language(&self) -> &Language {
        &self.default
    }
}
