//! SIPp calls the distributed PBX and speaks: the message arrives in the mailbox at the central one, and sounds as what was said.

use voicemail::audio::Codec;

use crate::running::{Running, installed};
use crate::sipp::Scenario;
use crate::sound::{correlation, samples, speech};

/// How a caller ends a call.
enum End {
    /// By hanging up.
    Bye,
    /// Without a word, as a telephone whose battery is empty.
    Gone,
}

async fn message_sounds_as_said(codec: Codec, end: End) {
    if !installed("sipp") {
        return;
    }
    let mut pbx = Running::start().await;
    // The key ends the greeting; the tone follows.
    let call = Scenario::call("+442079460112", "2010", codec, None).pause(1000).press_by_info("#", 2000);
    let call = call.speak(&speech(), pbx.folder());
    let call = if matches!(end, End::Bye) { call.hang_up() } else { call };
    call.run(pbx.kathmandu, pbx.folder()).await;
    pbx.wait_for("stored ");
    pbx.wait_for("lamp of 2010: 1/0");

    let message = pbx.messages("2010").await.remove(0);
    let caller = &message.head().caller;
    assert_eq!(caller.number.as_ref().unwrap().as_str(), "+442079460112");
    assert_eq!(caller.name.as_ref().unwrap().as_str(), "Anna Whitfield");
    let alike = correlation(&speech(), &samples(message.audio()));
    assert!(alike >= 0.99, "{alike}");
}

#[tokio::test]
async fn a_message_in_a_law_sounds_as_what_was_said() {
    message_sounds_as_said(Codec::Pcma, End::Bye).await;
}

#[tokio::test]
async fn a_message_in_mu_law_sounds_as_what_was_said() {
    message_sounds_as_said(Codec::Pcmu, End::Bye).await;
}

#[tokio::test]
async fn a_caller_who_vanishes_has_left_a_message() {
    message_sounds_as_said(Codec::Pcmu, End::Gone).await;
}
