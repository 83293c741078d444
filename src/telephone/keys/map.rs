//! [`KeyMap`]: which keys have which function at each place of the dialogues.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::digit::Digit;
use super::function::Function;
use super::menu::{Menu, MenuItem};
use super::place::Place;
use super::sequence::KeySequence;

/// Which keys have which function at each place of the dialogues with callers and owners.
///
/// A map never contradicts itself: at each place, no keys have two functions, and no keys are the beginning of others, so a dialogue
/// knows the function as soon as its last key is pressed. A clone shares the map.
///
/// ```
/// use voicemail::telephone::{Digit, Function, KeyMap, KeyMatch, Place};
///
/// let keys = KeyMap::intuity();
/// assert_eq!(keys.lookup(Place::Played, &[Digit::Star]), KeyMatch::Partial);
/// assert_eq!(keys.lookup(Place::Played, &[Digit::Star, Digit::Three]), KeyMatch::Function(Function::Remove));
/// assert_eq!(keys.lookup(Place::Main, &[Digit::Pound]), KeyMatch::None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMap {
    tables: Arc<Tables>,
}

/// The keys of each function of a place.
pub(super) type Functions = BTreeMap<Function, Vec<KeySequence>>;

#[derive(Debug, PartialEq, Eq)]
struct Tables {
    places: BTreeMap<Place, Functions>,
    /// The keys of [`Place::Playing`], and those of [`Place::Played`] that they leave free.
    playing: Functions,
}

/// The meaning of the keys pressed so far.
///
/// The enum is exhaustive on purpose: a dialogue handles each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyMatch {
    /// The keys have this function.
    Function(Function),
    /// The keys are the beginning of the keys of at least one function; more keys decide.
    Partial,
    /// The keys have no function, and no further keys will give them one.
    None,
}

impl KeyMap {
    /// Makes the map of these keys, which do not contradict each other.
    pub(super) fn new(places: BTreeMap<Place, Functions>) -> Self {
        let mut playing = places.get(&Place::Playing).cloned().unwrap_or_default();
        let own: Vec<KeySequence> = playing.values().flatten().copied().collect();
        for (function, keys) in places.get(&Place::Played).into_iter().flatten() {
            let free = keys.iter().filter(|keys| !own.iter().any(|own| own.is_ambiguous_with(keys)));
            let free: Vec<KeySequence> = free.copied().collect();
            if !free.is_empty() {
                playing.entry(*function).or_default().extend(free);
            }
        }
        Self { tables: Arc::new(Tables { places, playing }) }
    }

    /// The keys of each place, without those that [`Place::Playing`] has from [`Place::Played`].
    pub(super) fn places(&self) -> &BTreeMap<Place, Functions> {
        &self.tables.places
    }

    fn functions(&self, place: Place) -> Option<&Functions> {
        if place == Place::Playing { Some(&self.tables.playing) } else { self.tables.places.get(&place) }
    }

    /// Returns the meaning of the keys that were pressed at `place` since the last function. No keys at all are
    /// [`KeyMatch::Partial`], if any function has keys there.
    pub fn lookup(&self, place: Place, typed: &[Digit]) -> KeyMatch {
        let mut found = KeyMatch::None;
        for (function, sequences) in self.functions(place).into_iter().flatten() {
            for keys in sequences {
                match keys.as_slice().strip_prefix(typed) {
                    Some([]) => return KeyMatch::Function(*function),
                    Some(_) => found = KeyMatch::Partial,
                    None => {}
                }
            }
        }
        found
    }

    /// Returns the keys of `function` at `place`; none if it has none. The first is the one that a menu names.
    ///
    /// At [`Place::Playing`], these are also the keys of [`Place::Played`] that have no other meaning while a message is played.
    pub fn keys(&self, place: Place, function: Function) -> &[KeySequence] {
        self.functions(place).and_then(|functions| functions.get(&function)).map_or(&[], Vec::as_slice)
    }

    /// Returns the menu that offers those of `functions` that have keys at `place`, in this order.
    pub fn menu(&self, place: Place, functions: &[Function]) -> Menu {
        let items = functions.iter().filter_map(|function| {
            let keys = *self.keys(place, *function).first()?;
            Some(MenuItem { function: *function, keys })
        });
        Menu { place, items: items.collect() }
    }
}
