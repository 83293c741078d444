//! Calls: the conversation with a caller or an owner, from the first ring to the end, on the telephone leg of any PBX.
//!
//! A PBX implements [`CallLeg`] for its calls: it plays frames, reports what is heard and which keys are pressed, and transfers the call.
//! All else is the same for every PBX: [`CallDriver`] speaks, records, and does the actions of the dialogues.
//!
//! A PBX with RTP begins with [`RtpMedia`], as `examples/pbx/src/leg.rs` does in 66 lines. One that has frames of samples reports them as
//! [`LegEvent::Samples`], and takes a frame of the [`Playback`] every 20 ms. `conformance::call`, with the feature `conformance`, tests a leg.

mod buffered_leg;
mod call_recording;
mod caller;
mod clip;
mod driver;
mod facts;
mod leg;
mod owner;
mod playback;
mod player;
mod refusal;
mod rendering;
mod rtp_media;
#[cfg(feature = "memory")]
mod scripted;
mod session;
mod shared;
mod timers;
mod transfer;

pub use self::clip::ClipRecorder;
pub use self::driver::{CallDriver, CallDriverBuilder};
pub use self::facts::{CallEnd, CallEndReason, IncomingCall, OwnerCall};
pub use self::leg::{CallLeg, LegClosed, LegEvent};
pub use self::playback::{Playback, PlaybackId};
pub use self::refusal::{BusyAnswer, CallRefusal};
pub use self::rtp_media::RtpMedia;
#[cfg(feature = "memory")]
pub use self::scripted::{CallScript, CallTranscript, RemoteEnd, ScriptedLeg, TranscriptEntry, speech};
pub use self::timers::{CallTimers, SpeechPolicy, WithoutSpeech};
pub use self::transfer::{InvalidTransferTarget, TransferError, TransferTarget};
