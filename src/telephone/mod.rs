//! The dialogues on the telephone, as state machines: what owners and callers hear, and what their digits mean.
//!
//! [`OwnerDialogue`] talks to an owner who hears messages, [`CallerDialogue`] to a caller who leaves one. Each takes in what happened
//! on the call, and hands out what to do next. Nothing here plays, records, waits or reads a clock, so that any PBX can drive it with
//! its own sound files or speech: what is said is a [`Prompt`], which names the meaning and leaves the wording to the PBX.
//!
//! A driver calls `handle` with each event, and then does every action that `poll_action` returns, in order. A [`Say`] is played until
//! it ends (`Played`) or a digit comes (`Digit`), whichever is first.
//!
//! # A statement follows its confirmation
//!
//! No dialogue says "sent", "saved", "removed" or "kept" before it is so. The driver answers each action that can fail with an event:
//! the one that the action's documentation names, also when it has failed. The dialogue waits for that event and then says what is true.
//! A failure does not end an owner's call: the dialogue says that it failed, and the same digit tries again.
//!
#![cfg_attr(
    feature = "fs",
    doc = "[`MemoryPins`] checks PINs in memory; [`PinFolder`] keeps PINs and lock-outs on disk, through restarts."
)]
#![cfg_attr(not(feature = "fs"), doc = "[`MemoryPins`] checks PINs.")]
//! A mailbox without a PIN opens to nobody.

mod caller;
mod digit;
#[cfg(feature = "fs")]
mod error;
mod lockout;
mod owner;
mod pin;
#[cfg(feature = "fs")]
mod pin_folder;
#[cfg(feature = "fs")]
mod pin_page;
mod prompt;

pub use self::caller::{CallerAction, CallerDialogue, CallerEvent, DiversionReason, Recorded};
pub use self::digit::Digit;
#[cfg(feature = "fs")]
pub use self::error::PinError;
pub use self::lockout::{AttemptSource, Attempts, InvalidAttempts};
pub use self::owner::{
    GreetingOutcome, MarkOutcome, OwnerAction, OwnerDialogue, OwnerEvent, PinChangeOutcome, RecordingPurpose, SendOutcome,
};
pub use self::pin::{EnteredPin, InvalidPin, InvalidPinHash, MemoryPins, Pin, PinHash, PinVerdict};
#[cfg(feature = "fs")]
pub use self::pin_folder::PinFolder;
pub use self::prompt::{Menu, Prompt, Say};
pub use crate::greeting::{GreetingKind, Greetings};
