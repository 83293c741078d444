//! An owner keeps a private list, follows a message that was sent to it, and takes a message of a group.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use voicemail::audio::tone;
use voicemail::call::{CallScript, CallTranscript};
use voicemail::directory::{Directory, DirectoryError, Group, ListFolder, Owner};
use voicemail::disk::OsDisk;
use voicemail::message::{ClockQuality, ClockSource, Message, Origin, RecordedAt};
use voicemail::sent::SentFolder;
use voicemail::store::MemoryStore;
use voicemail::telephone::{MemoryPins, PinHash, Prompt};
use voicemail::{MailboxId, Node};

use super::support::{CENTRAL, address, mailbox, network, node};
use super::{CentralSite, PIN, SECOND, is_menu, is_tone, said};

fn store() -> MemoryStore {
    MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())))
}

fn log_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

/// A script that goes on after this prompt.
fn after(script: CallScript, prompt: Prompt) -> CallScript {
    script.until_said(move |said| *said == prompt)
}

async fn central_with_lists(folder: &Path) -> CentralSite {
    let lists = ListFolder::open(OsDisk, folder.join("lists")).await.unwrap();
    let sent = SentFolder::open(OsDisk, folder.join("sent")).await.unwrap();
    let describe = |spool: &Path| node(CENTRAL, spool).store(store()).private_lists(lists).sent_messages(sent);
    CentralSite::open_node(describe, |driver| driver).await
}

/// The prompts about sent messages.
fn states(transcript: &CallTranscript) -> Vec<Prompt> {
    let is_state = |prompt: &Prompt| matches!(prompt, Prompt::NotHeardBy(_) | Prompt::EndedFor { .. } | Prompt::NotSentTo(_));
    transcript.prompts().into_iter().filter(is_state).collect()
}

#[tokio::test(start_paused = true)]
async fn a_list_made_by_telephone_is_sent_to_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let central = central_with_lists(folder.path()).await;
    let script = after(log_in().press("9"), Prompt::EnterList).press("7#").until_said(is_menu).press("2");
    let script = after(script, Prompt::EnterNewMember).press("2003#");
    let script = after(script, Prompt::MemberAdded(mailbox("2003"))).press("2099#");
    let script = after(script, Prompt::NoSuchMailbox).press("2004#");
    let script =
        after(script, Prompt::MemberAdded(mailbox("2004"))).press("#").until_said(is_menu).press("1").until_said(is_menu);
    let (_, transcript) = central.owner(script.hang_up()).await;
    for member in ["2003", "2004"] {
        assert!(said(&transcript, &Prompt::Name(mailbox(member))), "{member} is heard as a member");
    }

    let script = after(log_in().press("6"), Prompt::EnterMailbox).press("7#");
    let script = after(script, Prompt::EnterNextMailbox).press("#").until_ended(is_tone).speak(SECOND * 3).press("#");
    let script = after(script.until_said(is_menu).press("6"), Prompt::ReceiptRequested).press("1");
    central.owner(after(script, Prompt::Sent).hang_up()).await;
    let id = central.messages("2003").await[0].id();
    assert_eq!(central.summary("2004").await.new, 1);
    central.node.mailbox_service().unwrap().played(&mailbox("2003"), id).await.unwrap();

    let sent = |prompt: &Prompt| matches!(prompt, Prompt::SentAt { .. });
    let (_, transcript) = central.owner(log_in().press("8").until_said(sent).until_said(is_menu).hang_up()).await;
    let heard = states(&transcript);
    let [Prompt::EndedFor { mailbox: first, .. }, Prompt::NotHeardBy(second)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((first.as_str(), second.as_str()), ("2003", "2004"));
}

/// The directory of the network, in which 2600 is a group whose messages belong to the first who takes them.
#[derive(Debug)]
struct WithGroup(Arc<dyn Directory>);

#[async_trait]
impl Directory for WithGroup {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        let number = if mailbox.as_str() == GROUP { "2001".parse().unwrap() } else { mailbox.clone() };
        self.0.find(&number).await
    }

    async fn group(&self, mailbox: &MailboxId) -> Result<Option<Group>, DirectoryError> {
        let group = || Group::new(["2001", "2002"].map(super::mailbox)).first_owns();
        Ok((mailbox.as_str() == GROUP).then(group))
    }
}

const GROUP: &str = "2600";

async fn central_with_group() -> CentralSite {
    let store = MemoryStore::new(["2001", "2002", GROUP].map(mailbox));
    let pins = MemoryPins::default();
    pins.set(mailbox(GROUP), PinHash::new(&PIN.parse().unwrap()));
    let directory = WithGroup(Arc::new(network().directory()));
    let describe = |spool: &Path| Node::builder(address(CENTRAL), network(), directory, spool.join(CENTRAL)).store(store);
    CentralSite::open_node(describe, |driver| driver.pins(pins)).await
}

/// A call from the telephone of 2001 to the first message of the group.
fn at_group() -> CallScript {
    let script = after(CallScript::new(), Prompt::EnterPin).press("*");
    let script = after(script, Prompt::EnterOwnMailbox).press("2600#");
    after(script, Prompt::EnterPin).press(PIN).press("#").until_said(is_menu).press("1").until_said(super::is_play)
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_group_is_taken_by_telephone_once() {
    let central = central_with_group().await;
    let sound = tone(500, SECOND * 3, 8000);
    let quality = ClockQuality::unknown(ClockSource::Manual);
    let recorded_at = |second| RecordedAt::new(DateTime::from_timestamp(second, 0).unwrap(), chrono_tz::UTC, quality);
    let messages = [1, 2].map(|second| Message::builder(sound.clone(), recorded_at(second)).build());
    let (store, service) = (central.node.store().unwrap(), central.node.mailbox_service().unwrap());
    for message in &messages {
        store.deposit(&mailbox(GROUP), &Origin::Here, message).await.unwrap();
    }
    let (_, transcript) =
        central.owner(after(at_group().until_said(is_menu).press("71"), Prompt::MessageIsYours).hang_up()).await;
    assert!(said(&transcript, &Prompt::MessageIsYours));
    assert_eq!((central.summary("2001").await.new, central.summary(GROUP).await.new), (1, 1));
    let by = async |message: &Message| service.accepted_by(&mailbox(GROUP), message.id()).await.unwrap();
    assert_eq!((by(&messages[0]).await, by(&messages[1]).await), (Some(mailbox("2001")), None));

    // While 2001 listens to the other message, 2002 takes it.
    let other = {
        let (service, id) = (service.clone(), messages[1].id());
        async move {
            tokio::time::sleep(SECOND * 4).await;
            service.accept(&mailbox(GROUP), id, &mailbox("2002")).await
        }
    };
    let script = at_group().silence(SECOND * 8).press("71");
    let script = after(script, Prompt::TakenBy(mailbox("2002"))).hang_up();
    let (taken, (_, transcript)) = futures::future::join(other, central.owner(script)).await;
    assert!(taken.is_ok() && said(&transcript, &Prompt::TakenBy(mailbox("2002"))), "{:?}", transcript.prompts());
    assert_eq!(central.summary("2001").await.new, 1);
}
