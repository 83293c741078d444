//! [`RtpMedia`]: the sound of a call as RTP on a UDP socket.

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::UdpSocket;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{LegEvent, Playback};
use crate::audio::rtp::{Received, RtpFormat, RtpReceiver, RtpSender};
use crate::audio::{Codec, Format, encode};
use crate::telephone::Digit;

/// The sound of one call as RTP on a UDP socket: the half of a [`CallLeg`](super::CallLeg) that is the same for every PBX whose SIP stack
/// leaves RTP to it.
///
/// A leg passes [`play`](Self::play), [`stop`](Self::stop) and [`listen`](Self::listen) on, and waits in its `next` for
/// [`next`](Self::next) and for its own signalling. Frames of a playback are sent when they are due, which needs `next` to be waited for.
///
/// - **Sent to.** Sound goes to the address of [`send_to`](Self::send_to). If the first packets come from another host, that address is behind
///   a NAT, and sound goes to where they come from.
/// - **From strangers.** Once a host was heard, packets of others are dropped, except those of the host in `send_to`, which always counts. So
///   nobody else gets the sound of a call that goes on, or presses keys in it.
/// - **Keys.** A key is reported once, as an event of RFC 4733. Some telephones send it a second time in the signalling, earlier or later;
///   [`signalled_key`](Self::signalled_key) says whether that one counts.
/// - **Hold.** While the call is [held](Self::hold), playback pauses, and sound that comes is not reported.
///
/// ```no_run
/// use tokio::net::UdpSocket;
/// use voicemail::audio::Codec;
/// use voicemail::audio::rtp::RtpFormat;
/// use voicemail::call::RtpMedia;
///
/// # async fn media() -> std::io::Result<()> {
/// let socket = UdpSocket::bind("192.0.2.1:0").await?; // its port is in the SDP
/// let mut media = RtpMedia::new(socket, Codec::Pcma, RtpFormat::new(8).with_events(101), 8000);
/// media.send_to("198.51.100.7:4000".parse().expect("an address"));
/// let event = media.next().await;
/// # Ok(())
/// # }
/// ```
///
/// # Source
///
/// RFC 3550, RFC 3551, RFC 4733; RFC 4961 for one port in both directions.
pub struct RtpMedia {
    socket: UdpSocket,
    format: Format,
    receiver: RtpReceiver,
    sender: RtpSender,
    /// The address in the offer or answer.
    signalled: Option<SocketAddr>,
    /// The host whose packets are read, once one was heard.
    heard: Option<IpAddr>,
    /// Where sound is sent.
    remote: Option<SocketAddr>,
    /// The sound in one packet, in samples.
    packet: u32,
    playing: Option<Playback>,
    due: tokio::time::Interval,
    last_sent: Instant,
    last_alive: Instant,
    listening: bool,
    held: bool,
    key_events: bool,
    /// The last key that came in the signalling, and when.
    signalled_key: Option<(Digit, Instant)>,
    datagram: BytesMut,
}

impl RtpMedia {
    /// Returns the sound of a call on `socket`. The payload types are those of its SDP; the sound has one channel and `rate` samples a
    /// second.
    pub fn new(socket: UdpSocket, codec: Codec, types: RtpFormat, rate: u32) -> Self {
        let mut due = interval(FRAME);
        // A frame that is sent late moves no later one: the other end plays them at one rate.
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self {
            socket,
            format: Format::new(codec, rate, 1),
            receiver: RtpReceiver::new(types),
            sender: RtpSender::random(types.payload_type),
            signalled: None,
            heard: None,
            remote: None,
            packet: samples(FRAME, rate).max(1),
            playing: None,
            due,
            last_sent: Instant::now(),
            last_alive: Instant::now(),
            listening: false,
            held: false,
            key_events: false,
            signalled_key: None,
            datagram: BytesMut::with_capacity(LARGEST),
        }
    }

    /// Returns the format of the sound.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Sets the address for sound, from an offer or answer. Without one, sound goes to where the first packet comes from.
    pub fn send_to(&mut self, remote: SocketAddr) {
        (self.signalled, self.heard, self.remote) = (Some(remote), None, Some(remote));
    }

    /// Sets the longest sound in a packet, the `maxptime` of an SDP, if it is less than 20 ms.
    pub fn max_packet(&mut self, longest: Duration) {
        self.packet = samples(longest.clamp(SHORTEST, FRAME), self.format.rate).max(1);
    }

    /// Sets whether the other end has put the call on hold.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
        self.due.reset();
    }

    /// Takes in a key that came in the signalling, as a SIP INFO; returns it unless the same key comes as an event.
    ///
    /// Once a key has come as an event, all keys in the signalling are repetitions. The first one may come in the signalling first: then the
    /// event that follows within a second is the repetition.
    pub fn signalled_key(&mut self, digit: Digit) -> Option<Digit> {
        if self.key_events {
            return None;
        }
        self.signalled_key = Some((digit, Instant::now()));
        Some(digit)
    }

    /// Plays `playback` in place of what is played.
    pub fn play(&mut self, playback: Playback) {
        if self.playing.replace(playback).is_none() {
            self.due.reset_immediately();
        }
    }

    /// Plays nothing more.
    pub fn stop(&mut self) {
        self.playing = None;
    }

    /// Sets whether sound that comes is reported.
    pub fn listen(&mut self, on: bool) {
        self.listening = on;
    }

    /// Waits for the next key, for sound, or for the end of a playback, and sends what is played.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost no event.
    pub async fn next(&mut self) -> LegEvent {
        loop {
            let plays = self.playing.is_some() && !self.held;
            let event = tokio::select! {
                _ = self.due.tick(), if plays => self.send_frame(),
                received = self.socket.recv_buf_from(&mut self.datagram) => self.handle(received),
            };
            if let Some(event) = event {
                return event;
            }
        }
    }

    fn handle(&mut self, received: io::Result<(usize, SocketAddr)>) -> Option<LegEvent> {
        // An error is an ICMP message about an earlier packet, of which the other end says more in its signalling.
        let (_, from) = received.ok()?;
        let datagram = self.datagram.split().freeze();
        self.datagram.reserve(LARGEST);
        let signalled = self.signalled.filter(|signalled| signalled.ip() == from.ip());
        if signalled.is_none() && self.heard.is_some_and(|heard| heard != from.ip()) {
            return None;
        }
        let received = self.receiver.handle(&datagram);
        let is_sound = matches!(received, Received::Sound { .. } | Received::Event(_) | Received::ComfortNoise);
        if is_sound && self.heard != Some(from.ip()) {
            (self.heard, self.remote) = (Some(from.ip()), Some(signalled.unwrap_or(from)));
        }
        match received {
            Received::Sound { payload, timestamp, source } if self.listening && !self.held => {
                Some(LegEvent::Payload { payload, timestamp, source })
            }
            Received::Event(code) => {
                self.key_events = true;
                let signalled = self.signalled_key.take();
                let is_repeated = |digit: &Digit| signalled.is_some_and(|(key, at)| key == *digit && at.elapsed() < SAME_KEY);
                Digit::from_event(code).filter(|digit| !is_repeated(digit)).map(LegEvent::Digit)
            }
            Received::ComfortNoise | Received::Rtcp if self.last_alive.elapsed() >= ALIVE => {
                self.last_alive = Instant::now();
                Some(LegEvent::Alive)
            }
            _ => None,
        }
    }

    /// Sends the next frame of the playback, or reports its end.
    fn send_frame(&mut self) -> Option<LegEvent> {
        let Some(frame) = self.playing.as_mut()?.next() else {
            return self.playing.take().map(|playback| LegEvent::Ended(playback.id()));
        };
        let silence = self.last_sent.elapsed();
        if silence > 3 * FRAME {
            self.sender.skip(samples(silence.saturating_sub(FRAME), self.format.rate));
        }
        self.last_sent = Instant::now();
        for part in frame.chunks(self.packet as usize) {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let packet = self.sender.packet(&encode(self.format.codec, part), length);
            if let Some(remote) = self.remote {
                // A packet that the network does not take now would come too late.
                let _ = self.socket.try_send_to(&packet, remote);
            }
        }
        None
    }
}

impl fmt::Debug for RtpMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpMedia").field("format", &self.format).field("playing", &self.playing).finish_non_exhaustive()
    }
}

fn samples(length: Duration, rate: u32) -> u32 {
    u32::try_from(length.as_millis() * u128::from(rate) / 1000).unwrap_or(u32::MAX)
}

/// How often a sign of life without sound is reported.
const ALIVE: Duration = Duration::from_secs(1);
/// The length of the frames of a playback.
const FRAME: Duration = Duration::from_millis(20);
/// An event that comes within this time after the same key in the signalling is that key.
const SAME_KEY: Duration = Duration::from_secs(1);
/// The shortest sound that a packet is cut to.
const SHORTEST: Duration = Duration::from_millis(5);
/// The largest datagram that is read; RTP fits into an Ethernet frame.
const LARGEST: usize = 2048;
