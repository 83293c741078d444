//! Keys as data: which keys have which [`Function`] at which [`Place`] of the dialogues.
//!
//! A [`KeyMap`] is one of the presets, or an integrator's own. The dialogues look up what is typed in it, and their menus name
//! the keys that it has.

mod builder;
mod check;
#[cfg(feature = "serde")]
mod description;
mod fault;
mod function;
mod map;
mod menu;
mod place;
mod presets;
mod sequence;
#[cfg(test)]
mod tests;
#[cfg(feature = "serde")]
mod value;

pub use self::builder::KeyMapBuilder;
#[cfg(feature = "serde")]
pub use self::description::KeyMapDescription;
pub use self::fault::{KeyMapFault, KeyMapFaults};
pub use self::function::{Function, UnknownFunction};
pub use self::map::{KeyMap, KeyMatch};
pub use self::menu::{Menu, MenuItem};
pub use self::place::{Place, UnknownPlace};
pub use self::sequence::{InvalidKeySequence, KeySequence};
