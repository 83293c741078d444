//! An owner sends a message to a mailbox at another voicemail system.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::mpsc;
use voicemail::Node;
use voicemail::audio::to_adpcm32;
use voicemail::call::{CallScript, CallTranscript};
use voicemail::directory::VoicemailSystem;
use voicemail::event::Event;
use voicemail::forward::{ForwardError, MailOut, Outcome, Reply, Sender};
use voicemail::message::{DeliveryFailure, Disposition, MailAddress, Privacy};
use voicemail::network::{LicenceClass, Mailbox, Network, Site, TimeSource, VoicemailType};
use voicemail::store::MemoryStore;
use voicemail::telephone::Prompt;

use super::support::{CENTRAL, address, event, mailbox, site};
use super::{CentralSite, PIN, SECOND, is_menu, is_tone};

/// Accepts every mail, and passes it to the test.
#[derive(Debug)]
struct Passes(mpsc::UnboundedSender<(MailAddress, Bytes)>);

#[async_trait]
impl MailOut for Passes {
    async fn send(&self, _: Sender, to: &MailAddress, mail: &Bytes) -> Result<Outcome, ForwardError> {
        self.0.send((to.clone(), mail.clone())).unwrap();
        Ok(Outcome::Accepted)
    }
}

/// A network whose owners dial 86 for Boston.
fn network(licences: &[LicenceClass]) -> Network {
    let london = Site::builder(site("london"), VoicemailType::Central, chrono_tz::Europe::London)
        .node(address(CENTRAL))
        .time(TimeSource::Sntp(vec!["ntp.example".parse().unwrap()]))
        .ports(64);
    let london = licences.iter().fold(london, |london, licence| london.licence(*licence));
    let london = ["2001", "2002"].into_iter().fold(london, |london, number| london.mailbox(Mailbox::new(mailbox(number))));
    let boston = VoicemailSystem::new("boston", "vpim.boston.example").prefix("86").strip(1);
    Network::builder("voicemail.example").site(london).system(boston).build().unwrap()
}

/// A central node of this network, whose mails go out here.
async fn site_with(licences: &[LicenceClass], out: impl MailOut) -> CentralSite {
    let network = network(licences);
    let directory = network.directory();
    let store = MemoryStore::new(["2001", "2002"].map(mailbox));
    let describe =
        |folder: &Path| Node::builder(address(CENTRAL), network, directory, folder.join(CENTRAL)).store(store).mail_out(out);
    CentralSite::open_node(describe, |driver| driver).await
}

fn log_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

/// Begins a message to Boston.
fn to_boston() -> CallScript {
    log_in().press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("8617#")
}

/// Records a message of three seconds, and sends it to Boston and to 2002.
async fn sends_to_boston(
    licences: &[LicenceClass],
) -> (CentralSite, CallTranscript, mpsc::UnboundedReceiver<(MailAddress, Bytes)>) {
    let (passes, mails) = mpsc::unbounded_channel();
    let central = site_with(licences, Passes(passes)).await;
    let script = to_boston();
    let asks_for_more = |prompt: &Prompt| matches!(prompt, Prompt::EnterNextMailbox | Prompt::EnterMailbox);
    let script = script.until_said(asks_for_more).press("2002#").until_said(|prompt| *prompt == Prompt::EnterNextMailbox);
    let script = script.press("#").until_ended(is_tone).speak(SECOND * 3).press("#").until_said(is_menu).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    (central, transcript, mails)
}

#[tokio::test(start_paused = true)]
async fn an_owner_reaches_a_mailbox_at_another_system() {
    let (central, transcript, mut mails) = sends_to_boston(&[LicenceClass::Voicemail, LicenceClass::NetworkedMessaging]).await;
    assert!(transcript.prompts().contains(&Prompt::Addressee(mailbox("8617"))), "{transcript:?}");
    let (to, mail) = mails.recv().await.unwrap();
    assert_eq!(to.to_string(), "617@vpim.boston.example");
    let read = voicemail::wire::decode(&mail).unwrap();
    let here = central.messages("2002").await;
    assert_eq!(*read.audio(), to_adpcm32(here[0].audio()).unwrap(), "the same sound");
    assert_eq!(read.head().caller.number.as_ref().map(voicemail::message::CallerNumber::as_str), Some("2001"));
    assert_eq!(central.summary("2002").await.new, 1);
    central.close().await;
    assert!(mails.recv().await.is_none(), "the mail was sent once");
}

#[tokio::test(start_paused = true)]
async fn without_the_licence_the_owner_hears_that() {
    let (central, transcript, mut mails) = sends_to_boston(&[LicenceClass::Voicemail]).await;
    assert!(transcript.prompts().contains(&Prompt::NotLicensed), "{transcript:?}");
    assert_eq!(central.summary("2002").await.new, 1, "the other one has the message");
    central.close().await;
    assert!(mails.recv().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_private_message_is_sent_when_it_is_no_longer_private() {
    let (passes, mut mails) = mpsc::unbounded_channel();
    let central = site_with(&[LicenceClass::Voicemail, LicenceClass::NetworkedMessaging], Passes(passes)).await;
    let script = to_boston().until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("5");
    let script = script.until_said(|prompt| *prompt == Prompt::MarkedPrivate).press("1");
    let script = script.until_said(|prompt| *prompt == Prompt::PrivacyNotHonoured).until_said(is_menu).press("5");
    let script = script.until_said(|prompt| *prompt == Prompt::MarkedNotPrivate).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    let said = transcript.prompts();
    let refusal = said.iter().position(|prompt| *prompt == Prompt::PrivacyNotHonoured).unwrap();
    assert_eq!(said[refusal - 1], Prompt::NotSentTo(mailbox("8617")), "{said:?}");
    let (_, mail) = mails.recv().await.unwrap();
    assert_eq!(voicemail::wire::decode(&mail).unwrap().head().privacy, Privacy::Normal);
    central.close().await;
    assert!(mails.recv().await.is_none(), "nothing private was sent");
}

/// Refuses every mail.
#[derive(Debug)]
struct Refuses;

#[async_trait]
impl MailOut for Refuses {
    async fn send(&self, _: Sender, _: &MailAddress, _: &Bytes) -> Result<Outcome, ForwardError> {
        Ok(Outcome::Refused(Reply::new(550, "5.1.1 nobody here")))
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_hears_that_a_message_could_not_be_delivered() {
    let central = site_with(&[LicenceClass::Voicemail, LicenceClass::NetworkedMessaging], Refuses).await;
    let mut events = central.node.events();
    let script = to_boston().until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("1");
    central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    event(&mut events, |event| matches!(event, Event::MailGivenUp { .. }).then_some(())).await;

    assert_eq!(central.summary("2001").await.new, 1, "the lamp says that there is something to hear");
    let receipt = |prompt: &Prompt| matches!(prompt, Prompt::Receipt { .. });
    let (_, transcript) = central.owner(log_in().press("1").until_ended(receipt).until_said(is_menu).hang_up()).await;
    let heard: Vec<Prompt> = transcript.prompts().into_iter().filter(receipt).collect();
    let [Prompt::Receipt { disposition, mailbox: number, .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((*disposition, number), (Disposition::NotDelivered(DeliveryFailure::NoSuchMailbox), &mailbox("8617")));
}
