//! [`FallbackVoice`]: a voice with another one for what it cannot say.

use async_trait::async_trait;

use super::{Names, Voice, VoiceError};
use crate::error_chain;
use crate::message::Audio;
use crate::telephone::{Menu, MenuItem, Prompt};

/// Says each prompt with the first voice, and with the second one when the first has no words for it or fails.
///
/// Of a menu, the second voice says the lines that the first one has no words for, after the others. A typical pair is a folder of recorded
/// sentences and a program that speaks text.
#[derive(Debug, Clone)]
pub struct FallbackVoice<A, B> {
    first: A,
    second: B,
}

impl<A: Voice, B: Voice> FallbackVoice<A, B> {
    /// Returns a voice that asks `first`, and then `second`.
    pub fn new(first: A, second: B) -> Self {
        Self { first, second }
    }

    /// Returns the voice that is asked second.
    pub fn second(&self) -> &B {
        &self.second
    }

    async fn either(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
        let failed = match self.first.say(prompt, names).await {
            Ok(sounds) if !sounds.is_empty() => return Ok(sounds),
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let sounds = self.second.say(prompt, names).await?;
        match failed {
            Some(error) if sounds.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(error = %error_chain(&error), "a voice failed, and the next one spoke");
                Ok(sounds)
            }
            None => Ok(sounds),
        }
    }
}

#[async_trait]
impl<A: Voice, B: Voice> Voice for FallbackVoice<A, B> {
    async fn say(&self, prompt: &Prompt, names: &Names) -> Result<Vec<Audio>, VoiceError> {
        let Prompt::Menu(menu) = prompt else { return self.either(prompt, names).await };
        let unsaid = self.first.unsaid(menu);
        if unsaid.is_empty() || unsaid.len() == menu.items.len() {
            return self.either(prompt, names).await;
        }
        let said = menu.items.iter().copied().filter(|item| !unsaid.contains(item)).collect();
        let mut sounds = self.either(&Prompt::Menu(Menu { place: menu.place, items: said }), names).await?;
        sounds.extend(self.second.say(&Prompt::Menu(Menu { place: menu.place, items: unsaid }), names).await?);
        Ok(sounds)
    }

    fn unsaid(&self, menu: &Menu) -> Vec<MenuItem> {
        let unsaid = self.first.unsaid(menu);
        self.second.unsaid(&Menu { place: menu.place, items: unsaid })
    }
}
