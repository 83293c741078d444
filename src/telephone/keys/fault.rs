//! [`KeyMapFaults`]: everything that is wrong with the keys of a map.

use std::fmt;

use super::function::Function;
use super::place::Place;
use super::sequence::{InvalidKeySequence, KeySequence};

/// Everything that is wrong with the keys of a map: at least one fault. Each is displayed on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMapFaults(Vec<KeyMapFault>);

impl KeyMapFaults {
    /// Returns the faults as an error, if there are any.
    pub(super) fn check(faults: Vec<KeyMapFault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// Returns the faults, in the order of the places.
    pub fn iter(&self) -> std::slice::Iter<'_, KeyMapFault> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a KeyMapFaults {
    type Item = &'a KeyMapFault;
    type IntoIter = std::slice::Iter<'a, KeyMapFault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for KeyMapFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for KeyMapFaults {}

/// A fault in the keys of a map: the place, the function, the keys, and how to correct it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyMapFault {
    /// The same keys have two functions at a place.
    #[error("{place}: {keys} has two functions, {first} and {second}; give one of them other keys")]
    TwoFunctions {
        /// The place.
        place: Place,
        /// The keys.
        keys: KeySequence,
        /// One of the functions.
        first: Function,
        /// The other function.
        second: Function,
    },
    /// The keys of one function are the beginning of the keys of another one, which could never be pressed.
    #[error(
        "{place}: {keys} ({function}) is the beginning of {longer} ({other}), which can never be pressed; change one of them"
    )]
    Beginning {
        /// The place.
        place: Place,
        /// The shorter keys.
        keys: KeySequence,
        /// The function of the shorter keys.
        function: Function,
        /// The longer keys.
        longer: KeySequence,
        /// The function of the longer keys.
        other: Function,
    },
    /// The function cannot be used at the place.
    #[error("{place}: {function} is not a function of this place; its functions are {}", names(*place))]
    NotHere {
        /// The place.
        place: Place,
        /// The function.
        function: Function,
    },
    /// Without keys for this function, nobody can go on at the place.
    #[error("{place}: {function} has no keys, but is needed there; give it keys")]
    NoKeys {
        /// The place.
        place: Place,
        /// The function that needs keys.
        function: Function,
    },
    /// The keys begin with a number, where a number is a part of what is entered.
    #[error("{place}: {keys} ({function}) begins with a number, which is a part of the entry there; begin with * or #")]
    NumberFirst {
        /// The place.
        place: Place,
        /// The function.
        function: Function,
        /// The keys.
        keys: KeySequence,
    },
    /// The key `#` does not end an entry, although the prompts say so.
    #[error("{place}: # does not have the function end-entry, but the prompts say that it ends an entry; give it # too")]
    EntryEnd {
        /// The place.
        place: Place,
    },
    /// The text is no [`KeySequence`].
    #[error("{place}: {function} = {keys:?}: {InvalidKeySequence}")]
    InvalidKeys {
        /// The place.
        place: Place,
        /// The function.
        function: Function,
        /// The text.
        keys: String,
    },
    /// A description has a key that it cannot have.
    #[error("{key} is not known; known are {known}")]
    UnknownKey {
        /// The key, with the name of the table that it is in.
        key: String,
        /// The keys that could stand there.
        known: String,
    },
    /// A description names a preset that does not exist.
    #[error("there is no preset {name:?}; presets are {known}")]
    UnknownPreset {
        /// The name in the description.
        name: String,
        /// The names of the presets.
        known: String,
    },
    /// A value in a description is of the wrong kind.
    #[error("{key} is {found}, but must be {wanted}")]
    WrongKind {
        /// The key, with the name of the table that it is in.
        key: String,
        /// The kind that it must have.
        wanted: &'static str,
        /// The kind that it has.
        found: &'static str,
    },
}

fn names(place: Place) -> String {
    names_of(place.functions())
}

/// The names of `functions`, as one text.
pub(super) fn names_of(functions: &[Function]) -> String {
    functions.iter().map(|function| function.as_str()).collect::<Vec<_>>().join(", ")
}
