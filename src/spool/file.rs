//! One message's file in the spool: a text that `head` shows, then the sound as it was recorded.
//!
//! Everything here blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::head::{Damaged, FileHead, SHORT, Settled, Unreadable, read_head};
use super::sound::StoredSound;
use super::spare_file::SpareFile;
use crate::audio::{Format, Wav};
use crate::disk::{self, Disk, DiskFile};
use crate::message::{Audio, ContentDigest, Head, Message, MessageId};

/// The file of a recording that is under way.
#[derive(Debug)]
pub(crate) struct GrowingFile {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    head: FileHead,
    sound: SoundInput,
    audio_len: u64,
    /// Whether a flush has failed: the operating system may have dropped what it could not write, and believe that it is written.
    sync_failed: bool,
    /// The finished message, if it is in memory.
    in_memory: Option<Message>,
}

/// The form of the sound that a recording gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SoundInput {
    /// Samples or codec payload in this format, to which a WAV header is added.
    Frames(Format),
    /// A whole sound file with its header, kept byte for byte.
    Verbatim,
}

impl GrowingFile {
    /// Creates the file, or uses the spare one. Its head says that it is being recorded.
    pub(super) fn create(
        disk: &dyn Disk,
        spare: Option<SpareFile>,
        path: PathBuf,
        head: FileHead,
        sound: SoundInput,
    ) -> io::Result<Self> {
        let mut start = head.to_bytes().map_err(io::Error::other)?;
        let head_len = start.len();
        if let SoundInput::Frames(format) = sound {
            start.extend_from_slice(&Wav::header(format, 0));
        }
        let audio_len = (start.len() - head_len) as u64;
        let write = |file: &dyn DiskFile| file.write_all_at(&start, 0);
        // Nothing of an earlier sound may be in it: what is in the file of a call that a crash cuts off is taken for its sound.
        let taken = spare.and_then(|spare| spare.write_over(disk, 0, write));
        let taken = taken.and_then(|spare| spare.move_to(disk, &path));
        let file = taken.map_or_else(|| create(disk, &path, write), Ok)?;
        Ok(Self { path, file, head, sound, audio_len, sync_failed: false, in_memory: None })
    }

    /// Writes a sound that is given whole into a spare file, or into a new one at `path`. Its head is finished, with the digest of the sound.
    ///
    /// Over an earlier sound, the head is written last. Until the file is flushed, it has no name but that of a spare file.
    pub(super) fn create_whole(
        disk: &dyn Disk,
        spare: Option<SpareFile>,
        path: PathBuf,
        head: FileHead,
        sound: &Bytes,
    ) -> io::Result<Self> {
        let audio = Audio::new(head.media, sound.clone());
        let audio_len = sound.len() as u64;
        let head = FileHead { audio: Some((audio_len, audio.digest())), ..head };
        let start = head.to_bytes().map_err(io::Error::other)?;
        let head_len = head.len();
        let write_head = |file: &dyn DiskFile| file.write_all_at(&start, 0);
        let write_sound = |file: &dyn DiskFile| file.write_all_at(sound, head_len);
        let over_another = |spare: SpareFile| {
            spare.write_over(disk, head_len + audio_len, |file| write_sound(file).and_then(|()| write_head(file)))
        };
        let (path, file) = if let Some(spare) = spare.and_then(over_another) {
            (spare.path, spare.file)
        } else {
            let file = create(disk, &path, |file| write_head(file).and_then(|()| write_sound(file)))?;
            (path, file)
        };
        let in_memory = Some(audio).filter(|_| sound.len() <= SHORT).map(|audio| Message::new(head.head.clone(), audio));
        Ok(Self { path, file, head, sound: SoundInput::Verbatim, audio_len, sync_failed: false, in_memory })
    }

    /// The recording in a file that an earlier run has left, with so many bytes of sound.
    pub(super) fn taken_up(path: &Path, file: Box<dyn DiskFile>, head: FileHead, sound: SoundInput, audio_len: u64) -> Self {
        Self { path: path.to_owned(), file, head, sound, audio_len, sync_failed: false, in_memory: None }
    }

    /// Adds `bytes` to the sound. After an error the same bytes can be added again.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.head.len() + self.audio_len)?;
        self.audio_len += bytes.len() as u64;
        Ok(())
    }

    /// Cuts the sound after `len` bytes of samples, if it has more. The rest stays in the file, where no reader of the finished message
    /// sees it: a crash before [`complete`](Self::complete) leaves the recording as it was.
    pub(crate) fn cut(&mut self, len: u64) {
        if let SoundInput::Frames(format) = self.sound {
            self.audio_len = self.audio_len.min(Wav::header_len(format.codec) as u64 + len);
        }
    }

    /// Returns the first `len` bytes of samples; fewer if fewer are written.
    pub(crate) fn samples(&self, len: u64) -> io::Result<Vec<u8>> {
        let SoundInput::Frames(format) = self.sound else { return Ok(Vec::new()) };
        let header_len = Wav::header_len(format.codec) as u64;
        let len = len.min(self.audio_len.saturating_sub(header_len));
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        self.file.read_at(self.head.len() + header_len, len)
    }

    /// The head as it is so far, to be changed.
    pub(crate) fn head_mut(&mut self) -> &mut FileHead {
        &mut self.head
    }

    /// Completes the file of a finished recording: writes the header of the sound, and the head with the digest.
    ///
    /// Nothing is flushed yet. After an error, the same call may be repeated.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        let mut len = self.audio_len;
        if let SoundInput::Frames(format) = self.sound {
            let header_len = Wav::header_len(format.codec) as u64;
            let data_len = u32::try_from(len.saturating_sub(header_len)).unwrap_or(u32::MAX);
            self.file.write_all_at(&Wav::header(format, data_len), self.head.len())?;
            if data_len % 2 == 1 {
                self.file.write_all_at(&[0], self.head.len() + len)?;
                len += 1;
            }
        }
        let (digest, audio) = self.digest(len)?;
        let finished = FileHead { audio: Some((len, digest)), ..self.head.clone() };
        self.file.write_all_at(&finished.to_bytes().map_err(io::Error::other)?, 0)?;
        (self.head, self.audio_len) = (finished, len);
        self.in_memory = audio.map(|audio| Message::new(self.head.head.clone(), audio));
        Ok(())
    }

    /// Returns the digest of the sound, and the sound itself if it is short, so that it need not be read again for sending.
    fn digest(&self, len: u64) -> io::Result<(ContentDigest, Option<Audio>)> {
        match usize::try_from(len) {
            Ok(short) if short <= SHORT => {
                let audio = Audio::new(self.head.media, self.file.read_at(self.head.len(), short)?);
                Ok((audio.digest(), Some(audio)))
            }
            _ => Ok((ContentDigest::of_parts(Pieces { file: &*self.file, start: self.head.len(), at: 0, end: len })?, None)),
        }
    }

    /// Makes the file durable, but not its name. After an error, the same call again writes everything once more.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.sync_failed, true) {
            self.write_again()?;
        }
        self.file.sync()?;
        self.sync_failed = false;
        Ok(())
    }

    fn write_again(&self) -> io::Result<()> {
        let mut at = self.head.len();
        for piece in (Pieces { file: &*self.file, start: self.head.len(), at: 0, end: self.audio_len }) {
            let piece = piece?;
            self.file.write_all_at(&piece, at)?;
            at += piece.len() as u64;
        }
        if let Some((len, digest)) = self.head.audio
            && ContentDigest::of_parts(Pieces { file: &*self.file, start: self.head.len(), at: 0, end: len })? != digest
        {
            return Err(Unreadable("the disk has lost a part of the sound").into());
        }
        self.file.write_all_at(&self.head.to_bytes().map_err(io::Error::other)?, 0)
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The finished head.
    pub(crate) fn head(&self) -> &FileHead {
        &self.head
    }

    /// Takes the finished message out, if it is in memory.
    pub(crate) fn take_message(&mut self) -> Option<Message> {
        self.in_memory.take()
    }

    /// The message, once [`complete`](Self::complete) has written it.
    pub(crate) fn message(&self) -> io::Result<Message> {
        if let Some(message) = &self.in_memory {
            return Ok(message.clone());
        }
        let (len, digest) = self.head.audio.ok_or_else(|| io::Error::other("the recording is not finished"))?;
        read_message(&*self.file, &self.head, len, digest)
    }

    /// Whether the file at `path` is the same message.
    pub(super) fn is_at(&self, disk: &dyn Disk, path: &Path) -> bool {
        let other = MessageFile::open(disk, path, self.head.head.id);
        other.is_ok_and(|other| self.head.audio == Some((other.len, other.digest)))
    }
}

/// Creates a file at `path` with what `write` writes.
fn create(disk: &dyn Disk, path: &Path, write: impl FnOnce(&dyn DiskFile) -> io::Result<()>) -> io::Result<Box<dyn DiskFile>> {
    let file = disk.create(path)?;
    match write(&*file) {
        Ok(()) => Ok(file),
        Err(error) => {
            // A recording that never began leaves no file behind. The first error is the one to return.
            let _ = disk.remove(path);
            Err(error)
        }
    }
}

/// The file of a finished message, of which only the head has been read.
#[derive(Debug)]
pub(crate) struct MessageFile {
    file: Arc<dyn DiskFile>,
    head: FileHead,
    len: u64,
    digest: ContentDigest,
}

impl MessageFile {
    /// Opens the message `id` in the file at `path`.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) when it is no message, or another one; or the error of the file system.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, id: MessageId) -> io::Result<Self> {
        let file = match disk.open(path) {
            Err(error) if disk::is_not_a_file(&error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            opened => opened?,
        };
        if file.is_empty()? {
            return Err(Unreadable("the file is empty").into());
        }
        let head = read_head(&*file)?;
        if head.head.id != id {
            return Err(Unreadable("its head has the id of another message than its name").into());
        }
        let (len, digest) = head.audio.ok_or(Unreadable("the recording is not finished"))?;
        Ok(Self { file: file.into(), head, len, digest })
    }

    /// The head of the message.
    pub(crate) fn head(&self) -> &Head {
        &self.head.head
    }

    /// The digest of its sound, as its head says.
    pub(crate) fn digest(&self) -> ContentDigest {
        self.digest
    }

    /// The size of its sound in bytes, as its head says.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads the whole message, even if its sound is damaged.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open); also when the message was delivered while it was read, because its file may have another sound by now.
    pub(crate) fn read(&self) -> io::Result<Message> {
        let message = read_message(&*self.file, &self.head, self.len, self.digest)?;
        // A delivered message's head is written over before its sound can be.
        if read_head(&*self.file)? == self.head { Ok(message) } else { Err(Settled.into()) }
    }

    /// Reads the whole message, to send it.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open); [`Damaged`] when the sound does not match its digest.
    pub(crate) fn read_whole(&self) -> io::Result<Message> {
        let message = read_message(&*self.file, &self.head, self.len, self.digest)?;
        if ContentDigest::of(message.audio().bytes()) == self.digest { Ok(message) } else { Err(Damaged.into()) }
    }

    /// Returns the message with a sound that stays in the file. If the sound is damaged, a reader gets an error in place of its end.
    ///
    /// # Errors
    ///
    /// As for [`open`](Self::open).
    pub(crate) fn without_sound(&self) -> io::Result<(Message, Arc<StoredSound>)> {
        let start = self.head.len();
        check_present(&*self.file, start, self.len)?;
        let sound = Arc::new(StoredSound::new(Arc::clone(&self.file), start, start + self.len, self.digest));
        let audio = Audio::from_source(self.head.media, Arc::clone(&sound), self.digest);
        Ok((Message::new(self.head.head.clone(), audio), sound))
    }
}

fn read_message(file: &dyn DiskFile, head: &FileHead, len: u64, digest: ContentDigest) -> io::Result<Message> {
    // A length beyond the end of the file would allocate memory for nothing.
    check_present(file, head.len(), len)?;
    let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let sound = file.read_at(head.len(), len)?;
    Ok(Message::new(head.head.clone(), Audio::with_digest(head.media, sound, digest)))
}

fn check_present(file: &dyn DiskFile, start: u64, len: u64) -> io::Result<()> {
    let present = file.len()?.saturating_sub(start);
    if len > present { Err(Unreadable("the sound is shorter than the head says").into()) } else { Ok(()) }
}

/// Reads a sound piece by piece.
pub(super) struct Pieces<'a> {
    pub(super) file: &'a dyn DiskFile,
    /// The position of the sound in the file.
    pub(super) start: u64,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Iterator for Pieces<'_> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        if self.at >= self.end {
            return None;
        }
        let len = (self.end - self.at).min(PIECE);
        let piece = self.file.read_at(self.start + self.at, usize::try_from(len).unwrap_or_default());
        self.at = if piece.is_ok() { self.at + len } else { self.end };
        Some(piece)
    }
}

const PIECE: u64 = 256 * 1024;
