//! Whole calls of callers and owners at a node, on legs whose other end follows a script.
#![cfg(all(feature = "memory", feature = "node"))]
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod callers_leave_messages;
mod calls_that_are_refused_or_cut_off;
mod dropped_calls;
mod first_use_sets_a_mailbox_up;
mod hostile_sound;
mod keys_typed_ahead;
mod legs_of_every_kind;
mod lists_and_groups;
mod messages_to_a_list;
mod messages_to_other_systems;
mod owners_are_warned;
mod owners_listen_and_send;
mod people_hear_their_language;
mod random_calls_say_nothing_false;
mod receipts_are_heard;
mod two_calls_at_once;

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]
mod support;

use std::path::Path;

use async_trait::async_trait;
use tempfile::TempDir;
use voicemail::Node;
use voicemail::audio::{Format, tone};
use voicemail::call::{CallDriver, CallDriverBuilder, CallEnd, CallScript, CallTranscript, IncomingCall, OwnerCall, ScriptedLeg};
use voicemail::message::{Audio, Caller, Message, Summary};
use voicemail::node::NodeBuilder;
use voicemail::store::{MemoryStore, MessageStore};
use voicemail::telephone::{MemoryPins, PinHash, Prompt};
use voicemail::voice::{Names, Voice, VoiceError, Voices};

use self::support::{CENTRAL, Running, mailbox, node, run, site};

/// The PIN of mailbox 2001.
const PIN: &str = "480913";

/// The central node, with a driver for its calls.
struct CentralSite {
    node: Node,
    running: Option<Running>,
    calls: CallDriver,
    /// Declared last: the node is gone before its folder.
    _folder: TempDir,
}

impl CentralSite {
    async fn open() -> Self {
        Self::open_with(|driver| driver).await
    }

    /// A central node with other settings of its driver.
    async fn open_with(settings: impl FnOnce(CallDriverBuilder) -> CallDriverBuilder) -> Self {
        let store = MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())));
        Self::open_in(store, settings).await
    }

    /// A central node with another store.
    async fn open_in(store: impl MessageStore, settings: impl FnOnce(CallDriverBuilder) -> CallDriverBuilder) -> Self {
        Self::open_node(|folder| node(CENTRAL, folder).store(store), settings).await
    }

    /// Another central node, with its spool in the folder.
    async fn open_node(
        describe: impl FnOnce(&Path) -> NodeBuilder,
        settings: impl FnOnce(CallDriverBuilder) -> CallDriverBuilder,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = describe(folder.path()).open().await.unwrap();
        let running = Some(run(&node));
        let pins = MemoryPins::default();
        pins.set(mailbox("2001"), PinHash::new(&PIN.parse().unwrap()));
        let voices = Voices::new("en".parse().unwrap(), Beeps);
        let calls = settings(CallDriver::builder(node.clone(), voices).pins(pins)).build();
        Self { node, running, calls, _folder: folder }
    }

    /// A call to mailbox 2001.
    async fn call(&self, script: CallScript) -> (CallEnd, CallTranscript) {
        self.call_with(IncomingCall::to(mailbox("2001")), script).await
    }

    async fn call_with(&self, call: IncomingCall, script: CallScript) -> (CallEnd, CallTranscript) {
        let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMU, script);
        (self.calls.answer_caller(&site("london"), leg, call).await, transcript)
    }

    /// A call of the owner of mailbox 2001 from the own telephone.
    async fn owner(&self, script: CallScript) -> (CallEnd, CallTranscript) {
        let (leg, transcript) = ScriptedLeg::new(Format::TELEPHONE_PCMA, script);
        let call = OwnerCall::from_own_telephone(mailbox("2001"));
        (self.calls.answer_owner(&site("london"), leg, call).await, transcript)
    }

    /// Puts a message of three seconds from 2002 into mailbox 2001.
    async fn deposit(&self) {
        let script = CallScript::new().until_ended(is_tone).speak(SECOND * 3).hang_up();
        let call = IncomingCall::to(mailbox("2001")).caller(Caller::new("2002".parse().ok(), None));
        let (end, _) = self.call_with(call, script).await;
        assert!(end.message.is_some(), "{end:?}");
    }

    async fn summary(&self, number: &str) -> Summary {
        self.node.store().unwrap().summary(&mailbox(number)).await.unwrap()
    }

    async fn messages(&self, number: &str) -> Vec<Message> {
        let (store, mailbox) = (self.node.store().unwrap(), mailbox(number));
        let mut messages = Vec::new();
        for entry in store.list(&mailbox).await.unwrap() {
            messages.push(store.retrieve(&mailbox, entry.head.id).await.unwrap());
        }
        messages
    }

    fn ports_in_use(&self) -> u32 {
        self.node.ports(&site("london")).unwrap().in_use
    }

    /// Stops the node; what it was still to keep is kept then.
    async fn close(mut self) -> Self {
        self.running.take().unwrap().stop().await;
        self
    }
}

/// A voice that says each prompt with a short tone.
#[derive(Debug)]
struct Beeps;

#[async_trait]
impl Voice for Beeps {
    async fn say(&self, _: &Prompt, _: &Names) -> Result<Vec<Audio>, VoiceError> {
        Ok(vec![tone(500, SECOND / 10, 8000)])
    }
}

fn is_tone(prompt: &Prompt) -> bool {
    *prompt == Prompt::Tone
}

fn is_menu(prompt: &Prompt) -> bool {
    matches!(prompt, Prompt::Menu(_))
}

fn is_play(prompt: &Prompt) -> bool {
    matches!(prompt, Prompt::Play(_))
}

/// Whether a call has said this prompt.
fn said(transcript: &CallTranscript, prompt: &Prompt) -> bool {
    transcript.prompts().contains(prompt)
}

/// How alike two sounds are, from -1 to 1.
fn correlation(one: &[i16], other: &[i16]) -> f64 {
    let pairs = || one.iter().zip(other).map(|(one, other)| (f64::from(*one), f64::from(*other)));
    let product: f64 = pairs().map(|(one, other)| one * other).sum();
    let (ones, others): (f64, f64) = (pairs().map(|(one, _)| one * one).sum(), pairs().map(|(_, other)| other * other).sum());
    product / (ones * others).sqrt()
}

/// How alike a part of `heard` is to `wanted`, at the best place.
fn best_correlation(heard: &[i16], wanted: &[i16]) -> f64 {
    heard.windows(wanted.len()).step_by(8).map(|part| correlation(part, wanted)).fold(0.0, f64::max)
}

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
