//! [`Renderer`]: the sounds of prompts, from the voices, the store and the greetings.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::player::{Sound, Sounds};
use crate::audio::Frames;
use crate::error_chain;
use crate::greeting::GreetingKind;
use crate::message::{Audio, Language, MailboxId, MessageId};
use crate::node::Node;
use crate::telephone::{DiversionReason, Prompt};
use crate::voice::{self, Names, Voice, Voices};

/// Finds the sounds of prompts.
#[derive(Debug)]
pub(super) struct Renderer {
    node: Node,
    voice: Arc<dyn Voice>,
    rate: NonZeroU32,
    /// The mailbox whose messages and greetings are played.
    pub(super) mailbox: Option<MailboxId>,
    /// Why a caller was diverted, for the greeting in place of one that cannot be played; `None` for an owner.
    pub(super) reason: Option<DiversionReason>,
}

impl Renderer {
    pub(super) fn new(node: Node, voices: &Voices, language: Option<&Language>, rate: NonZeroU32) -> Self {
        Self { node, voice: Arc::clone(voices.get(language)), rate, mailbox: None, reason: None }
    }

    /// Speaks another language from now on.
    pub(super) fn set_language(&mut self, voices: &Voices, language: Option<&Language>) {
        self.voice = Arc::clone(voices.get(language));
    }

    /// Returns the tone that a prompt is, if it is one.
    pub(super) fn tone(&self, prompt: &Prompt) -> Option<Frames> {
        self.frames(&voice::tone(prompt)?)
    }

    /// Returns the sounds of `prompts`. `recording` is what was just recorded.
    ///
    /// A voice that fails is skipped. After a message, a greeting or a recording that cannot be read, nothing more is played.
    pub(super) async fn render(&self, prompts: Vec<Prompt>, recording: Option<Audio>) -> Sounds {
        let names = self.names(&prompts).await;
        let mut rendered = Sounds { prompts: Vec::with_capacity(prompts.len()), ..Sounds::default() };
        for prompt in prompts {
            let track = match &prompt {
                Prompt::Play(id) => self.message(*id).await,
                Prompt::Greeting(kind) => match (self.greeting(*kind).await, self.reason) {
                    (None, Some(reason)) => {
                        self.add_default_greeting(&mut rendered, reason, &names).await;
                        continue;
                    }
                    (greeting, _) => greeting,
                },
                Prompt::PlayRecording => recording.clone(),
                words => {
                    self.add_words(&mut rendered, words, &names).await;
                    rendered.prompts.push(prompt);
                    continue;
                }
            };
            let Some(frames) = track.as_ref().and_then(|track| self.frames(track)) else {
                rendered.is_incomplete = true;
                break;
            };
            rendered.list.push(Sound::Track(frames));
            rendered.prompts.push(prompt);
        }
        rendered
    }

    async fn add_default_greeting(&self, rendered: &mut Sounds, reason: DiversionReason, names: &Names) {
        let Some(mailbox) = self.mailbox.clone() else { return };
        let prompt = Prompt::DefaultGreeting { mailbox, busy: reason == DiversionReason::Busy };
        self.add_words(rendered, &prompt, names).await;
        rendered.prompts.push(prompt);
    }

    async fn add_words(&self, rendered: &mut Sounds, prompt: &Prompt, names: &Names) {
        match prompt {
            Prompt::Tone => rendered.list.extend(self.tone(prompt).map(Sound::Words)),
            words => {
                let said = timeout(VOICE, self.voice.say(words, names)).await;
                match said {
                    Ok(Ok(sounds)) => {
                        if sounds.is_empty() {
                            tracing::debug!("the voice has no words for a prompt, which is skipped");
                        }
                        rendered.list.extend(sounds.iter().filter_map(|sound| self.frames(sound)).map(Sound::Words));
                    }
                    Ok(Err(error)) => tracing::warn!(error = %error_chain(&error), "a prompt could not be said, and is skipped"),
                    Err(_) => tracing::warn!("a voice took longer than {VOICE:?} for a prompt, which is skipped"),
                }
            }
        }
    }

    async fn message(&self, id: MessageId) -> Option<Audio> {
        let (store, mailbox) = (self.node.store()?, self.mailbox.as_ref()?);
        match store.retrieve(mailbox, id).await {
            Ok(message) => Some(message.audio().clone()),
            Err(error) => {
                tracing::warn!(message = %id, error = %error_chain(&error), "a message could not be retrieved to be played");
                None
            }
        }
    }

    async fn greeting(&self, kind: GreetingKind) -> Option<Audio> {
        let greeting = self.node.greeting(self.mailbox.as_ref()?, kind).await;
        greeting.inspect_err(|error| tracing::warn!(error = %error_chain(error), "a greeting could not be read")).ok().flatten()
    }

    fn frames(&self, sound: &Audio) -> Option<Frames> {
        sound.in_memory()?;
        Frames::new(sound, self.rate)
            .inspect_err(|error| tracing::warn!(error = %error_chain(error), "a sound could not be decoded"))
            .ok()
    }

    /// Returns the recorded names of the mailboxes that `prompts` mention.
    async fn names(&self, prompts: &[Prompt]) -> Names {
        let mut names = Names::none();
        // A greeting that cannot be played is replaced by one with the owner's name.
        let own = self.mailbox.clone().filter(|_| prompts.iter().any(|prompt| matches!(prompt, Prompt::Greeting(_))));
        for mailbox in prompts.iter().filter_map(mentioned).chain(own) {
            if self.node.greetings(&mailbox).await.name
                && let Ok(Some(name)) = self.node.greeting(&mailbox, GreetingKind::Name).await
            {
                names.extend([(mailbox, name)]);
            }
        }
        names
    }
}

/// Whether a prompt is a message, a greeting or a recording, and not words.
pub(super) fn is_track(prompt: &Prompt) -> bool {
    matches!(prompt, Prompt::Play(_) | Prompt::Greeting(_) | Prompt::PlayRecording)
}

/// The mailbox that a prompt mentions, if there is one.
fn mentioned(prompt: &Prompt) -> Option<MailboxId> {
    match prompt {
        Prompt::Name(mailbox)
        | Prompt::Addressee(mailbox)
        | Prompt::NotSentTo(mailbox)
        | Prompt::Receipt { mailbox, .. }
        | Prompt::NotHeardBy(mailbox)
        | Prompt::EndedFor { mailbox, .. }
        | Prompt::MemberAdded(mailbox)
        | Prompt::MemberRemoved(mailbox)
        | Prompt::TakenBy(mailbox)
        | Prompt::DefaultGreeting { mailbox, .. } => Some(mailbox.clone()),
        // A caller of the own network is said by name, too.
        Prompt::From(caller) => caller.number.as_ref()?.as_str().parse().ok(),
        _ => None,
    }
}

/// How long a voice may take for one prompt.
const VOICE: Duration = Duration::from_secs(5);
