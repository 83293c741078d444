//! Calls: the conversation with a caller or an owner, from the first ring to the end, on the telephone leg of any PBX.
//!
//! A PBX implements [`CallLeg`] for its calls: it plays frames, reports what is heard and which keys are pressed, and transfers the call.
//! The prompts, the recordings and the decisions in between are the same for every PBX.

mod leg;
mod playback;
mod refusal;
mod rtp_media;
mod timers;
mod transfer;

pub use self::leg::{CallLeg, LegClosed, LegEvent};
pub use self::playback::{Playback, PlaybackId};
pub use self::refusal::{BusyAnswer, CallRefusal};
pub use self::rtp_media::RtpMedia;
pub use self::timers::{CallTimers, SpeechPolicy, WithoutSpeech};
pub use self::transfer::{InvalidTransferTarget, TransferError, TransferTarget};
