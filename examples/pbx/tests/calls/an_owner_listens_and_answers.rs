//! An owner calls by SIPp, with keys as RTP events or by INFO: hears a message, answers it, and records a greeting that the next caller
//! hears.

use voicemail::audio::Codec;

use crate::running::{PIN, Running, installed};
use crate::sipp::Scenario;
use crate::sound::{correlation, samples, short_speech, speech};
use crate::telephone::{Ear, Telephone};

/// How a telephone sends keys.
#[derive(Clone, Copy)]
enum Keys {
    Rtp,
    Info,
}

impl Keys {
    fn press(self, call: Scenario, keys: &str) -> Scenario {
        match self {
            Self::Rtp => call.press_by_rtp(keys),
            Self::Info => call.press_by_info(keys, 100),
        }
    }
}

async fn owner_listens_answers_and_greets(keys: Keys) {
    if !installed("sipp") {
        return;
    }
    let mut pbx = Running::start().await;
    pbx.leave_message();
    let (answer, greeting) = (part_of_speech(0), part_of_speech(3));

    let ear = Ear::new();
    let call = Scenario::call("2010", "*97", Codec::Pcma, Some(ear.address)).pause(1000);
    // The PIN; new messages: the envelope and the message are said in less than 20 s.
    let call = keys.press(keys.press(call, &format!("{PIN}#")), "1").pause(20_000);
    // Answer it; the prompt and the tone take less than 8 s, and the silence before speech may be 10 s.
    let call = keys.press(call, "9").pause(8000).speak(&answer, pbx.folder());
    // End the answer, and accept it.
    let call = keys.press(keys.press(call, "#").pause(1000), "1").pause(4000);
    // Back to the main menu; greetings, the normal one, record it.
    let call = keys.press(call, "*").pause(1000);
    let call =
        keys.press(keys.press(keys.press(call, "4").pause(500), "1").pause(500), "2").pause(8000).speak(&greeting, pbx.folder());
    let call = keys.press(keys.press(call, "#").pause(1000), "1").pause(3000).hang_up();
    call.run(pbx.london, pbx.folder()).await;

    let alike = correlation(&short_speech(), &ear.heard());
    assert!(alike >= 0.99, "the message, as its owner heard it: {alike}");
    let answers = pbx.messages("2002").await;
    assert_eq!(answers.len(), 1);
    let alike = correlation(&answer, &samples(answers[0].audio()));
    assert!(alike >= 0.99, "the answer: {alike}");
    pbx.wait_for("received ");
    let mut caller = Telephone::call(pbx.kathmandu, "2010", "0 101");
    caller.ear.wait_for_silence();
    let alike = correlation(&greeting, &caller.ear.heard());
    assert!(alike >= 0.99, "the greeting, as the next caller heard it: {alike}");
    caller.hang_up();
}

/// Returns 2 s of speech, from the second `from` on.
fn part_of_speech(from: usize) -> Vec<i16> {
    speech()[from * 8000..(from + 2) * 8000].to_vec()
}

#[tokio::test]
async fn an_owner_with_keys_by_rtp_listens_answers_and_greets() {
    owner_listens_answers_and_greets(Keys::Rtp).await;
}

#[tokio::test]
async fn an_owner_with_keys_by_info_listens_answers_and_greets() {
    owner_listens_answers_and_greets(Keys::Info).await;
}

#[tokio::test]
async fn an_owner_at_the_distributed_pbx_is_sent_to_the_central_one() {
    let pbx = Running::start().await;
    let answer = Telephone::refused(pbx.kathmandu, "*97", "0 101");
    assert!(answer.starts_with("SIP/2.0 302 "), "{answer}");
    assert!(answer.contains(&format!("Contact: <sip:*97@{}>", pbx.london)), "{answer}");
}
