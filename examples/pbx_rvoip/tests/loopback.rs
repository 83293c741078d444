//! A call of rvoip to itself, over UDP on this machine.

use std::time::Duration;

use pbx_rvoip::Answering;
use rvoip_sip::{AudioFrame, CallbackPeer, Config, StreamPeer};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use voicemail::call::{CallLeg, LegEvent, Playback, PlaybackId};

/// Configures a peer with these ports.
fn config(name: &str, sip: u16, media: u16) -> Config {
    let mut config = Config::local(name, sip);
    (config.media_port_start, config.media_port_end) = (media, media + 40);
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn sound_goes_both_ways_keys_count_once_and_the_end_comes() {
    let (told, mut events) = mpsc::unbounded_channel();
    let answering = Answering::new("127.0.0.1", move |mut leg, _from, to: String| {
        let told = told.clone();
        async move {
            assert!(to.contains("2001"), "{to}");
            leg.answer().await.unwrap();
            leg.listen(true);
            leg.play(Playback::new(PlaybackId::new(1), Vec::new(), std::iter::repeat_n(vec![9000; 160], 50)));
            loop {
                let event = leg.next().await;
                let is_end = matches!(event, LegEvent::HungUp);
                told.send(event).unwrap();
                if is_end {
                    break;
                }
            }
        }
    });
    let voicemail = Box::pin(CallbackPeer::new(answering, config("voicemail", 45_060, 45_100))).await.unwrap();
    tokio::spawn(voicemail.run());
    let telephone = Box::pin(StreamPeer::with_config(config("telephone", 45_062, 45_200))).await.unwrap();
    let call = telephone.invite("sip:2001@127.0.0.1:45060").send().await.unwrap();
    let call = telephone.coordinator().session(&call);
    let call = call.wait_for_answered(Some(Duration::from_secs(10))).await.unwrap();
    let (sender, mut receiver) = call.audio().await.unwrap().split();
    let heard = tokio::spawn(async move {
        let mut loud = 0;
        while let Some(frame) = receiver.recv().await {
            loud += frame.samples.iter().filter(|sample| **sample > 8000).count();
        }
        loud
    });
    for number in 0..60 {
        sender.send(AudioFrame::new(vec![5000; 160], 8000, 1, number * 160)).await.unwrap();
        match number {
            10 => call.send_info("application/dtmf-relay", b"Signal=6\r\nDuration=160\r\n").await.unwrap(),
            // The same key again, as some telephones send it.
            12 => call.send_dtmf('6').await.unwrap(),
            25 => call.send_dtmf('5').await.unwrap(),
            50 => call.send_info("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n").await.unwrap(),
            _ => {}
        }
        sleep(Duration::from_millis(20)).await;
    }
    call.hangup().await.unwrap();

    let (mut keys, mut loud, mut ended) = (String::new(), 0, 0);
    loop {
        match timeout(Duration::from_secs(10), events.recv()).await.expect("an event comes").expect("an end comes") {
            LegEvent::Digit(digit) => keys.push(digit.to_char()),
            LegEvent::Payload { payload, .. } => loud += payload.chunks(2).filter(|sample| sample[0] >= 0x10).count(),
            LegEvent::Ended(_) => ended += 1,
            LegEvent::HungUp => break,
            _ => {}
        }
    }
    assert_eq!((keys.as_str(), ended), ("65", 1));
    // rvoip loses some frames while the media begin.
    assert!((6400..=9600).contains(&loud), "{loud} samples of 9600");
    let loud = heard.await.unwrap();
    assert!((5600..=8000).contains(&loud), "{loud} samples of 8000");
}
