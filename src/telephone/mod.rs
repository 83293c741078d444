//! Dialogues with callers and owners on the telephone, as state machines: the prompts that they hear, and what their digits do.
//!
//! [`CallerDialogue`] talks to a caller who leaves a message, [`OwnerDialogue`] to an owner who listens to messages. Each takes
//! in the events of a call and returns the actions to do next. A dialogue does not play, record, wait or read a clock, so any PBX
//! can drive it with its own sound files or speech synthesis: a [`Prompt`] names the meaning, and the PBX chooses the words.
//!
//! A driver calls `handle` with each event, and then does every action that `poll_action` returns, in order. A [`Say`] is played
//! until it ends (`Played`) or a digit comes (`Digit`), whichever is first.
//!
//! # A statement follows its confirmation
//!
//! No dialogue says "sent", "saved", "removed" or "kept" before it is true. The driver answers each action that can fail with the
//! event that the action's documentation names, also when the action has failed. The dialogue waits for that event and then says
//! what is true. A failure does not end an owner's call: the dialogue says that the action failed, and the same digit tries
//! again.
//!
#![cfg_attr(
    feature = "fs",
    doc = "A [`PinStore`] checks PINs: [`MemoryPins`] in memory; [`PinFolder`] keeps PINs and lockouts on disk, across restarts."
)]
#![cfg_attr(not(feature = "fs"), doc = "A [`PinStore`] checks PINs: [`MemoryPins`] in memory.")]
//! Nobody gets into a mailbox without a PIN.

mod caller;
mod copyable_pins;
mod digit;
#[cfg(feature = "fs")]
mod error;
mod keys;
mod lockout;
mod memory_pins;
mod owner;
mod pin;
#[cfg(feature = "fs")]
mod pin_folder;
mod pin_store;
mod prompt;

pub use self::caller::{CallerAction, CallerDialogue, CallerDialogueBuilder, CallerEvent, DiversionReason, Recorded};
pub use self::copyable_pins::{CopiedPins, CopyPinsError, CopyablePins, StoredPin, copy_pins};
pub use self::digit::Digit;
#[cfg(feature = "fs")]
pub use self::error::PinError;
#[cfg(feature = "serde")]
pub use self::keys::KeyMapDescription;
pub use self::keys::{
    Function, InvalidKeySequence, KeyMap, KeyMapBuilder, KeyMapFault, KeyMapFaults, KeyMatch, KeySequence, Menu, MenuItem, Place,
    UnknownFunction, UnknownPlace,
};
pub use self::lockout::{AttemptSource, InvalidLockoutCounter, LockoutCounter};
pub use self::memory_pins::MemoryPins;
pub use self::owner::{
    Addressee, GreetingOutcome, ListOutcome, MarkOutcome, OpenedMailbox, OwnerAction, OwnerDialogue, OwnerDialogueBuilder,
    OwnerEvent, PinChangeOutcome, PlaybackControl, RecordingPurpose, SendOutcome, TakeOutcome,
};
pub use self::pin::{EnteredPin, InvalidPin, InvalidPinHash, Pin, PinHash, PinUse, PinVerdict};
#[cfg(feature = "fs")]
pub use self::pin_folder::PinFolder;
pub use self::pin_store::{PinStore, PinStoreError};
pub use self::prompt::{Prompt, RecordingKind, Say};
pub use crate::greeting::{GreetingKind, Greetings};
