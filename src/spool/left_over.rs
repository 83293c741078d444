//! [`read_left_over`]: what a crash has left in the folder of recordings.
//!
//! Everything here blocks.

use std::io;
use std::path::Path;

use super::file::{GrowingFile, Pieces, SoundInput};
use super::head::{is_settled, read_head};
use super::spare_folder::is_never_answered;
use crate::audio::{Wav, length_within};
use crate::disk::{self, Disk};
use crate::message::{ContentDigest, EndReason};

/// A recording that a crash has cut off.
#[derive(Debug)]
pub(crate) struct LeftOver {
    /// The file of the recording.
    pub(crate) file: GrowingFile,
    /// Whether it had been finished, and can be queued as it is; else [`complete`](GrowingFile::complete) makes it a message.
    pub(crate) finished: bool,
}

/// The contents of a file that a crash has left in the folder of recordings.
#[derive(Debug)]
pub(crate) enum LeftOverFile {
    /// The file is a recording.
    Recording(Box<LeftOver>),
    /// The file has nothing to keep: its message was delivered, or its sender had no answer.
    Settled,
    /// The file is something else, for the reason given.
    Unreadable(String),
}

/// Reads a file that a crash has left in the folder of recordings.
pub(crate) fn read_left_over(disk: &dyn Disk, path: &Path) -> io::Result<LeftOverFile> {
    let file = match disk.open(path) {
        Err(error) if disk::is_not_a_file(&error) => return Ok(LeftOverFile::Unreadable(error.to_string())),
        opened => opened?,
    };
    if is_never_answered(&*file)? {
        return Ok(LeftOverFile::Settled);
    }
    let mut head = match read_head(&*file) {
        Ok(head) => head,
        Err(error) if is_settled(&error) => return Ok(LeftOverFile::Settled),
        Err(error) if is_unreadable(&error) => return Ok(LeftOverFile::Unreadable(error.to_string())),
        Err(error) => return Err(error),
    };
    let start = head.len();
    let written = file.len()?.saturating_sub(start);
    let left_over = |file, head, sound, audio_len, finished| {
        let file = GrowingFile::taken_up(path, file, head, sound, audio_len);
        Ok(LeftOverFile::Recording(Box::new(LeftOver { file, finished })))
    };
    if let Some((len, digest)) = head.audio
        && written >= len
        // The head may have reached the disk before the sound.
        && ContentDigest::of_parts(Pieces { file: &*file, start, at: 0, end: len })? == digest
    {
        return left_over(file, head, SoundInput::Verbatim, len, true);
    }
    head.audio = None;
    let bytes = file.read_at(start, usize::try_from(written).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?)?;
    let length = match length_within(head.media, &bytes, written) {
        Ok(length) => length,
        Err(error) => return Ok(LeftOverFile::Unreadable(error.to_string())),
    };
    // A WAV header is completed only if this crate has written it.
    let ours = Wav::parse(&bytes).ok().filter(|wav| bytes.starts_with(&Wav::header(wav.format, 0)));
    let (sound, audio_len) = match ours {
        Some(wav) => (SoundInput::Frames(wav.format), wav.data.end as u64),
        None => (SoundInput::Verbatim, written),
    };
    head.head.end_reason = EndReason::Truncated;
    head.head.length = length;
    left_over(file, head, sound, audio_len, false)
}

fn is_unreadable(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}
