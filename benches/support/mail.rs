//! A recording as a message, and as the mail that carries it.

use bytes::Bytes;
use voicemail::message::{Audio, AudioType, ClockQuality, ClockSource, Message, RecordedAt};
use voicemail::wire::{Addresses, TransferEncoding, encode};

/// A message with this sound.
pub(crate) fn message(wav: &Bytes) -> Message {
    let recorded_at = RecordedAt::new(
        "2026-03-29T00:59:40Z".parse().expect("an instant"),
        chrono_tz::Europe::London,
        ClockQuality::unknown(ClockSource::System),
    );
    Message::builder(Audio::new(AudioType::Wav, wav.clone()), recorded_at).build()
}

/// The message as a mail.
pub(crate) fn mail(message: &Message, encoding: TransferEncoding) -> Bytes {
    let recipients = ["2001".parse().expect("a mailbox")];
    let addresses = Addresses::new("edge.voicemail.example", "voicemail.example", &recipients);
    encode(message, &addresses, encoding).to_bytes()
}
