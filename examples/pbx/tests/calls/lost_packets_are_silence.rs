//! A telephone whose packets are lost, doubled and out of order: each that arrives is at its place in the message, the others are silence.

use std::thread;
use std::time::{Duration, Instant};

use voicemail::audio::rtp::RtpSender;
use voicemail::audio::{Codec, Wav, encode};
use voicemail::bytes::Bytes;

use crate::running::Running;
use crate::sound::speech;
use crate::telephone::Telephone;

#[tokio::test]
async fn each_packet_that_arrives_is_at_its_place() {
    let mut pbx = Running::start().await;
    let mut telephone = Telephone::call(pbx.kathmandu, "2010", "8 101");
    telephone.ear.wait_for_silence();
    let sound = encode(Codec::Pcma, &speech());
    let packets: Vec<&[u8]> = sound.chunks_exact(160).collect();
    let lost = |index: usize| index % 20 == 7 || index == 101;
    send(&telephone, &packets, lost);
    telephone.press('#');
    telephone.hang_up();
    pbx.wait_for("stored ");

    let message = pbx.messages("2010").await.remove(0);
    let wav = Wav::parse(message.audio().bytes()).unwrap();
    assert_eq!(wav.format.codec, Codec::Pcma);
    let recorded = &message.audio().bytes()[wav.data];
    // A recording that a key ends is cut by 100 ms.
    assert!(recorded.len() / 160 + 6 >= packets.len(), "{} of {} packets", recorded.len() / 160, packets.len());
    for (index, heard) in recorded.chunks_exact(160).enumerate() {
        let expected = if lost(index) { &[Codec::Pcma.silence(); 160][..] } else { packets[index] };
        assert!(heard == expected, "packet {index}, which was {}", if lost(index) { "lost" } else { "not lost" });
    }
}

/// Sends a packet each 20 ms; one of 20 is lost, one of 10 comes two packets too late, and one of 15 comes twice.
fn send(telephone: &Telephone, packets: &[&[u8]], lost: impl Fn(usize) -> bool) {
    let mut sender = RtpSender::new(8, 0x0102_0304, 65_500, 0xffff_f000);
    let datagrams: Vec<Bytes> = packets.iter().map(|packet| sender.packet(packet, 160)).collect();
    let mut order: Vec<usize> = (0..datagrams.len()).collect();
    (5..order.len() - 2).step_by(10).for_each(|late| order[late..late + 3].rotate_left(1));
    let began = Instant::now();
    for (sent, index) in order.into_iter().enumerate() {
        let copies = if lost(index) { 0 } else { 1 + usize::from(index % 15 == 3) };
        for _ in 0..copies {
            telephone.ear.socket.send_to(&datagrams[index], telephone.sound).unwrap();
        }
        let due = began + Duration::from_millis(20) * u32::try_from(sent + 1).unwrap();
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
}
