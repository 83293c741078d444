//! [`KeyMapBuilder`]: describes the keys of a [`KeyMap`].

use std::collections::BTreeMap;

use super::check::faults_of;
use super::fault::{KeyMapFault, KeyMapFaults};
use super::function::Function;
use super::map::{Functions, KeyMap};
use super::place::Place;
use super::sequence::KeySequence;

/// Describes the keys of a [`KeyMap`]; made by [`KeyMap::builder`] or [`KeyMap::to_builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct KeyMapBuilder {
    base: BTreeMap<Place, Functions>,
    /// The keys that replace those of the base, by place and function.
    own: BTreeMap<(Place, Function), Vec<String>>,
    faults: Vec<KeyMapFault>,
}

impl KeyMap {
    /// Begins to describe a map that has no keys.
    pub fn builder() -> KeyMapBuilder {
        KeyMapBuilder::default()
    }

    /// Begins to describe a map that differs from this one.
    ///
    /// ```
    /// use voicemail::telephone::{Digit, Function, KeyMap, KeyMatch, Place};
    ///
    /// let keys = KeyMap::voicemail().to_builder().key(Place::Main, Function::Leave, "#").build()?;
    /// assert_eq!(keys.lookup(Place::Main, &[Digit::Pound]), KeyMatch::Function(Function::Leave));
    /// assert_eq!(keys.lookup(Place::Main, &[Digit::Star]), KeyMatch::None);
    /// # Ok::<(), voicemail::telephone::KeyMapFaults>(())
    /// ```
    pub fn to_builder(&self) -> KeyMapBuilder {
        KeyMapBuilder { base: self.places().clone(), ..KeyMapBuilder::default() }
    }
}

impl KeyMapBuilder {
    /// Gives `function` the keys `keys` at `place`, such as `"*7"`.
    ///
    /// The first call for a function replaces the keys that it has in the map that the builder was made from. Each further call
    /// gives it another sequence; a menu names the first one.
    pub fn key(mut self, place: Place, function: Function, keys: impl Into<String>) -> Self {
        self.own.entry((place, function)).or_default().push(keys.into());
        self
    }

    /// Takes all keys from `function` at `place`.
    pub fn without(mut self, place: Place, function: Function) -> Self {
        self.own.insert((place, function), Vec::new());
        self
    }

    /// Adds the faults of the description that the keys were read from.
    #[cfg(feature = "serde")]
    pub(super) fn with_faults(self, faults: Vec<KeyMapFault>) -> Self {
        Self { faults, ..self }
    }

    /// Checks the keys and returns the map.
    ///
    /// # Errors
    ///
    /// [`KeyMapFaults`], which lists all keys that contradict each other or cannot be read, and all functions that need keys.
    pub fn build(mut self) -> Result<KeyMap, KeyMapFaults> {
        let mut places = self.base;
        for ((place, function), texts) in self.own {
            let mut sequences: Vec<KeySequence> = Vec::new();
            for keys in texts {
                match keys.parse() {
                    Ok(keys) if sequences.contains(&keys) => {}
                    Ok(keys) => sequences.push(keys),
                    Err(_) => self.faults.push(KeyMapFault::InvalidKeys { place, function, keys }),
                }
            }
            places.entry(place).or_default().insert(function, sequences);
        }
        for functions in places.values_mut() {
            functions.retain(|_, keys| !keys.is_empty());
        }
        self.faults.extend(faults_of(&places));
        // A function whose keys cannot be read is not one that was left out.
        let unreadable: Vec<(Place, Function)> = self.faults.iter().filter_map(unreadable).collect();
        self.faults.retain(|fault| match fault {
            KeyMapFault::NoKeys { place, function } => !unreadable.contains(&(*place, *function)),
            _ => true,
        });
        KeyMapFaults::check(self.faults)?;
        Ok(KeyMap::new(places))
    }
}

fn unreadable(fault: &KeyMapFault) -> Option<(Place, Function)> {
    match fault {
        KeyMapFault::InvalidKeys { place, function, .. } => Some((*place, *function)),
        _ => None,
    }
}
