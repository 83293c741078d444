//! [`MailStep`]: sends the mails that the rules of owners want.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::compose::{Envelope, compose};
use super::{MailFacts, MailStepError, MailTemplate, NoSound, OwnerRules, OwnerRulesError, RulesInForce, sound};
use crate::arrival::{ArrivalStep, Arrived, StepError, StepName, StepOutcome, StepRun};
use crate::directory::Owner;
use crate::forward::{MailOut, Outcome, Sender};
use crate::message::{Audio, Head, MailAddress, MailboxId, Message, MessageId, Status, Transcript};
use crate::network::{Admission, LicenceClass};
use crate::rules::{ArrivalRule, ArrivalRules, Content, Then};
use crate::store::{Entry, MessageStore, StoreError};

/// Sends the mails that the [rules](crate::rules) of owners want, one for each rule that is for a message.
///
/// - **First the mail.** A message counts as heard, or is removed, only after the mail server has [accepted](Outcome::Accepted) its mail. A mail that is
///   refused, or given up, leaves the message new and its lamp lit. The mail goes to the [`MailOut`] itself and not to an outbox: the node tries it
///   again.
/// - **Known again.** A mail that is sent twice, after a crash or a lost answer, has the same `Message-ID`, by which mail programs show it once.
/// - **Each by itself.** Each rule is a part of its own. A mail server that fails delays only the mails to its domain.
/// - **The rules of the moment.** A mail that waits follows the rule as it is when it is sent. If the rule is gone, or is not for the message any more,
///   nothing is sent. If it has another address, the mail goes there.
/// - **Not for nothing.** A message that its owner has removed gets no mail. One that the owner has heard gets none that waited for a delay, and none
///   without the sound.
/// - **Its words.** A mail has the [transcript](crate::arrival::transcript) of the message, if that was made before; an alert has none.
/// - **Private.** A private message gets a mail only by a rule that says so.
///
/// Receipts to senders are not sent for a message that counts as heard by a mail.
#[derive(Debug, Clone)]
pub struct MailStep {
    settings: Arc<MailSettings>,
}

/// The parts and settings of a step.
#[derive(Debug, Clone)]
pub(super) struct MailSettings {
    pub(super) rules: OwnerRules,
    pub(super) out: Arc<dyn MailOut>,
    pub(super) from: MailAddress,
    pub(super) node: String,
    pub(super) template: Arc<dyn MailTemplate>,
    pub(super) licences: Option<Arc<Admission>>,
    pub(super) max_sound_bytes: u64,
}

impl MailStep {
    pub(super) fn new(settings: MailSettings) -> Self {
        Self { settings: Arc::new(settings) }
    }

    /// Returns the rules in force; `None` if there is no such mailbox.
    async fn rules(&self, mailbox: &MailboxId) -> Result<Option<RulesInForce>, StepError> {
        match self.settings.rules.in_force(mailbox).await {
            Ok(rules) => Ok(Some(rules)),
            Err(OwnerRulesError::NoSuchMailbox(_)) => Ok(None),
            // Damaged rules can be corrected, so this passes, too.
            Err(error) => Err(StepError::Transient(Box::new(MailStepError::from(error)))),
        }
    }

    fn check_licence(&self, mailbox: &MailboxId, owner: &Owner, now: DateTime<Utc>) -> Result<(), StepError> {
        let Some(licences) = &self.settings.licences else { return Ok(()) };
        let checked = licences.check(&owner.home, LicenceClass::UnifiedMessaging, now);
        checked.map_err(|source| StepError::Final(Box::new(MailStepError::NoLicence { mailbox: mailbox.clone(), source })))
    }

    /// Returns the mail address of the caller, if the caller is an owner who has one.
    async fn caller_address(&self, head: &Head) -> Option<MailAddress> {
        let number: MailboxId = head.caller.number.as_ref()?.as_str().parse().ok()?;
        self.settings.rules.owner(&number).await.ok()?.email
    }

    async fn send(&self, run: &StepRun<'_>, mail: &Mail<'_>) -> Result<Sent, StepError> {
        let Mail { rule, to, owner, message, transcript } = mail;
        let head = message.head();
        let sound = match rule.content {
            Content::Copy => self.sound(rule, message).await?,
            Content::Notice | Content::Alert => None,
        };
        let reply_to = self.caller_address(head).await;
        let facts = MailFacts {
            language: owner.language.as_ref().or(head.language.as_ref()),
            no_sound: match (rule.content, &sound) {
                (Content::Copy, Some(_)) => None,
                (Content::Copy, None) => Some(NoSound::TooLarge),
                (Content::Notice | Content::Alert, _) => Some(NoSound::NotWanted),
            },
            transcript: transcript.as_ref().map(Transcript::text),
            reply_to: reply_to.as_ref(),
            ..MailFacts::new(&run.arrived.mailbox, head, owner.zone, rule.content, run.now)
        };
        let envelope = Envelope { from: &self.settings.from, to, node: &self.settings.node, key: run.key() };
        let bytes = compose(&facts, envelope, &*self.settings.template, sound.as_ref());
        match self.settings.out.send(Sender::Node, to, &bytes).await {
            Ok(Outcome::Accepted | Outcome::Relayed) => {
                Ok(if facts.no_sound == Some(NoSound::TooLarge) { Sent::WithoutSound } else { Sent::Whole })
            }
            Ok(Outcome::Deferred(reply)) => Err(StepError::Transient(Box::new(MailStepError::NotAccepted(reply)))),
            Ok(Outcome::Refused(reply)) => Err(StepError::Final(Box::new(MailStepError::NotAccepted(reply)))),
            Err(error) if error.is_transient() => Err(StepError::Transient(Box::new(MailStepError::from(error)))),
            Err(error) => Err(StepError::Final(Box::new(MailStepError::from(error)))),
        }
    }

    async fn sound(&self, rule: &ArrivalRule, message: &Message) -> Result<Option<Audio>, StepError> {
        let prepared = sound::prepare(message.audio(), rule.sound, self.settings.max_sound_bytes).await;
        prepared.map_err(|error| StepError::Transient(Box::new(MailStepError::Sound(error))))
    }
}

#[async_trait]
impl ArrivalStep for MailStep {
    fn name(&self) -> StepName {
        StepName::MAIL
    }

    /// One part for each rule that is for the message and has an address: `RULE@DOMAIN`.
    async fn parts(&self, arrived: &Arrived, store: &dyn MessageStore) -> Result<Vec<String>, StepError> {
        let Some(RulesInForce { owner, rules, .. }) = self.rules(&arrived.mailbox).await? else { return Ok(Vec::new()) };
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let Some(entry) = entry(store, &arrived.mailbox, arrived.id).await? else { return Ok(Vec::new()) };
        let of_message = rules.iter().filter(|rule| rule.is_for(&entry.head));
        let parts: Vec<_> = of_message.filter_map(|rule| Some(part(rule, rule.to.address(owner.email.as_ref())?))).collect();
        if !parts.is_empty() {
            self.check_licence(&arrived.mailbox, &owner, arrived.noticed_at)?;
        }
        Ok(parts)
    }

    /// The domain of the address: one that is dead delays no other.
    fn destination(&self, _: &Arrived, part: &str) -> String {
        part.rsplit_once('@').map_or(part, |(_, domain)| domain).to_owned()
    }

    /// As long as a mail server may take for the end of a mail, RFC 5321 §4.5.3.2.6.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, run: &StepRun<'_>) -> Result<StepOutcome, StepError> {
        let (mailbox, id) = (&run.arrived.mailbox, run.arrived.id);
        let Some(RulesInForce { owner, rules, .. }) = self.rules(mailbox).await? else { return Ok(StepOutcome::Done) };
        let rule = run.part.split_once('@').and_then(|(rule, _)| rules.find(rule));
        let to = rule.and_then(|rule| rule.to.address(owner.email.as_ref()));
        let (Some(rule), Some(to)) = (rule, to) else { return Ok(StepOutcome::Done) };
        let Some(entry) = entry(run.store, mailbox, id).await? else { return Ok(StepOutcome::Done) };
        if !rule.is_for(&entry.head) || is_settled(&entry, rule, &rules) {
            return Ok(StepOutcome::Done);
        }
        if let Some(wait) = wait(rule, &owner, run) {
            return Ok(StepOutcome::NotYet(wait));
        }
        let message = match run.store.retrieve(mailbox, id).await {
            Ok(message) => message,
            Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => return Ok(StepOutcome::Done),
            Err(error) => return Err(store_error(error)),
        };
        let transcript = match run.store.transcript(mailbox, id).await {
            Ok(transcript) => transcript,
            Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => return Ok(StepOutcome::Done),
            Err(error) => return Err(store_error(error)),
        };
        let sent = self.send(run, &Mail { rule, to, owner: &owner, message: &message, transcript }).await?;
        let status = match (sent, rule.then) {
            (Sent::WithoutSound, _) | (_, Then::Keep) => return Ok(StepOutcome::Done),
            (Sent::Whole, Then::Heard) => Status::Old,
            (Sent::Whole, Then::Remove) => Status::Removed,
        };
        match mark(run, status).await {
            Ok(()) | Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => Ok(StepOutcome::Done),
            Err(error) => Err(store_error(error)),
        }
    }
}

/// All of which a mail is made.
struct Mail<'a> {
    rule: &'a ArrivalRule,
    to: &'a MailAddress,
    owner: &'a Owner,
    message: &'a Message,
    transcript: Option<Transcript>,
}

/// Whether a mail that was accepted has all that the rule wants.
enum Sent {
    Whole,
    WithoutSound,
}

/// Returns the name of a part: the rule, and the domain of the address, or its end if it is very long.
fn part(rule: &ArrivalRule, to: &MailAddress) -> String {
    let domain = to.domain();
    format!("{}@{}", rule.id, &domain[domain.len().saturating_sub(MAX_DOMAIN_LEN)..])
}

/// Returns the entry of a message; `None` if it is no longer there.
async fn entry(store: &dyn MessageStore, mailbox: &MailboxId, id: MessageId) -> Result<Option<Entry>, StepError> {
    match store.entry(mailbox, id).await {
        Ok(entry) => Ok(Some(entry)),
        Err(StoreError::NoSuchMessage(_) | StoreError::NoSuchMailbox(_)) => Ok(None),
        Err(error) => Err(store_error(error)),
    }
}

/// Whether the owner has done with the message, so that this rule need not send a mail.
fn is_settled(entry: &Entry, rule: &ArrivalRule, rules: &ArrivalRules) -> bool {
    // Another rule may have done so: then the owner has not.
    let by_rule = |then| rules.iter().any(|other| other.id != rule.id && other.then == then);
    match entry.status {
        Status::New => false,
        Status::Old => !by_rule(Then::Heard) && (!rule.delay.is_zero() || rule.content != Content::Copy),
        Status::Removed => !by_rule(Then::Remove),
    }
}

/// Returns how long the mail has to wait.
fn wait(rule: &ArrivalRule, owner: &Owner, run: &StepRun<'_>) -> Option<Duration> {
    let delay = TimeDelta::from_std(rule.delay).unwrap_or(TimeDelta::MAX);
    let due = run.arrived.noticed_at.checked_add_signed(delay).unwrap_or(run.now).max(run.now);
    let opens = rule.timetable.opens_at(due, owner.zone);
    (opens - run.now).to_std().ok().filter(|wait| !wait.is_zero())
}

/// Gives a message this status after its mail. One that its owner has removed meanwhile is not heard, but stays removed.
async fn mark(run: &StepRun<'_>, status: Status) -> Result<(), StoreError> {
    let (mailbox, id) = (&run.arrived.mailbox, run.arrived.id);
    if status == Status::Old {
        match run.store.mark_if(mailbox, id, Status::New, status).await {
            Err(StoreError::Unsupported(_)) => {}
            marked => return marked.map(drop),
        }
    }
    run.store.mark(mailbox, id, status).await
}

fn store_error(error: StoreError) -> StepError {
    let is_transient = error.is_transient();
    let error = Box::new(MailStepError::from(error));
    if is_transient { StepError::Transient(error) } else { StepError::Final(error) }
}

const MAX_DOMAIN_LEN: usize = 200;
