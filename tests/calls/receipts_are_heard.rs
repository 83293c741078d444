//! An owner requests a receipt, and hears it when the addressee has heard the message.

use voicemail::call::CallScript;
use voicemail::message::Disposition;
use voicemail::telephone::Prompt;

use super::support::mailbox;
use super::{CentralSite, PIN, SECOND, is_menu, is_tone, said};

fn log_in() -> CallScript {
    CallScript::new().until_said(|prompt| *prompt == Prompt::EnterPin).press(PIN).press("#").until_said(is_menu)
}

#[tokio::test(start_paused = true)]
async fn a_sender_hears_that_the_message_was_heard() {
    let central = CentralSite::open().await;
    let script = log_in().press("6").until_said(|prompt| *prompt == Prompt::EnterMailbox).press("2003#");
    let script = script.until_said(|prompt| *prompt == Prompt::EnterNextMailbox).press("#").until_ended(is_tone);
    let script = script.speak(SECOND * 3).press("#").until_said(is_menu).press("6");
    let script = script.until_said(|prompt| *prompt == Prompt::ReceiptRequested).press("1");
    let (_, transcript) = central.owner(script.until_said(|prompt| *prompt == Prompt::Sent).hang_up()).await;
    assert!(said(&transcript, &Prompt::Sent));

    let id = central.messages("2003").await[0].id();
    central.node.mailbox_service().unwrap().played(&mailbox("2003"), id).await.unwrap();
    assert_eq!(central.summary("2001").await.new, 1, "the lamp says that there is something to hear");

    let receipt = |prompt: &Prompt| matches!(prompt, Prompt::Receipt { .. });
    let (_, transcript) = central.owner(log_in().press("1").until_ended(receipt).until_said(is_menu).hang_up()).await;
    let heard: Vec<Prompt> = transcript.prompts().into_iter().filter(receipt).collect();
    let [Prompt::Receipt { disposition: Disposition::Played, mailbox: by, .. }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(*by, mailbox("2003"));
    assert!(!transcript.prompts().iter().any(super::is_play), "the silence of a receipt is not played");
    let summary = central.summary("2001").await;
    assert_eq!((summary.new, summary.old, central.summary("2003").await.new), (0, 1, 0));
}
