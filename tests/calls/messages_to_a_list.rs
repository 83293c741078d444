//! An owner sends a message to a distribution list of which a member cannot be reached.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use voicemail::call::{CallScript, CallTranscript};
use voicemail::directory::{Directory, DirectoryError, Owner};
use voicemail::message::{Message, Origin};
use voicemail::store::{Deposit, MemoryStore, MessageStore, StoreError, StoreWrapper};
use voicemail::telephone::Prompt;
use voicemail::{MailboxId, Node};

use super::support::{CENTRAL, address, mailbox, network};
use super::{CentralSite, PIN, SECOND, is_menu, is_tone};

/// A store of which one mailbox fails so many times.
#[derive(Debug)]
struct OneFails {
    inner: MemoryStore,
    number: &'static str,
    failures: AtomicU32,
}

#[async_trait]
impl StoreWrapper for OneFails {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn deposit(&self, mailbox: &MailboxId, origin: &Origin, message: &Message) -> Result<Deposit, StoreError> {
        let fail = |failures: u32| failures.checked_sub(1);
        if mailbox.as_str() == self.number && self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fail).is_ok() {
            return Err(StoreError::Unavailable("as the test wants".into()));
        }
        self.inner.deposit(mailbox, origin, message).await
    }
}

/// The directory of the network, with the list 2900.
#[derive(Debug)]
struct WithList(Arc<dyn Directory>, Vec<MailboxId>);

#[async_trait]
impl Directory for WithList {
    async fn find(&self, mailbox: &MailboxId) -> Result<Option<Owner>, DirectoryError> {
        self.0.find(mailbox).await
    }

    async fn list_members(&self, _: &MailboxId, list: &MailboxId) -> Result<Option<Vec<MailboxId>>, DirectoryError> {
        Ok((list.as_str() == "2900").then(|| self.1.clone()))
    }
}

async fn open(store: impl MessageStore, members: &[&str]) -> CentralSite {
    let list = WithList(Arc::new(network().directory()), members.iter().map(|number| mailbox(number)).collect());
    let describe = |folder: &Path| Node::builder(address(CENTRAL), network(), list, folder.join(CENTRAL)).store(store);
    CentralSite::open_node(describe, |driver| driver).await
}

fn store() -> MemoryStore {
    MemoryStore::new((2001..=2009).map(|number| mailbox(&number.to_string())))
}

/// Records a message for the list, and sends it.
fn sends_to_the_list() -> CallScript {
    let script = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#");
    let script = script.until_said(is_menu).press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2900#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    script.speak(SECOND * 3).press("#").until_said(is_menu).press("1")
}

/// The statements about the message, in order.
fn statements(transcript: &CallTranscript) -> Vec<Prompt> {
    let is_statement = |prompt: &Prompt| {
        matches!(
            prompt,
            Prompt::AddresseeList { .. }
                | Prompt::Sent
                | Prompt::NotSent
                | Prompt::NotSentTo(_)
                | Prompt::NoSuchMailbox
                | Prompt::RecordingDiscarded
        )
    };
    transcript.prompts().into_iter().filter(is_statement).collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_that_failed_is_named_and_tried_again() {
    let store = OneFails { inner: store(), number: "2004", failures: AtomicU32::new(1) };
    let central = open(store, &["2003", "2004", "2005"]).await;
    let script = sends_to_the_list().until_said(|prompt| matches!(prompt, Prompt::NotSentTo(_))).silence(SECOND);
    let (_, transcript) = central.owner(script.press("1").until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    let list = Prompt::AddresseeList { list: mailbox("2900"), members: 3 };
    assert_eq!(statements(&transcript), [list, Prompt::NotSentTo(mailbox("2004")), Prompt::Sent]);
    for number in ["2003", "2004", "2005"] {
        assert_eq!(central.summary(number).await.new, 1, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_without_a_mailbox_keeps_the_others_from_nothing() {
    let central = open(store(), &["2003", "2099"]).await;
    let script = sends_to_the_list().until_said(|prompt| matches!(prompt, Prompt::NotSentTo(_))).silence(SECOND);
    let (_, transcript) = central.owner(script.press("1").until_said(|prompt| *prompt == Prompt::NoSuchMailbox).hang_up()).await;
    let list = Prompt::AddresseeList { list: mailbox("2900"), members: 2 };
    assert_eq!(statements(&transcript), [list, Prompt::NotSentTo(mailbox("2099")), Prompt::NoSuchMailbox]);
    assert_eq!(central.summary("2003").await.new, 1, "it has the message once");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_as_a_whole_is_not_sent() {
    let store = OneFails { inner: store(), number: "2004", failures: AtomicU32::new(2) };
    let central = open(store, &["2004"]).await;
    let again = |script: CallScript| script.until_said(|prompt| *prompt == Prompt::NotSent).silence(SECOND).press("1");
    let (_, transcript) = central.owner(again(again(sends_to_the_list())).until_said(|prompt| *prompt == Prompt::Sent)).await;
    let list = Prompt::AddresseeList { list: mailbox("2900"), members: 1 };
    assert_eq!(statements(&transcript), [list, Prompt::NotSent, Prompt::NotSent, Prompt::Sent]);
    assert_eq!(central.summary("2004").await.new, 1);
}
