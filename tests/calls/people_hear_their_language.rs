//! A caller hears the language of the PBX, and an owner that of the mailbox.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tempfile::TempDir;
use voicemail::Node;
use voicemail::audio::{Format, tone};
use voicemail::call::{CallDriver, CallScript, IncomingCall, OwnerCall, ScriptedLeg};
use voicemail::message::{Audio, Language};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::store::MemoryStore;
use voicemail::telephone::{MemoryPins, PinHash, Prompt};
use voicemail::voice::{Names, Voice, VoiceError, Voices};

use super::support::{CENTRAL, address, mailbox, site};
use super::{PIN, SECOND, is_menu, is_tone};

/// The prompts that were said, and in which language.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Vec<(&'static str, Prompt)>>>);

impl Said {
    /// Returns the languages in which something was said, in order, and forgets them.
    fn languages(&self) -> Vec<&'static str> {
        let mut languages: Vec<_> =
            std::mem::take(&mut *self.0.lock().unwrap()).into_iter().map(|(language, _)| language).collect();
        languages.dedup();
        languages
    }
}

#[derive(Debug)]
struct Speaker {
    language: &'static str,
    said: Said,
}

#[async_trait]
impl Voice for Speaker {
    async fn say(&self, prompt: &Prompt, _: &Names) -> Result<Vec<Audio>, VoiceError> {
        self.said.0.lock().unwrap().push((self.language, prompt.clone()));
        Ok(vec![tone(500, SECOND / 10, 8000)])
    }
}

/// A PBX in German, with a mailbox in French, one in a language that no voice has, and one without a language.
async fn open() -> (CallDriver, Said, TempDir) {
    let language = |tag: &str| tag.parse::<Language>().unwrap();
    let london = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London)
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .licence(LicenceClass::Voicemail)
        .ports(8)
        .node(address(CENTRAL))
        .language(language("de-AT"))
        .mailbox(Mailbox::new(mailbox("2001")).with_language(language("fr")))
        .mailbox(Mailbox::new(mailbox("2002")).with_language(language("is")))
        .mailbox(Mailbox::new(mailbox("2003")));
    let network = Network::builder("voicemail.example").site(london).build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mailboxes = ["2001", "2002", "2003"].map(mailbox);
    let directory = network.directory();
    let node = Node::builder(address(CENTRAL), network, directory, folder.path().join("spool"));
    let node = node.store(MemoryStore::new(mailboxes.clone())).open().await.unwrap();
    let (pins, said) = (MemoryPins::default(), Said::default());
    for mailbox in mailboxes {
        pins.set(mailbox, PinHash::new(&PIN.parse().unwrap()));
    }
    let voice = |language| Speaker { language, said: said.clone() };
    let voices = Voices::new(language("en"), voice("en")).with(language("de"), voice("de")).with(language("fr"), voice("fr"));
    (CallDriver::builder(node, voices).pins(pins).build(), said, folder)
}

/// Enters the PIN, up to the main menu, and hangs up.
fn logs_in(script: CallScript) -> CallScript {
    script.until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu).hang_up()
}

#[tokio::test(start_paused = true)]
async fn a_caller_hears_the_language_of_the_pbx() {
    let (calls, said, _folder) = open().await;
    for number in ["2001", "2002", "2003"] {
        let (leg, _) =
            ScriptedLeg::new(Format::TELEPHONE_PCMU, CallScript::new().until_ended(is_tone).speak(SECOND * 2).press("#"));
        calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox(number))).await;
        assert_eq!(said.languages(), ["de"], "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_hears_the_language_of_the_mailbox() {
    let (calls, said, _folder) = open().await;
    for (number, languages) in [("2001", &["de", "fr"][..]), ("2002", &["de", "en"][..]), ("2003", &["de"][..])] {
        let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, logs_in(CallScript::new()));
        calls.answer_owner(&site("london"), leg, OwnerCall::from_own_telephone(mailbox(number))).await;
        assert_eq!(said.languages(), languages, "{number}, from its own telephone");
        let number_first = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterOwnMailbox).press(number).press("#");
        let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, logs_in(number_first));
        calls.answer_owner(&site("london"), leg, OwnerCall::from_any_telephone()).await;
        assert_eq!(said.languages(), languages, "{number}, from any telephone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_logs_in_hears_the_language_of_the_mailbox() {
    let (calls, said, _folder) = open().await;
    let (leg, _) = ScriptedLeg::new(Format::TELEPHONE_PCMU, logs_in(CallScript::new().silence(SECOND / 10).press("*")));
    calls.answer_caller(&site("london"), leg, IncomingCall::to(mailbox("2001"))).await;
    assert_eq!(said.languages(), ["de", "fr"]);
}
