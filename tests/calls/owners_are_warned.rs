//! Owners hear that their mailbox is full, and that messages are removed because of their age.

use std::time::Duration;

use voicemail::call::CallScript;
use voicemail::directory::Retention;
use voicemail::store::MemoryStore;
use voicemail::telephone::Prompt;

use super::support::mailbox;
use super::{CentralSite, PIN, is_menu};

/// The warnings that the owner of 2001 hears, up to the main menu.
async fn warnings(central: &CentralSite) -> Vec<Prompt> {
    let script = CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#");
    let (_, transcript) = central.owner(script.until_said(is_menu).hang_up()).await;
    let heard = transcript
        .prompts()
        .into_iter()
        .filter(|prompt| matches!(prompt, Prompt::MailboxNearlyFull | Prompt::MailboxFull | Prompt::MessagesExpire { .. }));
    heard.collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_and_old_messages_are_announced() {
    let day = Duration::from_secs(86_400);
    let store = MemoryStore::new([mailbox("2001")]).max_messages(2).retention(Retention::default().new_for(2 * day));
    let central = CentralSite::open_in(store, |driver| driver).await;
    assert_eq!(warnings(&central).await, []);
    central.deposit().await;
    assert_eq!(warnings(&central).await, [Prompt::MessagesExpire { messages: 1, days: 3 }]);
    central.deposit().await;
    assert_eq!(warnings(&central).await, [Prompt::MailboxFull, Prompt::MessagesExpire { messages: 2, days: 3 }]);
}
