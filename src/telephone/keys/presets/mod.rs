//! The presets of a [`KeyMap`]: the keys of this crate, and those of other voicemail systems.

mod asterisk;
mod intuity;
mod voicemail;

use super::function::Function;
use super::map::KeyMap;
use super::place::Place;

/// The functions of each place, with their keys; a space stands between two sequences for one function.
type Table = [(Place, &'static [(Function, &'static str)])];

/// A function that makes a preset.
type Preset = fn() -> KeyMap;

impl Default for KeyMap {
    /// Returns [`KeyMap::voicemail`].
    fn default() -> Self {
        Self::voicemail()
    }
}

impl KeyMap {
    /// The presets by their names in descriptions.
    pub const PRESETS: [(&'static str, Preset); 3] =
        [("voicemail", Self::voicemail), ("asterisk", Self::asterisk), ("intuity", Self::intuity)];

    /// Returns the preset of this name; `None` for any other name.
    ///
    /// ```
    /// use voicemail::telephone::KeyMap;
    ///
    /// assert_eq!(KeyMap::preset("asterisk"), Some(KeyMap::asterisk()));
    /// ```
    pub fn preset(name: &str) -> Option<Self> {
        Self::PRESETS.into_iter().find(|(preset, _)| *preset == name).map(|(_, map)| map())
    }

    fn of_table(table: &Table) -> Self {
        let mut map = Self::builder();
        for (place, functions) in table {
            for (function, keys) in *functions {
                map = keys.split(' ').fold(map, |map, keys| map.key(*place, *function, keys));
            }
        }
        map.build().expect("a preset has no faults, as a test checks")
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyMatch;
    use super::*;

    #[test]
    fn a_preset_is_found_by_its_name() {
        for (name, map) in KeyMap::PRESETS {
            assert_eq!(KeyMap::preset(name), Some(map()));
        }
        assert_eq!(KeyMap::preset("octel"), None);
        assert_ne!(KeyMap::asterisk(), KeyMap::intuity());
    }

    #[test]
    fn each_function_has_keys_in_each_preset() {
        for (name, map) in KeyMap::PRESETS {
            let map = map();
            for function in Function::ALL {
                let reached = Place::ALL.into_iter().any(|place| !map.keys(place, function).is_empty());
                assert!(reached, "{name} has no keys for {function}");
            }
        }
    }

    #[test]
    fn keys_that_owners_know_do_what_they_know() {
        let known = [
            (KeyMap::asterisk(), Place::Played, "7", Function::Remove),
            (KeyMap::asterisk(), Place::Played, "91", Function::Keep),
            (KeyMap::asterisk(), Place::Playing, "0", Function::Pause),
            (KeyMap::asterisk(), Place::Main, "35", Function::Compose),
            (KeyMap::intuity(), Place::Greeting, "*7", Function::LogIn),
            (KeyMap::intuity(), Place::Played, "**8", Function::Restore),
            (KeyMap::intuity(), Place::Playing, "6", Function::Forward),
            (KeyMap::intuity(), Place::Main, "**9", Function::Leave),
            (KeyMap::voicemail(), Place::Playing, "3", Function::Remove),
            (KeyMap::voicemail(), Place::Playing, "0", Function::Help),
        ];
        for (map, place, keys, function) in known {
            let keys: super::super::KeySequence = keys.parse().unwrap();
            assert_eq!(map.lookup(place, keys.as_slice()), KeyMatch::Function(function), "{keys}");
        }
    }
}
