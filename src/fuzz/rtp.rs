//! [`rtp`]: the datagrams of a call.

use std::collections::HashSet;

use bytes::Bytes;

use crate::audio::rtp::{Packet, Received, RtpFormat, RtpReceiver};
#[cfg(feature = "node")]
use crate::audio::{Codec, Format, Timeline};

/// Reads bytes as the datagrams of a call, each behind its length in two bytes (RFC 4571), and places their sound in a recording.
///
/// A packet that can be read is written again and must then read the same. No event is reported twice, and no recording becomes larger than
/// it may be.
pub fn rtp(bytes: &[u8]) {
    let mut receiver = RtpReceiver::new(RtpFormat::new(0).with_events(101));
    let mut events = HashSet::new();
    let mut sounds = Vec::new();
    for datagram in datagrams(bytes).take(MAX_DATAGRAMS) {
        let packet = Packet::parse(&datagram);
        if let Ok(packet) = &packet {
            assert_eq!(Packet::parse(&packet.to_bytes()).as_ref(), Ok(packet), "a packet reads as it was written");
        }
        match receiver.handle(&datagram) {
            Received::Sound { payload, timestamp, source } => {
                assert!(!payload.is_empty(), "sound has samples");
                assert!(datagram.as_ptr_range().contains(&payload.as_ptr()), "payload is a part of its datagram");
                sounds.push((payload, timestamp, source));
            }
            Received::Event(code) => {
                let packet = packet.expect("an event comes in a packet");
                assert!(events.insert((packet.source, packet.timestamp, code)), "an event is reported once");
                assert!(!matches!(receiver.handle(&datagram), Received::Event(_)), "a duplicate is no event");
            }
            _ => {}
        }
    }
    #[cfg(feature = "node")]
    for format in [Format::TELEPHONE_PCMU, Format::new(Codec::L16, 8000, 2)] {
        record(format, &sounds);
    }
}

/// Places all sounds in a recording of limited size.
#[cfg(feature = "node")]
fn record(format: Format, sounds: &[(Bytes, u32, u32)]) {
    let (mut timeline, mut recorded, mut current) = (Timeline::new(format), Vec::new(), None);
    for (payload, timestamp, source) in sounds {
        if current.replace(source).is_some_and(|before| before != source) {
            timeline.restart_source();
        }
        let (before, room) = (recorded.len(), MAX_RECORDED - recorded.len());
        let added = timeline.place(&mut recorded, payload, *timestamp, room);
        assert_eq!(recorded.len(), before + added, "it says how much it added");
        assert!(added <= room, "a recording stays below its limit");
    }
}

fn datagrams(mut bytes: &[u8]) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk()?;
        let (datagram, rest) = rest.split_at(usize::from(u16::from_be_bytes(*len)).min(rest.len()));
        bytes = rest;
        Some(Bytes::copy_from_slice(datagram))
    })
}

/// How many datagrams are read: fewer than the events that a receiver remembers, so that none is forgotten.
const MAX_DATAGRAMS: usize = 32;
/// The largest size of a recording in bytes.
#[cfg(feature = "node")]
const MAX_RECORDED: usize = 65_536;
