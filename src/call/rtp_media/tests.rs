use super::*;
use crate::call::PlaybackId;

/// Two ends of a call on this machine: the media, and a bare socket with the media's address.
async fn ends() -> (RtpMedia, UdpSocket, SocketAddr) {
    let (here, there) = (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let (address, remote) = (here.local_addr().unwrap(), there.local_addr().unwrap());
    let mut media = RtpMedia::new(here, Codec::Pcmu, RtpFormat::new(0).with_events(101), 8000);
    media.send_to(remote);
    (media, there, address)
}

fn playback(id: u64, frames: usize) -> Playback {
    Playback::new(PlaybackId::new(id), Vec::new(), std::iter::repeat_n(vec![1000; 160], frames))
}

async fn next(media: &mut RtpMedia) -> LegEvent {
    tokio::time::timeout(Duration::from_secs(10), media.next()).await.expect("an event comes")
}

/// The datagrams that have come to `socket`.
fn arrived(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut datagram = [0; LARGEST];
    let mut read = || socket.try_recv(&mut datagram).ok().map(|length| datagram[..length].to_vec());
    std::iter::from_fn(&mut read).collect()
}

#[tokio::test]
async fn a_playback_is_sent_in_real_time_and_ends_once() {
    let (mut media, there, _) = ends().await;
    let began = Instant::now();
    media.play(playback(7, 10));
    assert!(matches!(next(&mut media).await, LegEvent::Ended(id) if id == PlaybackId::new(7)));
    assert!(began.elapsed() >= 9 * FRAME, "{:?}", began.elapsed());
    there.readable().await.unwrap();
    let packets = arrived(&there);
    assert_eq!(packets.len(), 10);
    assert!(packets.iter().all(|packet| packet.len() == 172 && packet[12..] == [0xce; 160]));
    let another = tokio::time::timeout(Duration::from_millis(50), media.next()).await;
    assert!(another.is_err(), "{another:?}");
}

#[tokio::test]
async fn a_shorter_packet_is_a_part_of_a_frame() {
    let (mut media, there, _) = ends().await;
    media.max_packet(Duration::from_millis(10));
    media.play(playback(1, 1));
    next(&mut media).await;
    there.readable().await.unwrap();
    assert_eq!(arrived(&there).iter().map(Vec::len).collect::<Vec<_>>(), [92, 92]);
}

#[tokio::test]
async fn what_is_stopped_neither_sounds_nor_ends() {
    let (mut media, there, address) = ends().await;
    media.play(playback(1, 10));
    media.stop();
    let key = b"\x80\x65\0\x01\0\0\0\0\0\0\0\x01\x05\0\0\xa0";
    there.send_to(key, address).await.unwrap();
    assert!(matches!(next(&mut media).await, LegEvent::Digit(Digit::Five)));
    assert_eq!(media.signalled_key(Digit::Five), None);
    assert!(arrived(&there).is_empty());
}

#[tokio::test]
async fn a_key_that_comes_in_the_signalling_too_is_one_key() {
    let (mut media, there, address) = ends().await;
    let key = |code: u8, number: u8| {
        [&b"\x80\x65\0"[..], &[number], b"\0\0\0", &[number], b"\0\0\0\x01", &[code], b"\x05\0\xa0"].concat()
    };
    assert_eq!(media.signalled_key(Digit::Five), Some(Digit::Five), "the signalling is first");
    for (code, number) in [(5, 1), (5, 2), (6, 3)] {
        there.send_to(&key(code, number), address).await.unwrap();
    }
    for wanted in [Digit::Five, Digit::Six] {
        assert!(matches!(next(&mut media).await, LegEvent::Digit(digit) if digit == wanted), "the second 5 was pressed again");
        assert_eq!(media.signalled_key(wanted), None, "the signalling is second");
    }
}

#[tokio::test]
async fn sound_is_reported_only_when_it_is_wanted() {
    let (mut media, there, address) = ends().await;
    let mut sender = RtpSender::new(0, 9, 1, 800);
    let mut send = async |key: bool| {
        there.send_to(&sender.packet(&[0x55; 160], 160), address).await.unwrap();
        if key {
            there.send_to(b"\x80\x65\0\x01\0\0\0\x07\0\0\0\x01\x0b\0\0\xa0", address).await.unwrap();
        }
    };
    send(true).await;
    assert!(matches!(next(&mut media).await, LegEvent::Digit(Digit::Pound)));
    media.listen(true);
    send(false).await;
    assert!(
        matches!(next(&mut media).await, LegEvent::Payload { timestamp: 960, source: 9, payload } if payload == [0x55; 160][..])
    );
    media.hold(true);
    send(false).await;
    media.play(playback(1, 1));
    assert!(tokio::time::timeout(3 * FRAME, media.next()).await.is_err());
    media.hold(false);
    assert!(matches!(next(&mut media).await, LegEvent::Ended(_)));
}

#[tokio::test]
async fn sound_goes_to_where_it_comes_from_behind_a_nat() {
    let (mut media, there, address) = ends().await;
    media.send_to("192.0.2.1:4000".parse().unwrap());
    media.listen(true);
    there.send_to(&RtpSender::new(0, 9, 1, 0).packet(&[0x55; 160], 160), address).await.unwrap();
    assert!(matches!(next(&mut media).await, LegEvent::Payload { .. }));
    media.play(playback(1, 1));
    assert!(matches!(next(&mut media).await, LegEvent::Ended(_)));
    there.readable().await.unwrap();
    assert_eq!(arrived(&there).len(), 1);
}

#[tokio::test]
async fn a_stranger_neither_gets_the_sound_nor_presses_keys() {
    let (mut media, there, address) = ends().await;
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let key = |code: u8| [b"\x80\x65\0\x01\0\0\0", &[code][..], b"\0\0\0\x01", &[code], b"\0\0\xa0"].concat();
    there.send_to(&key(1), address).await.unwrap();
    assert!(matches!(next(&mut media).await, LegEvent::Digit(Digit::One)));
    stranger.send_to(&key(7), address).await.unwrap();
    there.send_to(&key(2), address).await.unwrap();
    assert!(matches!(next(&mut media).await, LegEvent::Digit(Digit::Two)));
    media.play(playback(1, 1));
    assert!(matches!(next(&mut media).await, LegEvent::Ended(_)));
    there.readable().await.unwrap();
    assert_eq!((arrived(&there).len(), arrived(&stranger).len()), (1, 0));
}

#[tokio::test]
async fn the_signalled_address_takes_the_sound_back_from_a_stranger() {
    let (mut media, there, address) = ends().await;
    let stranger = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    let mut sender = RtpSender::new(0, 9, 1, 0);
    media.listen(true);
    for socket in [&stranger, &there, &stranger, &there] {
        socket.send_to(&sender.packet(&[0x55; 160], 160), address).await.unwrap();
    }
    for timestamp in [0, 160, 480] {
        let event = next(&mut media).await;
        assert!(matches!(event, LegEvent::Payload { timestamp: at, .. } if at == timestamp), "{event:?}");
    }
    media.play(playback(1, 1));
    assert!(matches!(next(&mut media).await, LegEvent::Ended(_)));
    there.readable().await.unwrap();
    assert_eq!((arrived(&there).len(), arrived(&stranger).len()), (1, 0));
}
