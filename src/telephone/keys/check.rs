//! The rules that the keys of a map keep.

use std::collections::BTreeMap;

use super::fault::KeyMapFault;
use super::function::Function;
use super::map::Functions;
use super::place::Place;
use super::sequence::KeySequence;

/// Returns all faults of these keys.
pub(super) fn faults_of(places: &BTreeMap<Place, Functions>) -> Vec<KeyMapFault> {
    let none = Functions::new();
    let mut faults = Vec::new();
    for place in Place::ALL {
        let functions = places.get(&place).unwrap_or(&none);
        faults.extend(not_here(place, functions));
        faults.extend(contradictions(place, functions));
        if is_entry(place) {
            faults.extend(not_entries(place, functions));
        }
        let without = needed(place).iter().filter(|function| !functions.contains_key(function));
        faults.extend(without.map(|function| KeyMapFault::NoKeys { place, function: *function }));
    }
    faults
}

/// The functions that cannot be used at `place`.
fn not_here(place: Place, functions: &Functions) -> impl Iterator<Item = KeyMapFault> {
    let wrong = functions.keys().filter(move |function| !place.functions().contains(function));
    wrong.map(move |function| KeyMapFault::NotHere { place, function: *function })
}

/// The keys that have two functions, or are the beginning of others.
fn contradictions(place: Place, functions: &Functions) -> Vec<KeyMapFault> {
    let mut all: Vec<(KeySequence, Function)> = Vec::new();
    for (function, sequences) in functions {
        all.extend(sequences.iter().map(|keys| (*keys, *function)));
    }
    // The beginning of a sequence comes before it.
    all.sort_by(|(a, first), (b, second)| (a.as_slice(), first).cmp(&(b.as_slice(), second)));
    let mut faults = Vec::new();
    for (index, (keys, function)) in all.iter().copied().enumerate() {
        for (other_keys, other) in all[index + 1..].iter().copied() {
            if keys == other_keys {
                faults.push(KeyMapFault::TwoFunctions { place, keys, first: function, second: other });
            } else if keys.is_ambiguous_with(&other_keys) {
                faults.push(KeyMapFault::Beginning { place, keys, function, longer: other_keys, other });
            }
        }
    }
    faults
}

/// The keys that a place in which numbers are entered cannot have, and the one that it must have.
fn not_entries(place: Place, functions: &Functions) -> Vec<KeyMapFault> {
    let mut faults = Vec::new();
    for (function, sequences) in functions {
        let numbers = sequences.iter().filter(|keys| keys.as_slice().iter().take(1).any(|digit| digit.number().is_some()));
        faults.extend(numbers.map(|keys| KeyMapFault::NumberFirst { place, function: *function, keys: *keys }));
    }
    let pound = |keys: &KeySequence| keys.to_string() == "#";
    if functions.get(&Function::EndEntry).is_some_and(|sequences| !sequences.iter().any(pound)) {
        faults.push(KeyMapFault::EntryEnd { place });
    }
    faults
}

/// Whether numbers are entered at `place`.
const fn is_entry(place: Place) -> bool {
    matches!(place, Place::Login | Place::Entry)
}

/// The functions without whose keys somebody cannot go on at `place`, or cannot use the mailbox.
const fn needed(place: Place) -> &'static [Function] {
    match place {
        Place::Greeting | Place::Playing => &[],
        Place::Recording | Place::OwnerRecording => &[Function::EndRecording],
        Place::Review => &[Function::Send],
        Place::Login => &[Function::EndEntry],
        Place::Main => &[Function::NewMessages, Function::OldMessages, Function::Leave],
        Place::Played => &[Function::Remove, Function::Next, Function::Back],
        Place::Greetings => &[Function::NormalGreeting, Function::Back],
        Place::OneGreeting => &[Function::RecordGreeting, Function::Back],
        Place::Sent | Place::List => &[Function::Back],
        Place::OwnerReview => &[Function::Accept, Function::Discard],
        Place::Entry => &[Function::EndEntry, Function::CancelEntry],
    }
}
