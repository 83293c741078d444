//! [`CallLeg`]: one call of a PBX, as this crate uses it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;

use super::{CallRefusal, Playback, PlaybackId, TransferError, TransferTarget};
use crate::audio::Format;
use crate::message::Audio;
use crate::telephone::Digit;

/// One call of a PBX: the sound in both directions, the keys that are pressed, and the signals that begin and end the call.
///
/// One task owns a leg and calls its methods one after the other. The leg has the clock of the sound: it takes the next frame of a
/// [`Playback`] when that frame is due, and reports what arrives as it arrives.
///
/// # Contract
///
/// - **Answered once.** The first call of a leg is [`answer`](Self::answer) or [`refuse`](Self::refuse); a refused leg is not used again.
/// - **Nothing lost.** A dropped [`next`](Self::next) has lost no event: the next call returns it.
/// - **In order.** Events are returned in the order in which they happened. Sound that was heard before a key was pressed comes before
///   that key.
/// - **Each key once.** A key that is pressed is one [`LegEvent::Digit`], as early as it is known, whether sound is wanted or not.
/// - **One playback.** [`play`](Self::play) replaces what was played before. [`LegEvent::Ended`] comes once for each playback whose last
///   frame was played, and never for one that was replaced or stopped before its end.
/// - **Silent at once.** After [`stop`](Self::stop), the other end hears nothing more of what was played.
/// - **Only wanted sound.** Sound is reported only between `listen(true)` and `listen(false)`.
/// - **The end stays the end.** After the call has ended, by either side, each call of `next` returns [`LegEvent::HungUp`] at once, and
///   all other methods have no effect.
#[async_trait]
pub trait CallLeg: Send {
    /// Returns the format of the sound in [`LegEvent`]s. It stays the same for the whole call, and its rate is that of the frames to play.
    ///
    /// A leg that reports [`LegEvent::Samples`] has the codec [`L16`](crate::audio::Codec::L16).
    fn format(&self) -> Format;

    /// Returns whether sound is reported while it is heard. If not, the leg records to a file by itself from `listen(true)` on, and reports it
    /// as one [`LegEvent::Wav`] after `listen(false)`, or earlier when it has ended the recording by itself. When the other end hangs up, the
    /// recording is reported before [`LegEvent::HungUp`]; a call that is dropped has no recording.
    ///
    /// A leg that records to files finds silence by itself, as the driver cannot.
    fn hears_live(&self) -> bool {
        true
    }

    /// Answers the call; in SIP, with status 200.
    ///
    /// # Errors
    ///
    /// [`LegClosed`] when the call has ended already.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has answered or not. The leg is dropped, too, which ends the call.
    async fn answer(&mut self) -> Result<(), LegClosed>;

    /// Refuses the call instead of answering it; in SIP, with [`CallRefusal::status_code`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has refused the call or not. The leg is dropped, too, which ends the call.
    async fn refuse(&mut self, refusal: CallRefusal);

    /// Waits for the next event of the call.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has lost no event; it is dropped and called again many times a second.
    async fn next(&mut self) -> LegEvent;

    /// Plays the frames of `playback` from now on, in place of what is played. Never waits.
    fn play(&mut self, playback: Playback);

    /// Plays nothing more. Never waits.
    fn stop(&mut self);

    /// Sets whether sound is wanted. Digits are reported in any case.
    fn listen(&mut self, on: bool);

    /// Ends the call. A leg that cannot end it at once gives up after some seconds.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has ended the call or not. The leg is dropped, too, which ends the call.
    async fn hang_up(&mut self);

    /// Connects the other end to `to`; after `Ok`, the call is no longer this leg's, and the leg is dropped.
    ///
    /// A leg that cannot do this need not implement it.
    ///
    /// # Errors
    ///
    /// A [`TransferError`]; the call goes on as before.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has transferred the call or not.
    async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
        let _ = to;
        Err(TransferError::NotSupported)
    }
}

/// Implements [`CallLeg`] for a boxed leg or a borrowed one, by passing every call on.
macro_rules! delegate {
    ($wrapper:ty) => {
        #[async_trait]
        #[deny(clippy::missing_trait_methods)]
        impl<L: CallLeg + ?Sized> CallLeg for $wrapper {
            fn format(&self) -> Format {
                (**self).format()
            }

            fn hears_live(&self) -> bool {
                (**self).hears_live()
            }

            async fn answer(&mut self) -> Result<(), LegClosed> {
                (**self).answer().await
            }

            async fn refuse(&mut self, refusal: CallRefusal) {
                (**self).refuse(refusal).await;
            }

            async fn next(&mut self) -> LegEvent {
                (**self).next().await
            }

            fn play(&mut self, playback: Playback) {
                (**self).play(playback);
            }

            fn stop(&mut self) {
                (**self).stop();
            }

            fn listen(&mut self, on: bool) {
                (**self).listen(on);
            }

            async fn hang_up(&mut self) {
                (**self).hang_up().await;
            }

            async fn transfer(&mut self, to: &TransferTarget) -> Result<(), TransferError> {
                (**self).transfer(to).await
            }
        }
    };
}

delegate!(Box<L>);
delegate!(&mut L);

/// An event on a [`CallLeg`].
#[derive(Clone)]
#[non_exhaustive]
pub enum LegEvent {
    /// A key was pressed.
    Digit(Digit),
    /// The payload of one RTP packet was heard, in the leg's [`format`](CallLeg::format).
    Payload {
        /// The payload, without the RTP header.
        payload: Bytes,
        /// The RTP timestamp of its first frame.
        timestamp: u32,
        /// The RTP source (SSRC). When it changes, the timestamps start anew.
        source: u32,
    },
    /// These samples were heard, right after those before: any number of them; several channels are interleaved.
    Samples(Vec<i16>),
    /// The recording of a leg that [records to files](CallLeg::hears_live).
    Wav(Audio),
    /// Something else arrived that shows that the other end is there, such as comfort noise or RTCP. A leg need not report it more often than
    /// once a second.
    Alive,
    /// The other end has put the call on hold (`true`), or taken it back. No sound arrives while it is on hold.
    Held(bool),
    /// This playback was played to its end.
    Ended(PlaybackId),
    /// The call has ended.
    HungUp,
}

impl fmt::Debug for LegEvent {
    /// Shows no digit and no sound: what a caller said or dialled belongs in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digit(_) => f.write_str("Digit(..)"),
            Self::Payload { payload, timestamp, source } => {
                write!(f, "Payload({} bytes, timestamp {timestamp}, source {source:08x})", payload.len())
            }
            Self::Samples(samples) => write!(f, "Samples({})", samples.len()),
            Self::Wav(audio) => write!(f, "Wav({audio:?})"),
            Self::Alive => f.write_str("Alive"),
            Self::Held(held) => write!(f, "Held({held})"),
            Self::Ended(id) => write!(f, "Ended({id:?})"),
            Self::HungUp => f.write_str("HungUp"),
        }
    }
}

/// The error of answering a call that has ended already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the call has ended already")]
pub struct LegClosed;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digit_and_a_sound_are_not_in_a_log() {
        let digit = Digit::from_char('7').unwrap();
        assert_eq!(format!("{:?}", LegEvent::Digit(digit)), "Digit(..)");
        let event = LegEvent::Payload { payload: Bytes::from_static(&[7; 160]), timestamp: 320, source: 0x0102_0304 };
        assert_eq!(format!("{event:?}"), "Payload(160 bytes, timestamp 320, source 01020304)");
    }
}
