//! The dialogue on the telephone, decided without doing: what is said to owners and callers, and what their digits mean.
//!
//! Two machines: [`OwnerDialogue`] for who hears their messages, [`CallerDialogue`] for who leaves one. Each takes in what happened
//! on the call, and hands out what to do next. Nothing here plays, records, waits or reads a clock, so that any PBX can drive it with
//! its own sound files or speech: what is said is a [`Prompt`], which names what is meant and not how it sounds.
//!
//! Who drives a machine calls `handle` with each event, and then does every action that `poll_action` gives, in order. A
//! [`Say`] is played until it ends (`Played`) or a digit comes (`Digit`), whichever is first.
//!
//! [`PinBook`] checks PINs. A mailbox without a PIN opens to nobody.

mod caller;
mod digit;
mod lockout;
mod owner;
mod pin;
mod prompt;

pub use self::caller::{CallerAction, CallerDialogue, CallerEvent, Reason, Recorded};
pub use self::digit::Digit;
pub use self::lockout::{Attempts, Source};
pub use self::owner::{OwnerAction, OwnerDialogue, OwnerEvent, PinSet, Purpose, Sent};
pub use self::pin::{InvalidPin, InvalidPinHash, Pin, PinBook, PinHash, Verdict};
pub use self::prompt::{Menu, Prompt, Say};
pub use crate::greeting::{GreetingKind, Greetings};
