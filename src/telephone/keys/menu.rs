//! [`Menu`]: the functions that are offered at a place, each with its keys.

use super::function::Function;
use super::place::Place;
use super::sequence::KeySequence;

/// The functions that are offered at a place of a dialogue, each with its keys; made by [`KeyMap::menu`](super::KeyMap::menu).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Menu {
    /// The place in the dialogue.
    pub place: Place,
    /// The functions, in the order in which they are said.
    pub items: Vec<MenuItem>,
}

/// A function that a [`Menu`] offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MenuItem {
    /// The function of the keys.
    pub function: Function,
    /// The keys to press. A function that has several sequences is offered with the first one.
    pub keys: KeySequence,
}
