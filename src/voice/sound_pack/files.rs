//! Reads the files of a pack.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use super::super::VoiceError;
use super::super::grammar::File;
use crate::audio::Frames;
use crate::message::{Audio, AudioType};

/// Reads the sounds in `folder` whose names are among `wanted`. Blocks.
pub(super) fn read(folder: &Path, wanted: impl Iterator<Item = File>) -> Result<HashMap<File, Audio>, VoiceError> {
    let wanted: HashMap<&str, File> = wanted.map(|file| (file, file)).collect();
    let mut paths: HashMap<File, (AudioType, PathBuf)> = HashMap::new();
    for subfolder in SUBFOLDERS {
        let path = if subfolder.is_empty() { folder.to_owned() } else { folder.join(subfolder) };
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !subfolder.is_empty() => continue,
            Err(source) => return Err(VoiceError::Unreadable { path, source }),
        };
        for entry in entries {
            let path = entry.map_err(|source| VoiceError::Unreadable { path: path.clone(), source })?.path();
            let Some((file, media)) = named(subfolder, &path, &wanted) else { continue };
            let better = paths.get(file).is_none_or(|(other, _)| rank(media) < rank(*other));
            if better {
                paths.insert(file, (media, path));
            }
        }
    }
    if paths.is_empty() {
        return Err(VoiceError::NoSounds(folder.to_owned()));
    }
    let mut left = MAX_BYTES;
    let mut sound = |(file, (media, path)): (File, (AudioType, PathBuf))| {
        let audio = read_sound(media, path, left)?;
        left = left.saturating_sub(audio.len());
        Ok((file, audio))
    };
    paths.into_iter().map(&mut sound).collect()
}

/// Returns which of the wanted files is at `path`, and its type.
fn named(subfolder: &str, path: &Path, wanted: &HashMap<&str, File>) -> Option<(File, AudioType)> {
    let media = AudioType::from_extension(path.extension()?.to_str()?)?;
    let stem = path.file_stem()?.to_str()?;
    let name = if subfolder.is_empty() { stem.to_owned() } else { format!("{subfolder}/{stem}") };
    wanted.get(&*name).map(|file| (*file, media))
}

/// The place of a type among those that the same sound may be there in: the best is first.
fn rank(media: AudioType) -> usize {
    AudioType::ALL.iter().position(|other| *other == media).unwrap_or(usize::MAX)
}

/// Reads one sound of at most `left` bytes, and makes sure that it can be played.
fn read_sound(media: AudioType, path: PathBuf, left: u64) -> Result<Audio, VoiceError> {
    let limit = left.min(MAX_FILE_BYTES);
    let mut bytes = Vec::new();
    let file = fs::File::open(&path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    if let Err(source) = file {
        return Err(VoiceError::Unreadable { path, source });
    }
    if bytes.len() as u64 > limit {
        return Err(VoiceError::TooLarge(path));
    }
    let audio = Audio::new(media, bytes);
    match Frames::new(&audio, RATE) {
        Ok(_) => Ok(audio),
        Err(source) => Err(VoiceError::Undecodable { path, source }),
    }
}

/// The folders that the names of sounds begin with.
const SUBFOLDERS: [&str; 4] = ["", "digits", "letters", "voicemail"];

/// Four minutes of 16-bit sound at 8 kHz.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const RATE: NonZeroU32 = NonZeroU32::new(8000).expect("this is not zero");
