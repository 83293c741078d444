//! Sounds that are read while they are sent.

use std::io::{self, Read};
use std::sync::Arc;

use super::*;
use crate::message::AudioSource;

/// A sound that claims not to be in memory.
#[derive(Debug)]
struct Elsewhere {
    sound: Vec<u8>,
    /// The offset at which reading fails.
    broken_at: u64,
}

impl AudioSource for Elsewhere {
    fn size(&self) -> u64 {
        self.sound.len() as u64
    }

    fn reader(self: Arc<Self>) -> Box<dyn Read + Send> {
        let good = io::Cursor::new(self.sound.clone()).take(self.broken_at);
        if self.broken_at < self.sound.len() as u64 { Box::new(good.chain(Broken)) } else { Box::new(good) }
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("a bad sector"))
    }
}

/// Returns the same message, with a sound that is read while it is sent; reading fails at this offset.
pub(super) fn left_elsewhere(message: &Message, broken_at: u64) -> Message {
    let audio = message.audio();
    let source = Elsewhere { sound: audio.bytes().to_vec(), broken_at };
    Message::new(message.head().clone(), Audio::from_source(audio.media(), source, audio.digest()))
}

#[tokio::test(start_paused = true)]
async fn a_sound_read_while_it_is_sent_arrives_byte_for_byte() {
    for keywords in EXTENSION_SETS {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = in_plain_text(&peer);
        for bytes in [0, 1, 400_000, 400_001] {
            let message = message_of(bytes);
            assert_eq!(send(&forwarder, &left_elsewhere(&message, u64::MAX)).await.unwrap(), Outcome::Accepted);
            assert!(peer.kept("2041").last().unwrap().audio() == message.audio(), "{bytes} bytes, offering {keywords:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sound_that_cannot_be_read_to_its_end_is_not_delivered() {
    for keywords in EXTENSION_SETS {
        let peer = ScriptedPeer::offering(keywords);
        let forwarder = in_plain_text(&peer);
        let message = message_of(400_000);
        for broken_at in [0, 1, 200_000, 399_999] {
            let answer = send(&forwarder, &left_elsewhere(&message, broken_at)).await;
            assert_eq!(end(&answer), End::Transient, "{broken_at} offering {keywords:?}: {answer:?}");
            assert!(peer.kept("2041").is_empty(), "{broken_at} offering {keywords:?}");
        }
        assert_eq!(send(&forwarder, &message).await.unwrap(), Outcome::Accepted);
        assert_eq!(peer.kept("2041").len(), 1);
    }
}
