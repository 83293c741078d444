//! The dialogue on the telephone, decided without doing: what is said to owners and callers, and what their digits mean.
//!
//! Two machines: [`OwnerDialogue`] for who hears their messages, [`CallerDialogue`] for who leaves one. Each takes in what happened
//! on the call, and hands out what to do next. Nothing here plays, records, waits or reads a clock, so that any PBX can drive it with
//! its own sound files or speech: what is said is a [`Prompt`], which names what is meant and not how it sounds.
//!
//! Who drives a machine calls `handle` with each event, and then does every action that `poll_action` gives, in order. A
//! [`Say`] is played until it ends (`Played`) or a digit comes (`Digit`), whichever is first.
//!
#![cfg_attr(
    feature = "fs",
    doc = "[`PinBook`] checks PINs in memory; [`PinFolder`] keeps them, and who is locked out, through restarts."
)]
#![cfg_attr(not(feature = "fs"), doc = "[`PinBook`] checks PINs.")]
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

pub use self::caller::{CallerAction, CallerDialogue, CallerEvent, Reason, Recorded};
pub use self::digit::Digit;
#[cfg(feature = "fs")]
pub use self::error::PinError;
pub use self::lockout::{Attempts, InvalidAttempts, Source};
pub use self::owner::{OwnerAction, OwnerDialogue, OwnerEvent, PinSet, Purpose, Sent};
pub use self::pin::{InvalidPin, InvalidPinHash, Pin, PinBook, PinHash, Verdict};
#[cfg(feature = "fs")]
pub use self::pin_folder::PinFolder;
pub use self::prompt::{Menu, Prompt, Say};
pub use crate::greeting::{GreetingKind, Greetings};
