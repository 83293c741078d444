//! Whole calls through an [`RtpReceiver`].

use bytes::Bytes;
use proptest::prelude::*;

use super::{Packet, Received, RtpError, RtpFormat, RtpReceiver, RtpSender};

const SOUND: u8 = 0;
const EVENT: u8 = 101;
const SOURCE: u32 = 0x1234_5678;

fn receiver() -> RtpReceiver {
    RtpReceiver::new(RtpFormat::new(SOUND).with_events(EVENT))
}

/// One packet of a telephone event.
fn event(source: u32, sequence: u16, timestamp: u32, code: u8, flags: u8, duration: u16) -> Bytes {
    let [high, low] = duration.to_be_bytes();
    Packet::new(EVENT, sequence, timestamp, source, Bytes::from(vec![code, flags, high, low])).to_bytes()
}

/// The codes of all events that are reported.
fn events<'a>(receiver: &mut RtpReceiver, datagrams: impl IntoIterator<Item = &'a Bytes>) -> Vec<u8> {
    let reported = datagrams.into_iter().map(|datagram| receiver.handle(datagram));
    reported.filter_map(|received| if let Received::Event(code) = received { Some(code) } else { None }).collect()
}

#[test]
fn sound_is_handed_on_without_a_copy() {
    let datagram = RtpSender::new(SOUND, SOURCE, 1, 160).packet(b"sound", 5);
    let Received::Sound { payload, timestamp, source } = receiver().handle(&datagram) else { panic!("sound") };
    assert_eq!((timestamp, source), (160, SOURCE));
    assert_eq!(payload.as_ptr(), datagram[12..].as_ptr());
}

#[test]
fn each_kind_of_datagram_is_known() {
    let packet = |payload_type, payload| Packet::new(payload_type, 1, 1, 1, Bytes::from_static(payload)).to_bytes();
    let kinds: [(Bytes, Received); 10] = [
        (packet(13, b"\x40"), Received::ComfortNoise),
        (packet(97, b"\x01\x02\x03\x04"), Received::Other),
        (packet(SOUND, b""), Received::Other),
        (packet(EVENT, b"\x05\x0a\x00\xa0"), Received::Event(5)),
        (packet(EVENT, b"\x05\x0a\x00"), Received::Malformed(RtpError::Event { len: 3 })),
        (Bytes::from_static(b"\x80\xc8\0\x06"), Received::Rtcp),
        (Bytes::from_static(b"\x81\xcb\0\x01\0\0\0\x01"), Received::Rtcp),
        (Bytes::from_static(b"\x80\xdf"), Received::Rtcp),
        (Bytes::from_static(b"\x80\xe0"), Received::Malformed(RtpError::CutShort { len: 2 })),
        (Bytes::from_static(b"\x00\xc8"), Received::Malformed(RtpError::Version(0))),
    ];
    for (datagram, kind) in kinds {
        assert_eq!(receiver().handle(&datagram), kind, "{datagram:?}");
    }
}

#[test]
fn comfort_noise_may_have_another_type_or_none() {
    let noise = Packet::new(13, 1, 1, 1, Bytes::from_static(b"\x40"));
    let mut without = RtpReceiver::new(RtpFormat::new(SOUND).with_comfort_noise(None));
    assert_eq!(without.handle_packet(noise.clone()), Received::Other);
    let mut moved = RtpReceiver::new(RtpFormat::new(SOUND).with_comfort_noise(Some(98)));
    assert_eq!(moved.handle_packet(Packet { payload_type: 98, ..noise }), Received::ComfortNoise);
}

/// As `play_dtmf` of `SIPp` sends them: another source than the sound, and timestamps that overlap.
#[test]
fn sipp_digits_count_although_their_times_overlap() {
    let mut receiver = receiver();
    let mut heard = Vec::new();
    for (number, code) in [2, 4, 11].into_iter().enumerate() {
        let number = u16::try_from(number).unwrap();
        for step in 0..13 {
            let flags = if step >= 10 { 0x8a } else { 0x0a } | if step % 3 == 0 { 0x40 } else { 0 };
            let datagram = event(0x0102_0304, number * 13 + step, 1000 + u32::from(number) * 400, code, flags, step * 160);
            heard.extend(events(&mut receiver, [&datagram]));
            let unknown = Packet::new(97, step, 0, 99, Bytes::from_static(b"?")).to_bytes();
            assert_eq!(receiver.handle(&unknown), Received::Other);
        }
    }
    assert_eq!(heard, [2, 4, 11]);
}

/// As in the captures that `SIPp` ships: the three last packets have one sequence number.
#[test]
fn last_packets_with_one_sequence_number_are_one_event() {
    let packets: Vec<_> =
        (0..10_u16).map(|step| event(9, step.min(7), 800, 5, if step >= 7 { 0x8a } else { 0x0a }, step * 160)).collect();
    assert_eq!(events(&mut receiver(), &packets), [5]);
}

#[test]
fn an_event_counts_at_whichever_packet_comes_first() {
    let packets: Vec<_> = (0..6).map(|step| event(9, step, 800, 5, if step >= 3 { 0x80 } else { 0 }, step * 160)).collect();
    for lost in 0..packets.len() {
        assert_eq!(events(&mut receiver(), &packets[lost..]), [5], "the first {lost} are lost");
    }
}

#[test]
fn one_key_twice_is_two_events_also_when_the_first_never_ended() {
    for flags in [0, 0x80] {
        assert_eq!(events(&mut receiver(), &[event(9, 1, 800, 5, flags, 160), event(9, 2, 2400, 5, 0, 160)]), [5, 5]);
        // As long after the first as one segment lasts: another key.
        assert_eq!(events(&mut receiver(), &[event(9, 1, 800, 5, flags, 160), event(9, 2, 66_335, 6, 0, 160)]), [5, 6]);
    }
}

#[test]
fn a_key_held_for_25_seconds_is_one_event_in_any_order() {
    let begin = u32::MAX - 100;
    let segments: Vec<_> = (0..4_u16)
        .map(|number| {
            let flags = if number == 3 { 0x80 } else { 0 };
            event(9, number, begin.wrapping_add(u32::from(number) * 0xffff), 8, flags, 160)
        })
        .collect();
    assert_eq!(events(&mut receiver(), &segments), [8]);
    assert_eq!(events(&mut receiver(), [1, 0, 2, 3].map(|number| &segments[number])), [8]);
    assert_eq!(events(&mut receiver(), segments.iter().rev()), [8]);
}

#[test]
fn a_key_pressed_again_after_eight_seconds_is_two_events() {
    let packets = [event(9, 1, 0, 8, 0, 160), event(9, 2, 0, 8, 0x80, 320), event(9, 3, 0xffff, 8, 0, 160)];
    assert_eq!(events(&mut receiver(), &packets), [8, 8]);
}

#[test]
fn a_key_pressed_again_right_after_a_long_one_is_two_events() {
    let held = [event(9, 1, 400, 8, 0, 160), event(9, 2, 400 + 0xffff, 8, 0, 160), event(9, 3, 400 + 0xffff, 8, 0x80, 320)];
    let again = event(9, 4, 800 + 0xffff, 8, 0x80, 160);
    assert_eq!(events(&mut receiver(), held.iter().chain([&again])), [8, 8]);
    assert_eq!(events(&mut receiver(), [&held[0], &again, &held[1], &held[2]]), [8, 8], "in another order");
}

#[test]
fn debug_shows_neither_sound_nor_keys() {
    let (sound, key) = (RtpSender::new(SOUND, SOURCE, 1, 1).packet(b"sound", 5), event(9, 1, 0, 8, 0, 160));
    let shown = [sound, key].map(|datagram| format!("{:?}", receiver().handle(&datagram)));
    assert_eq!(shown, ["Sound(5 bytes, timestamp 1, source 12345678)", "Event(..)"]);
}

/// One press of a key, as a sender may send it.
#[derive(Debug, Clone)]
struct Press {
    code: u8,
    /// From the beginning of the press before.
    after: u32,
    /// How many times the duration was too long for one segment.
    full_segments: u32,
    packets: u16,
    has_one_sequence_at_end: bool,
    reserved_bits: u8,
}

fn press() -> impl Strategy<Value = Press> {
    (0..16_u8, 400..9000_u32, prop_oneof![9 => Just(0), 1 => 1..3_u32], 4..12_u16, any::<bool>(), any::<u8>()).prop_map(
        |(code, after, full_segments, packets, has_one_sequence_at_end, reserved_bits)| Press {
            code,
            after,
            full_segments,
            packets,
            has_one_sequence_at_end,
            reserved_bits,
        },
    )
}

/// Any timestamp; half of them wrap during the call.
fn first_timestamp() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), u32::MAX - 10_000..=u32::MAX]
}

/// A packet, the segment that it belongs to, and when it is sent, in samples.
#[derive(Debug, Clone)]
struct Sent {
    segment: usize,
    at: u64,
    datagram: Bytes,
}

fn packets(presses: &[Press], source: u32, first: u32) -> Vec<Sent> {
    let (mut at, mut sequence, mut segment) = (u64::from(first), 0_u16, 0);
    let mut packets = Vec::new();
    for press in presses {
        at += u64::from(press.after);
        for number in 0..=press.full_segments {
            let is_last = number == press.full_segments;
            for step in 0..press.packets {
                let is_end = is_last && step + 3 >= press.packets;
                let flags = if is_end { 0x80 } else { 0 } | (press.reserved_bits.rotate_left(u32::from(step)) & 0x7f);
                if !(is_end && press.has_one_sequence_at_end) {
                    sequence = sequence.wrapping_add(1);
                }
                let timestamp = u32::try_from(at & u64::from(u32::MAX)).unwrap();
                let datagram = event(source, sequence, timestamp, press.code, flags, step * 160);
                packets.push(Sent { segment, at: at + u64::from(step) * 160, datagram });
            }
            segment += 1;
            if !is_last {
                at += 0xffff;
            }
        }
    }
    packets
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Loss leaves at least one packet of each segment; packets come up to 160 ms late, some of them twice.
    #[test]
    fn every_key_counts_once_on_a_bad_line(
        presses in prop::collection::vec(press(), 1..12),
        source: u32,
        first in first_timestamp(),
        fates in prop::collection::vec((any::<bool>(), any::<bool>(), 0..=8_u64), 1..64),
    ) {
        let sent = packets(&presses, source, first);
        let mut arrived: Vec<(u64, &Sent)> = Vec::new();
        for (place, packet) in sent.iter().enumerate() {
            let (is_lost, is_doubled, late) = fates[place % fates.len()];
            let is_last_of_segment = sent.get(place + 1).is_none_or(|next| next.segment != packet.segment);
            let was_heard = arrived.iter().any(|(_, arrived)| arrived.segment == packet.segment);
            if !is_lost || (is_last_of_segment && !was_heard) {
                arrived.push((packet.at + late * 160, packet));
                if is_doubled {
                    arrived.push((packet.at + late * 80, packet));
                }
            }
        }
        arrived.sort_by_key(|(at, _)| *at);
        let mut receiver = receiver();
        let mut heard = events(&mut receiver, arrived.iter().map(|(_, packet)| &packet.datagram));
        let mut pressed: Vec<_> = presses.iter().map(|press| press.code).collect();
        heard.sort_unstable();
        pressed.sort_unstable();
        prop_assert_eq!(heard, pressed);
    }

    #[test]
    fn keys_keep_their_order_on_a_good_line(presses in prop::collection::vec(press(), 1..12), source: u32, first in first_timestamp()) {
        let sent = packets(&presses, source, first);
        let heard = events(&mut receiver(), sent.iter().map(|packet| &packet.datagram));
        prop_assert_eq!(heard, presses.iter().map(|press| press.code).collect::<Vec<_>>());
    }
}
