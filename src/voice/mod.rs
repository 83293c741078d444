//! Prompts as sound: the trait [`Voice`], and what implements it.
//!
//! A dialogue of [`telephone`](crate::telephone) names what is said by a [`Prompt`]; a [`Voice`] has the sounds that say it in one language.
//! [`Voices`] has the voice of each language.
//!
#![cfg_attr(feature = "fs", doc = "[`SoundPack`] is a folder of recorded words, such as Asterisk's packs.")]
//! [`text`] says any prompt in plain English, for a program that speaks text. [`FallbackVoice`] puts one voice behind another.
//!
//! Three prompts are sounds and not words, and no voice is asked for them: [`Prompt::Play`], [`Prompt::PlayRecording`] and
//! [`Prompt::Greeting`]. The two tones are the same in every language: [`tone`].
//!
#![cfg_attr(feature = "fs", doc = "```no_run")]
#![cfg_attr(not(feature = "fs"), doc = "```ignore")]
//! use voicemail::telephone::Prompt;
//! use voicemail::voice::{Names, SoundPack, Voice as _, Voices};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let english = SoundPack::open("/usr/share/asterisk/sounds/en", "en".parse()?).await?;
//! let french = SoundPack::open("/usr/share/asterisk/sounds/fr", "fr".parse()?).await?;
//! for missing in english.missing() {
//!     println!("{missing}"); // "The message is private, and cannot be passed on." needs voicemail/cannot-pass-on
//! }
//! let voices = Voices::new("en".parse()?, english).with("fr".parse()?, french);
//! let sounds = voices.get(Some(&"fr-CA".parse()?)).say(&Prompt::Goodbye, &Names::none()).await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod fallback_voice;
#[cfg(feature = "fs")]
mod grammar;
mod names;
#[cfg(feature = "fs")]
mod sound_pack;
#[cfg(test)]
mod tests;
mod text;
mod tone;
mod voices;

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::VoiceError;
pub use self::fallback_voice::FallbackVoice;
pub use self::names::Names;
#[cfg(feature = "fs")]
pub use self::sound_pack::{MissingWords, SoundPack};
pub use self::text::{log_text, text};
pub use self::tone::tone;
pub use self::voices::Voices;
use crate::message::Audio;
use crate::telephone::{Menu, MenuItem, Prompt};

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

    /// Returns the lines of a menu that [`say`](Self::say) leaves out because this voice has no words for them. By default none.
    fn unsaid(&self, menu: &Menu) -> Vec<MenuItem> {
        let _ = menu;
        Vec::new()
    }
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

            fn unsaid(&self, menu: &Menu) -> Vec<MenuItem> {
                (**self).unsaid(menu)
            }
        }
    };
}

delegate!(Arc);
delegate!(Box);
