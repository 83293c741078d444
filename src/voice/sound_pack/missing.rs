//! [`MissingWords`]: what a pack cannot say.

use std::collections::BTreeSet;
use std::fmt;

use super::super::grammar::{File, Grammar};
use super::super::{Names, text};
use super::menu;
use super::phrase::{Phrase, Word};
use super::render::{phrases, samples};
use crate::telephone::{KeyMap, Menu, Place, Prompt};

/// Something that a [`SoundPack`](super::SoundPack) has no words for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingWords {
    /// The prompt or the line of a menu that cannot be said, in English; or the numbers, dates and times.
    pub prompt: String,
    /// The files to add, without their extensions, such as `voicemail/private`.
    pub files: Vec<&'static str>,
}

impl fmt::Display for MissingWords {
    /// `"Private." needs voicemail/private`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} needs {}", self.prompt, self.files.join(", "))
    }
}

/// Returns all that cannot be said with the files that the pack `has`, with the menus of `keys`.
pub(super) fn missing(grammar: &dyn Grammar, keys: &KeyMap, has: &dyn Fn(File) -> bool) -> Vec<MissingWords> {
    let phrases_of =
        |prompt: &Prompt| phrases(prompt, &Names::none(), grammar).into_iter().map(|phrase| (text(prompt), phrase)).collect();
    let prompts = samples().iter().flat_map::<Vec<_>, _>(phrases_of).chain(lines(grammar, keys)).collect::<Vec<_>>();
    let mut missing = Vec::new();
    for (prompt, phrase) in prompts {
        if phrase.choose(has).is_some() {
            continue;
        }
        let words = MissingWords { prompt, files: wanted(&phrase, has) };
        // A line that several menus have is listed once.
        if !missing.contains(&words) {
            missing.push(words);
        }
    }
    let in_numbers: BTreeSet<File> = grammar.all_files().into_iter().filter(|file| !has(file)).collect();
    if !in_numbers.is_empty() {
        missing.push(MissingWords { prompt: "Numbers, dates and times".to_owned(), files: in_numbers.into_iter().collect() });
    }
    missing
}

/// Returns the lines of all menus, each with its English text.
fn lines(grammar: &dyn Grammar, keys: &KeyMap) -> Vec<(String, Phrase)> {
    let menus = Place::ALL.into_iter().map(|place| keys.menu(place, place.functions()));
    let of_menu = |menu: Menu| {
        let place = menu.place;
        let line = move |line: menu::Line| {
            let items = Menu { place, items: line.items };
            (text(&Prompt::Menu(items)), line.phrase)
        };
        menu::lines(&menu, grammar).into_iter().map(line)
    };
    menus.flat_map(of_menu).collect()
}

/// Returns the files that the best choice of a phrase lacks.
fn wanted(phrase: &Phrase, has: &dyn Fn(File) -> bool) -> Vec<&'static str> {
    let file = |word: &Word| match word {
        Word::File(file) => Some(*file),
        Word::Name(_) => None,
    };
    let files = phrase.choices.first().into_iter().flatten().filter_map(file);
    files.filter(|file| !has(file)).collect::<BTreeSet<_>>().into_iter().collect()
}
