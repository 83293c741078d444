//! Prompts as sound: the trait [`Voice`], and what implements it.
//!
//! A dialogue of [`telephone`](crate::telephone) names what is said by a [`Prompt`]; a [`Voice`] has the sounds that say it in one language.
//! [`Voices`] has the voice of each language. [`text`] says any prompt in plain English, for a program that speaks text.
//!
//! Three prompts are sounds and not words, and no voice is asked for them: [`Prompt::Play`], [`Prompt::PlayRecording`] and
//! [`Prompt::Greeting`].

mod error;
mod fallback;
mod names;
mod text;
mod voices;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::VoiceError;
pub use self::fallback::Fallback;
pub use self::names::Names;
pub use self::text::{log_text, text};
pub use self::voices::Voices;
use crate::message::Audio;
use crate::telephone::Prompt;

/// Turns prompts into sounds, in one language.
///
/// # Contract
///
/// - **True.** The sounds say what the prompt means, and nothing more: a number, a date or a key that this voice cannot say correctly is left
///   out, and never replaced by another one.
/// - **Names.** Where a prompt names a mailbox, its owner's recorded name is used if `names` has it, and the number otherwise.
/// - **In memory.** The sounds are in memory, and [`Frames`](crate::audio::Frames) can decode them: nobody waits while they are played.
/// - **Soon.** A caller hears silence until the sounds are there, so a voice that makes them keeps those that are asked for often.
#[async_trait]
pub trait Voice: Debug + Send + Sync + 'static {
    /// Returns the sounds that say `prompt`, to be played one after the other. There are none when this voice has no words for it.
    ///
    /// # Errors
    ///
    /// A [`VoiceError`] when the sounds could not be made or read. The call goes on without this prompt.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has changed nothing that a later one could hear.
    async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError>;
}

/// Passes every call on, so that a voice in an `Arc` or a `Box` is a voice too.
macro_rules! delegate {
    ($wrapper:ident) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<V: Voice + ?Sized> Voice for $wrapper<V> {
            async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
                (**self).say(prompt, names).await
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
