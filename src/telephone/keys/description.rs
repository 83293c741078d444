//! [`KeyMapDescription`]: the description of a [`KeyMap`] in a file.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::builder::KeyMapBuilder;
use super::fault::{KeyMapFault, KeyMapFaults, names_of};
use super::map::KeyMap;
use super::place::Place;
use super::value::Value;

/// The description of a [`KeyMap`] in a file, in TOML or any other self-describing format of serde.
///
/// `preset` names the map that the described one differs from: `voicemail`, `asterisk` or `intuity`; without it, the description
/// begins with no keys. Each further key is the name of a [`Place`], whose table has the keys of [`Function`](super::Function)s: a text, or a list
/// of texts. They replace all keys that the function has in the preset, and an empty list takes its keys from it.
///
/// Reading fails only if the file breaks the rules of its format. All other faults, also an unknown name or a number in place of a
/// text, are reported together by [`check`](Self::check).
///
/// ```
/// use voicemail::telephone::{Digit, Function, KeyMap, KeyMapDescription, KeyMatch, Place};
///
/// let description: KeyMapDescription = toml::from_str(
///     r##"
///     preset = "asterisk"
///
///     [main]
///     removed-messages = "5"
///     leave = ["#", "9"]
///
///     [review]
///     private = []
///     "##,
/// )?;
/// let keys: KeyMap = description.check()?;
/// assert_eq!(keys.lookup(Place::Main, &[Digit::Nine]), KeyMatch::Function(Function::Leave));
/// assert_eq!(keys.lookup(Place::Review, &[Digit::Five]), KeyMatch::None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Examples
///
/// All faults are reported, and each is displayed on a line:
///
/// ```
/// # use voicemail::telephone::KeyMapDescription;
/// let description: KeyMapDescription = toml::from_str(
///     r#"
///     preset = "intuity"
///     main = { fax = "4", leave = 9 }
///     "#,
/// )?;
/// let faults = description.check().unwrap_err().to_string();
/// assert!(faults.starts_with("main.fax is not known; known are new-messages, "));
/// assert!(faults.ends_with("\nmain.leave is a number without quotes, but must be a text, or a list of texts"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct KeyMapDescription(Value);

impl KeyMapDescription {
    /// Checks the description and returns the map.
    ///
    /// # Errors
    ///
    /// [`KeyMapFaults`], which lists everything that cannot be read, and all keys that contradict each other or are missing.
    pub fn check(self) -> Result<KeyMap, KeyMapFaults> {
        let mut table = match self.0 {
            Value::Table(table) => table,
            other => {
                let faults = vec![wrong_kind("the description", "a table", &other)];
                return KeyMap::default().to_builder().with_faults(faults).build();
            }
        };
        let mut faults = Vec::new();
        let mut map = match table.remove("preset") {
            None => KeyMap::builder(),
            Some(Value::Text(name)) => preset(name, &mut faults),
            Some(other) => {
                faults.push(wrong_kind("preset", "a text", &other));
                KeyMap::default().to_builder()
            }
        };
        for (name, value) in table {
            match (name.parse(), value) {
                (Ok(place), Value::Table(functions)) => map = place_of(map, place, functions, &mut faults),
                (Ok(_), other) => faults.push(wrong_kind(name, "a table", &other)),
                (Err(_), _) => {
                    let known = format!("preset, {}", Place::ALL.map(Place::as_str).join(", "));
                    faults.push(KeyMapFault::UnknownKey { key: name, known });
                }
            }
        }
        map.with_faults(faults).build()
    }
}

impl TryFrom<KeyMapDescription> for KeyMap {
    type Error = KeyMapFaults;

    fn try_from(description: KeyMapDescription) -> Result<Self, KeyMapFaults> {
        description.check()
    }
}

/// The preset of this name. If there is none, any other one is checked together with the rest of the description.
fn preset(name: String, faults: &mut Vec<KeyMapFault>) -> KeyMapBuilder {
    let map = KeyMap::preset(&name).unwrap_or_else(|| {
        let known = KeyMap::PRESETS.map(|(name, _)| name).join(", ");
        faults.push(KeyMapFault::UnknownPreset { name, known });
        KeyMap::default()
    });
    map.to_builder()
}

fn place_of(
    mut map: KeyMapBuilder,
    place: Place,
    functions: BTreeMap<String, Value>,
    faults: &mut Vec<KeyMapFault>,
) -> KeyMapBuilder {
    for (name, value) in functions {
        let key = format!("{place}.{name}");
        let Some(function) = place.functions().iter().copied().find(|function| function.as_str() == name) else {
            faults.push(KeyMapFault::UnknownKey { key, known: names_of(place.functions()) });
            continue;
        };
        let texts = match value {
            Value::Text(keys) => vec![Value::Text(keys)],
            Value::List(texts) => texts,
            other => {
                faults.push(wrong_kind(key, WANTED, &other));
                continue;
            }
        };
        if texts.is_empty() {
            map = map.without(place, function);
        }
        for text in texts {
            match text {
                Value::Text(keys) => map = map.key(place, function, keys),
                other => faults.push(wrong_kind(&key, WANTED, &other)),
            }
        }
    }
    map
}

fn wrong_kind(key: impl Into<String>, wanted: &'static str, found: &Value) -> KeyMapFault {
    KeyMapFault::WrongKind { key: key.into(), wanted, found: found.kind() }
}

const WANTED: &str = "a text, or a list of texts";
