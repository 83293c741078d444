//! Transcripts: a machine writes down what a caller has said.
//!
//! [`TranscriptStep`] gives the sound of each stored message to a [`Transcriber`], and keeps the [`Transcript`](crate::message::Transcript) beside the message, whose
//! bytes never change: [`MessageStore::transcript`](crate::store::MessageStore::transcript) reads it. Private messages are left out unless they are asked for.
//!
#![cfg_attr(feature = "http-client", doc = "[`HttpTranscriber`] asks a server.")]
#![cfg_attr(feature = "program", doc = "[`ProgramTranscriber`] runs a program for each message.")]
//! A transcript is data about a person. It is in no log and no event, and is removed with its message.

#[cfg(feature = "http-client")]
mod answer;
#[cfg(feature = "http-client")]
mod http;
#[cfg(feature = "program")]
mod program;
mod step;
mod transcriber;

#[cfg(feature = "http-client")]
pub use self::answer::AnswerFormat;
#[cfg(feature = "http-client")]
pub use self::http::{HttpTranscriber, HttpTranscriberBuilder};
#[cfg(feature = "program")]
pub use self::program::{ProgramTranscriber, ProgramTranscriberBuilder};
pub use self::step::TranscriptStep;
pub use self::transcriber::{SoundHints, TranscribeError, Transcriber};
