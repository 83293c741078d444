//! [`SoundPack`]: a voice made of a folder of sound files, such as Asterisk's.

mod files;
mod menu;
mod missing;
mod phrase;
mod render;
mod sentences;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use async_trait::async_trait;

pub use self::missing::MissingWords;
use self::phrase::Word;
use super::grammar::{File, Grammar, grammar};
use super::{Names, Voice, VoiceError, tone};
use crate::disk::blocking;
use crate::message::{Audio, Language};
use crate::telephone::{KeyMap, Menu, MenuItem, Prompt};

/// A voice made of a folder of sound files with the names of Asterisk's sound packs.
///
/// The folder is that of one language: it holds `vm-youhave.wav` and `digits/7.wav`. WAV files and headerless G.711 (`.ulaw`, `.alaw`) are
/// read, and every other type of sound that [`Frames`](crate::audio::Frames) decodes. There are rules for numbers, dates and times in
/// English, German, French, Spanish and Italian.
///
/// Asterisk's packs lack words for some prompts. They can be recorded and put into the subfolder `voicemail`, with the names that
/// [`missing`](Self::missing) lists; such a file is also taken before Asterisk's, which is sometimes less exact. Asterisk's sentences for menus
/// name their keys; one is used only if the key does what the sentence says. A line without a true sentence is left out.
///
/// All files are read when the pack is opened, and only those that a prompt can need: about 5 MiB of Asterisk's packs, and 64 MiB at most.
#[derive(Clone)]
pub struct SoundPack {
    language: Language,
    grammar: &'static dyn Grammar,
    sounds: HashMap<File, Audio>,
    missing: Vec<MissingWords>,
}

impl SoundPack {
    /// Reads the sounds in `folder`, which are in `language`.
    ///
    /// # Errors
    ///
    /// - [`VoiceError::NoGrammar`] if there are no rules for the language.
    /// - [`VoiceError::NoSounds`] if the folder has none of the sounds.
    /// - [`VoiceError::Unreadable`], [`VoiceError::Undecodable`] or [`VoiceError::TooLarge`] for a file that cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    pub async fn open(folder: impl AsRef<Path>, language: Language) -> Result<Self, VoiceError> {
        let grammar = grammar(&language).ok_or_else(|| VoiceError::NoGrammar(language.clone()))?;
        let folder = folder.as_ref().to_owned();
        let place = folder.clone();
        let mut sounds = blocking(move || Ok(files::read(&folder, render::all_files(grammar))))
            .await
            .map_err(|source| VoiceError::Unreadable { path: place, source })??;
        for (file, substitute) in grammar.substitutes() {
            if let Some(sound) = sounds.get(substitute).cloned() {
                sounds.entry(file).or_insert(sound);
            }
        }
        let mut pack = Self { language, grammar, sounds, missing: Vec::new() };
        pack.missing = pack.missing_with(&KeyMap::voicemail());
        Ok(pack)
    }

    /// Returns the language of the pack.
    pub fn language(&self) -> &Language {
        &self.language
    }

    /// Returns what the pack has no words for, with the files to add. The lines of menus are those of [`KeyMap::voicemail`].
    pub fn missing(&self) -> &[MissingWords] {
        &self.missing
    }

    /// Returns what the pack has no words for, as [`missing`](Self::missing) does, for menus with these keys.
    pub fn missing_with(&self, keys: &KeyMap) -> Vec<MissingWords> {
        missing::missing(self.grammar, keys, &|file| self.has(file))
    }

    fn has(&self, file: File) -> bool {
        self.sounds.contains_key(file)
    }

    /// Returns the sounds of these words, which are all there.
    fn sounds(&self, words: &[Word]) -> Vec<Audio> {
        let sound = |word: &Word| match word {
            Word::File(file) => self.sounds.get(file).cloned(),
            Word::Name(name) => Some(name.clone()),
        };
        words.iter().filter_map(sound).collect()
    }
}

#[async_trait]
impl Voice for SoundPack {
    async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
        if let Some(tone) = tone(prompt) {
            return Ok(vec![tone]);
        }
        let mut sounds = Vec::new();
        for phrase in render::phrases(prompt, names, self.grammar) {
            match phrase.choose(|file| self.has(file)) {
                Some(words) => sounds.extend(self.sounds(words)),
                None if phrase.is_needed => return Ok(Vec::new()),
                None => {}
            }
        }
        Ok(sounds)
    }

    fn unsaid(&self, menu: &Menu) -> Vec<MenuItem> {
        let is_unsaid = |line: &menu::Line| line.phrase.choose(|file| self.has(file)).is_none();
        menu::lines(menu, self.grammar).into_iter().filter(is_unsaid).flat_map(|line| line.items).collect()
    }
}

impl fmt::Debug for SoundPack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoundPack({}, {} sounds)", self.language, self.sounds.len())
    }
}
