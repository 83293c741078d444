//! A mail server that keeps what it is sent, and a step that sends it mails.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use voicemail::arrival::mail::{MailStep, MailTemplate, OwnerRules};
use voicemail::arrival::{ArrivalStep as _, Arrived, StepError, StepName, StepOutcome, StepRun};
use voicemail::directory::{Owner, StaticDirectory};
use voicemail::forward::{ForwardError, MailOut, Outcome, Sender};
use voicemail::message::{
    Audio, AudioType, Caller, CallerName, ClockQuality, ClockSource, MailAddress, MailboxId, Message, MessageBuilder, MessageId,
    Origin, RecordedAt, Status,
};
use voicemail::rules::{ArrivalRule, ArrivalRules, Content};
use voicemail::store::{MemoryStore, MessageStore as _};

/// A mail server that accepts all mails, unless it has other answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Server {
    pub(crate) mails: Arc<Mutex<Vec<(MailAddress, Bytes)>>>,
    pub(crate) answers: Arc<Mutex<VecDeque<Result<Outcome, ForwardError>>>>,
}

#[async_trait]
impl MailOut for Server {
    async fn send(&self, sender: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        assert_eq!(sender, Sender::Node);
        self.mails.lock().unwrap().push((to.clone(), mail.clone()));
        self.answers.lock().unwrap().pop_front().unwrap_or(Ok(Outcome::Accepted))
    }
}

/// The mailbox 2041 of an owner with some rules, and all that sends mails for it.
pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) step: MailStep,
    pub(crate) now: DateTime<Utc>,
}

impl Place {
    pub(crate) fn new(rules: impl IntoIterator<Item = ArrivalRule>) -> Self {
        Self::with(rules, |owner| owner, |step| step)
    }

    /// An owner and a step that are changed.
    pub(crate) fn with(
        rules: impl IntoIterator<Item = ArrivalRule>,
        owner: impl FnOnce(Owner) -> Owner,
        step: impl FnOnce(voicemail::arrival::mail::MailStepBuilder) -> voicemail::arrival::mail::MailStepBuilder,
    ) -> Self {
        let mut anna = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
        anna.email = Some("anna@example.com".parse().unwrap());
        anna.rules = ArrivalRules::new(rules).unwrap();
        let mut karl = Owner::new("berlin".parse().unwrap(), chrono_tz::Europe::Berlin);
        karl.email = Some("karl@example.com".parse().unwrap());
        let directory: StaticDirectory = [(mailbox(), owner(anna)), ("2042".parse().unwrap(), karl)].into_iter().collect();
        let server = Server::default();
        let from = "voicemail@voicemail.example".parse().unwrap();
        let step = step(MailStep::builder(OwnerRules::new(directory), server.clone(), from)).build();
        let store = MemoryStore::new([mailbox()]);
        Self { server, store, step, now: "2026-03-25T22:59:30Z".parse().unwrap() }
    }

    pub(crate) fn with_template(template: impl MailTemplate) -> Self {
        Self::with([rule(Content::Copy)], |owner| owner, |step| step.template(template))
    }

    /// Stores a message, and returns its arrival.
    pub(crate) async fn arrives(&self, message: &Message) -> Arrived {
        self.store.deposit(&mailbox(), &Origin::Here, message).await.unwrap();
        Arrived::new(mailbox(), message.id(), self.now)
    }

    /// Runs one part.
    pub(crate) async fn run(&self, arrived: &Arrived, part: &str) -> Result<StepOutcome, StepError> {
        let name = StepName::MAIL;
        self.step.run(&StepRun::new(&name, part, arrived, &self.store, self.now)).await
    }

    /// Stores a message and runs all parts. Returns the mails.
    pub(crate) async fn sent_for(&self, message: &Message) -> Vec<Bytes> {
        let arrived = self.arrives(message).await;
        for part in self.step.parts(&arrived, &self.store).await.unwrap() {
            assert_eq!(self.run(&arrived, &part).await.unwrap(), StepOutcome::Done);
        }
        std::mem::take(&mut *self.server.mails.lock().unwrap()).into_iter().map(|(_, mail)| mail).collect()
    }

    pub(crate) async fn status(&self, id: MessageId) -> Option<Status> {
        let entries = self.store.list(&mailbox()).await.unwrap();
        entries.into_iter().find(|entry| entry.head.id == id).map(|entry| entry.status)
    }
}

pub(crate) fn mailbox() -> MailboxId {
    "2041".parse().unwrap()
}

/// A rule with the id `mail`.
pub(crate) fn rule(content: Content) -> ArrivalRule {
    ArrivalRule::new("mail".parse().unwrap(), content)
}

/// A message of 41.2 seconds of silence, recorded in Berlin on 25 March 2026, a minute before midnight.
pub(crate) fn message() -> MessageBuilder {
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = RecordedAt::new("2026-03-25T22:59:00Z".parse().unwrap(), chrono_tz::Europe::London, quality);
    let sound = Audio::new(AudioType::Adpcm32, vec![0; 41_200 * 4]);
    Message::builder(sound, recorded_at).length(Duration::from_millis(41_200)).caller(caller("Jürgen Groß", "+493023125014"))
}

/// The same message with a tenth of a second of silence.
pub(crate) fn short(message: &Message) -> Message {
    Message::new(message.head().clone(), Audio::new(AudioType::Adpcm32, vec![0; 400]))
}

pub(crate) fn caller(name: &str, number: &str) -> Caller {
    Caller::new(number.parse().ok(), CallerName::cleaned(name))
}
