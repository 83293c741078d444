//! Key maps.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::prelude::*;

use super::super::Digit;
use super::*;

fn digits(keys: &str) -> Vec<Digit> {
    keys.chars().filter_map(Digit::from_char).collect()
}

/// The faults of a map that differs from the preset of this crate, one a line.
fn faults(change: impl FnOnce(KeyMapBuilder) -> KeyMapBuilder) -> String {
    change(KeyMap::voicemail().to_builder()).build().unwrap_err().to_string()
}

#[test]
fn all_faults_are_reported_at_once() {
    let found = faults(|map| {
        map.key(Place::Review, Function::Hear, "1")
            .key(Place::Review, Function::Leave, "7")
            .key(Place::Main, Function::Leave, "12")
            .key(Place::Played, Function::Keep, "2x")
            .key(Place::Login, Function::OtherMailbox, "1*")
            .key(Place::Entry, Function::EndEntry, "**")
            .without(Place::OwnerReview, Function::Discard)
    });
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(
        lines,
        [
            "played: keep = \"2x\": the keys of a function are 1 to 4 of 0 to 9, * and #",
            "review: leave is not a function of this place; its functions are send, hear, record-again, urgent, private, operator",
            "review: 1 has two functions, send and hear; give one of them other keys",
            "login: 1* (other-mailbox) begins with a number, which is a part of the entry there; begin with * or #",
            "main: 1 (new-messages) is the beginning of 12 (leave), which can never be pressed; change one of them",
            "owner-review: discard has no keys, but is needed there; give it keys",
            "entry: * (cancel-entry) is the beginning of ** (end-entry), which can never be pressed; change one of them",
            "entry: # does not have the function end-entry, but the prompts say that it ends an entry; give it # too",
        ]
    );
}

#[test]
fn a_map_without_keys_lacks_every_needed_function() {
    let faults = KeyMap::builder().build().unwrap_err();
    let unexpected = faults.iter().find(|fault| !matches!(fault, KeyMapFault::NoKeys { .. }));
    assert_eq!(unexpected, None);
    for lacking in ["review: send", "main: leave", "played: back", "entry: cancel-entry"] {
        assert!(faults.to_string().contains(lacking), "{lacking}");
    }
}

#[test]
fn a_function_keeps_its_first_sequence_in_menus() {
    let map = KeyMap::voicemail().to_builder().key(Place::Main, Function::Leave, "#").key(Place::Main, Function::Leave, "*");
    let map = map.key(Place::Main, Function::Leave, "#").without(Place::Main, Function::Compose).build().unwrap();
    let menu = map.menu(Place::Main, &[Function::Compose, Function::Leave, Function::NewMessages]);
    let items: Vec<(Function, String)> = menu.items.iter().map(|item| (item.function, item.keys.to_string())).collect();
    assert_eq!(items, [(Function::Leave, "#".to_owned()), (Function::NewMessages, "1".to_owned())]);
    assert_eq!(map.keys(Place::Main, Function::Leave).len(), 2);
}

#[test]
fn keys_of_a_played_message_work_while_it_plays_unless_taken() {
    let map = KeyMap::voicemail();
    for function in [Function::Keep, Function::Remove, Function::Previous, Function::Next, Function::Back, Function::Help] {
        assert_eq!(map.keys(Place::Playing, function), map.keys(Place::Played, function), "{function}");
    }
    for function in [Function::Envelope, Function::PassOn, Function::Answer, Function::Restore, Function::Again] {
        assert!(map.keys(Place::Playing, function).is_empty(), "{function}: a cursor key has its keys");
        assert!(!map.keys(Place::Played, function).is_empty(), "{function}");
    }
    assert_eq!(map.lookup(Place::Playing, &digits("5")), KeyMatch::Partial);
    assert_eq!(map.lookup(Place::Playing, &digits("51")), KeyMatch::None);
    assert_eq!(map.lookup(Place::Playing, &digits("7")), KeyMatch::Function(Function::Rewind));
}

#[test]
fn a_changed_preset_is_changed_while_a_message_plays_too() {
    let map = KeyMap::voicemail().to_builder().key(Place::Played, Function::Keep, "*").key(Place::Played, Function::Back, "2");
    let map = map.build().unwrap();
    assert_eq!(map.lookup(Place::Playing, &digits("*")), KeyMatch::Function(Function::Keep));
    assert_eq!(map.lookup(Place::Playing, &digits("2")), KeyMatch::Function(Function::Back));
}

#[cfg(feature = "serde")]
mod description {
    use super::*;

    fn check(toml: &str) -> Result<KeyMap, KeyMapFaults> {
        toml::from_str::<KeyMapDescription>(toml).unwrap().check()
    }

    #[test]
    fn a_described_preset_is_the_preset() {
        for (name, map) in KeyMap::PRESETS {
            assert_eq!(check(&format!("preset = {name:?}")), Ok(map()));
        }
    }

    #[test]
    fn any_map_can_be_described_without_a_preset() {
        let map = KeyMap::intuity();
        let mut toml = String::new();
        for (place, functions) in map.places() {
            writeln!(toml, "[{place}]").unwrap();
            for (function, keys) in functions {
                let keys: Vec<String> = keys.iter().map(KeySequence::to_string).collect();
                writeln!(toml, "{function} = {keys:?}").unwrap();
            }
        }
        assert_eq!(check(&toml), Ok(map));
    }

    #[test]
    fn all_faults_of_a_description_are_reported_at_once() {
        let found = check(
            r#"
            preset = "octel"
            kitchen = { leave = "1" }
            review = "1"
            main = { leave = ["1", 2], old-messages = 2 }
            greeting = { send = "1" }
            "#,
        );
        let found = found.unwrap_err().to_string();
        for line in [
            "there is no preset \"octel\"; presets are voicemail, asterisk, intuity",
            "kitchen is not known; known are preset, greeting, recording, ",
            "review is a text, but must be a table",
            "main.leave is a number without quotes, but must be a text, or a list of texts",
            "main.old-messages is a number without quotes, but must be a text, or a list of texts",
            "greeting.send is not known; known are skip-greeting, operator, log-in",
            "main: 1 has two functions, new-messages and leave; give one of them other keys",
        ] {
            assert!(found.contains(line), "{line}\nis not in\n{found}");
        }
        assert_eq!(found.lines().count(), 7, "{found}");
    }

    #[test]
    fn a_description_of_another_kind_is_one_fault() {
        let text: Result<KeyMapDescription, serde::de::value::Error> =
            serde::Deserialize::deserialize(serde::de::value::StrDeserializer::new("asterisk"));
        let faults = text.unwrap().check().unwrap_err();
        assert_eq!(faults.to_string(), "the description is a text, but must be a table");
    }

    #[test]
    fn names_are_the_same_for_serde_and_display() {
        for function in Function::ALL {
            let read: Result<Function, serde::de::value::Error> =
                serde::Deserialize::deserialize(serde::de::value::StrDeserializer::new(function.as_str()));
            assert_eq!(read.unwrap(), function);
        }
        for place in Place::ALL {
            let read: Result<Place, serde::de::value::Error> =
                serde::Deserialize::deserialize(serde::de::value::StrDeserializer::new(place.as_str()));
            assert_eq!(read.unwrap(), place);
        }
    }
}

/// A key map with some changes to a preset, many of which contradict it.
fn changed() -> impl Strategy<Value = KeyMapBuilder> {
    let change = (0..Place::ALL.len(), 0..Function::ALL.len(), "[0-9*#]{0,3}");
    (0..KeyMap::PRESETS.len(), proptest::collection::vec(change, 0..4)).prop_map(|(preset, changes)| {
        let mut map = KeyMap::PRESETS[preset].1().to_builder();
        for (place, function, keys) in changes {
            let place = Place::ALL[place];
            let function = place.functions()[function % place.functions().len()];
            map = if keys.is_empty() { map.without(place, function) } else { map.key(place, function, keys) };
        }
        map
    })
}

proptest! {
    #[test]
    fn a_built_map_is_never_ambiguous(map in changed()) {
        let Ok(map) = map.build() else { return Ok(()) };
        for place in Place::ALL {
            let mut seen: BTreeMap<Vec<Digit>, Function> = BTreeMap::new();
            for function in Function::ALL {
                for keys in map.keys(place, function) {
                    let before = seen.insert(keys.as_slice().to_vec(), function);
                    prop_assert_eq!(before, None, "{} at {}", keys, place);
                }
            }
            for keys in seen.keys() {
                for len in 1..keys.len() {
                    prop_assert_eq!(map.lookup(place, &keys[..len]), KeyMatch::Partial);
                }
            }
        }
    }

    #[test]
    fn every_function_that_a_menu_offers_is_reached(map in changed()) {
        let Ok(map) = map.build() else { return Ok(()) };
        for place in Place::ALL {
            for item in map.menu(place, place.functions()).items {
                prop_assert_eq!(map.lookup(place, item.keys.as_slice()), KeyMatch::Function(item.function));
            }
        }
    }

    #[test]
    fn any_keys_are_looked_up(map in changed(), typed in "[0-9*#]{0,12}") {
        let Ok(map) = map.build() else { return Ok(()) };
        let typed = digits(&typed);
        for place in Place::ALL {
            if map.lookup(place, &typed) == KeyMatch::None {
                let longer: Vec<Digit> = typed.iter().copied().chain([Digit::Star]).collect();
                prop_assert_eq!(map.lookup(place, &longer), KeyMatch::None, "no key makes it right");
            }
        }
    }
}
