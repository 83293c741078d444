//! One message's file in the spool: a text that `head` shows, then the sound as it was recorded.
//!
//! Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::head::{FileHead, HEAD_LEN, Unreadable};
use crate::audio::{Format, Wav};
use crate::disk::{Disk, DiskFile};
use crate::message::{Audio, ContentDigest, Ending, Message};

/// The file of a recording that is under way.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    head: FileHead,
    sound: Sound,
    audio_len: u64,
    /// Whether a flush has failed: the operating system may have forgotten what it could not write, and take it for written.
    doubtful: bool,
}

/// What the bytes are that a recording is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sound {
    /// Samples or codec payload in this format, to which a WAV header is added.
    Frames(Format),
    /// A sound with a header of its own, kept byte for byte.
    AsItIs,
}

impl GrowingFile {
    /// Creates the file; the head says that it is being recorded.
    pub(crate) fn create(disk: &dyn Disk, path: PathBuf, head: FileHead, sound: Sound) -> io::Result<Self> {
        let mut start = head.to_bytes().map_err(io::Error::other)?.to_vec();
        if let Sound::Frames(format) = sound {
            start.extend_from_slice(&Wav::header(format, 0));
        }
        let file = disk.create(&path)?;
        let audio_len = (start.len() - HEAD_LEN) as u64;
        let growing = Self { path, file, head, sound, audio_len, doubtful: false };
        match growing.file.write_all_at(&start, 0) {
            Ok(()) => Ok(growing),
            Err(error) => {
                // What was never begun leaves nothing behind; the error that counts is the first.
                let _ = disk.remove(&growing.path);
                Err(error)
            }
        }
    }

    /// Adds `bytes` to the sound. After an error the same bytes can be added again.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, HEAD_LEN as u64 + self.audio_len)?;
        self.audio_len += bytes.len() as u64;
        Ok(())
    }

    /// What the head says so far.
    pub(crate) fn head_mut(&mut self) -> &mut FileHead {
        &mut self.head
    }

    /// Writes down that the recording is finished: the sound's header, its digest, the head.
    ///
    /// Nothing is flushed yet. After an error, the same call again begins anew.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        let mut len = self.audio_len;
        if let Sound::Frames(format) = self.sound {
            let header_len = Wav::header_len(format.codec) as u64;
            let data_len = u32::try_from(len.saturating_sub(header_len)).unwrap_or(u32::MAX);
            self.file.write_all_at(&Wav::header(format, data_len), HEAD_LEN as u64)?;
            if data_len % 2 == 1 {
                self.file.write_all_at(&[0], HEAD_LEN as u64 + len)?;
                len += 1;
            }
        }
        let digest = ContentDigest::of_parts(Pieces { file: &*self.file, at: 0, end: len })?;
        let finished = FileHead { audio: Some((len, digest)), ..self.head.clone() };
        self.file.write_all_at(&finished.to_bytes().map_err(io::Error::other)?, 0)?;
        (self.head, self.audio_len) = (finished, len);
        Ok(())
    }

    /// Makes the file durable; its name is not yet. After an error, the same call again writes everything once more.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.doubtful, true) {
            self.write_again()?;
        }
        self.file.sync()?;
        self.doubtful = false;
        Ok(())
    }

    fn write_again(&self) -> io::Result<()> {
        let mut at = HEAD_LEN as u64;
        for piece in (Pieces { file: &*self.file, at: 0, end: self.audio_len }) {
            let piece = piece?;
            self.file.write_all_at(&piece, at)?;
            at += piece.len() as u64;
        }
        if let Some((len, digest)) = self.head.audio
            && ContentDigest::of_parts(Pieces { file: &*self.file, at: 0, end: len })? != digest
        {
            return Err(unreadable(Unreadable("the disk has lost a part of the sound")));
        }
        self.file.write_all_at(&self.head.to_bytes().map_err(io::Error::other)?, 0)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The finished head.
    pub(crate) fn head(&self) -> &FileHead {
        &self.head
    }

    /// The message, once [`complete`](Self::complete) has written it.
    pub(crate) fn message(&self) -> io::Result<Message> {
        let (len, digest) = self.head.audio.ok_or_else(|| io::Error::other("the recording is not finished"))?;
        read_message(&*self.file, &self.head, len, digest)
    }
}

/// Reads the finished message in the file at `path`.
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) when it is none, or whatever the file system says.
pub(crate) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Message> {
    let file = disk.open(path)?;
    let head = read_head(&*file)?;
    let (len, digest) = head.audio.ok_or_else(|| unreadable(Unreadable("the recording is not finished")))?;
    read_message(&*file, &head, len, digest)
}

/// What a crash has left of a recording.
#[derive(Debug)]
pub(crate) struct LeftOver {
    /// Its file.
    pub(crate) file: GrowingFile,
    /// Whether it had been finished, and can go where it was meant to; else [`complete`](GrowingFile::complete) makes it a message.
    pub(crate) finished: bool,
}

/// What a left over file was found to be.
#[derive(Debug)]
pub(super) enum Found {
    /// A recording.
    Recording(Box<LeftOver>),
    /// Something else.
    Unreadable(String),
}

/// Looks at a file that was left over in the folder of recordings under way.
pub(super) fn find_left_over(disk: &dyn Disk, path: &Path) -> io::Result<Found> {
    let file = disk.open(path)?;
    let mut head = match read_head(&*file) {
        Ok(head) => head,
        Err(error) if is_unreadable(&error) => return Ok(Found::Unreadable(error.to_string())),
        Err(error) => return Err(error),
    };
    let written = file.len()?.saturating_sub(HEAD_LEN as u64);
    let left_over = |file, head, sound, audio_len, finished| {
        let file = GrowingFile { path: path.to_owned(), file, head, sound, audio_len, doubtful: false };
        Ok(Found::Recording(Box::new(LeftOver { file, finished })))
    };
    if let Some((len, digest)) = head.audio
        && written >= len
        // A head may have reached the disk before the sound it speaks of.
        && ContentDigest::of_parts(Pieces { file: &*file, at: 0, end: len })? == digest
    {
        return left_over(file, head, Sound::AsItIs, len, true);
    }
    head.audio = None;
    let mut bytes = vec![0; usize::try_from(written).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    file.read_exact_at(&mut bytes, HEAD_LEN as u64)?;
    let wav = match Wav::parse(&bytes) {
        Ok(wav) => wav,
        Err(error) => return Ok(Found::Unreadable(error.to_string())),
    };
    // Only a header that this crate began is this crate's to complete.
    let ours = bytes.starts_with(&Wav::header(wav.format, 0));
    let sound = if ours { Sound::Frames(wav.format) } else { Sound::AsItIs };
    let audio_len = if ours { wav.data.end as u64 } else { written };
    head.head.ending = Ending::Truncated;
    head.head.length = wav.duration();
    left_over(file, head, sound, audio_len, false)
}

fn read_head(file: &dyn DiskFile) -> io::Result<FileHead> {
    let mut bytes = [0; HEAD_LEN];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => FileHead::parse(&bytes).map_err(unreadable),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(unreadable(Unreadable("the file is too short"))),
        Err(error) => Err(error),
    }
}

fn read_message(file: &dyn DiskFile, head: &FileHead, len: u64, digest: ContentDigest) -> io::Result<Message> {
    // A length beyond the file's own would ask for memory that no sound fills.
    let present = file.len()?.saturating_sub(HEAD_LEN as u64);
    if len > present {
        return Err(unreadable(Unreadable("the sound is shorter than the head says")));
    }
    let mut sound = vec![0; usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    file.read_exact_at(&mut sound, HEAD_LEN as u64)?;
    Ok(Message::new(head.head.clone(), Audio::with_digest(head.media, Bytes::from(sound), digest)))
}

fn unreadable(error: Unreadable) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn is_unreadable(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData
}

/// A sound, read piece by piece.
struct Pieces<'a> {
    file: &'a dyn DiskFile,
    at: u64,
    end: u64,
}

impl Iterator for Pieces<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.at >= self.end {
            return None;
        }
        let len = (self.end - self.at).min(PIECE);
        let mut piece = vec![0; usize::try_from(len).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut piece, HEAD_LEN as u64 + self.at);
        self.at = if read.is_ok() { self.at + len } else { self.end };
        Some(read.map(|()| piece))
    }
}

const PIECE: u64 = 256 * 1024;
