//! [`GreetingFolder`]: the newest edition of each greeting, on disk.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::name::FileName;
use super::{Edition, Greeting, GreetingFolderError, GreetingId, GreetingKind, GreetingVersion, Greetings, KeepOutcome};
use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::message::{Audio, MailboxId};

/// Keeps the newest edition of each greeting in a folder of files that an operator can list and play; clones are the same book.
///
/// ```text
/// 2041-normal-00001743296380000000-DIGEST.wav     the sound itself; the time is in microseconds
/// 2041-temporary-00001743296380000000-removed.txt it was removed then
/// NAME.new                                        being written; the next start removes it
/// NAME.damaged                                    is not what its digest says
/// ```
///
/// - **Kept.** What [`put`](Self::put) and [`record`](Self::record) answer `Ok` for is on stable storage.
/// - **The newest.** An older edition never replaces a newer one, whatever the order in which they come.
/// - **Whole.** A sound is read back as it was written, or not at all: its digest is checked each time.
///
/// Which greetings there are is known without a look at the disk.
#[derive(Debug, Clone)]
pub struct GreetingFolder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// What is on stable storage.
    kept: Lock<BTreeMap<GreetingId, FileName>>,
    /// Held while an edition is written; only by threads that may block.
    writing: Lock<()>,
}

impl GreetingFolder {
    /// Opens the book in `folder`, which is created if it is missing. It reads names of files and no file.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call harms nothing.
    pub async fn open(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Result<Self, GreetingFolderError> {
        let folder = folder.into();
        let (here, path) = (Arc::clone(&disk), folder.clone());
        let read = disk::blocking(move || read_folder(&*here, &path)).await;
        let kept = read.map_err(|source| GreetingFolderError::Disk { folder: folder.clone(), source })?;
        Ok(Self { inner: Arc::new(Inner { disk, folder, kept: Lock::new(kept), writing: Lock::default() }) })
    }

    /// Keeps `greeting`, if it is newer than what is kept.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Disk`]; nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call keeps it or not. The same call again settles it.
    pub async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            let newer = inner.edition(greeting.id()).is_none_or(|kept| kept < greeting.edition());
            if newer { inner.write(&greeting).map(|()| KeepOutcome::Kept) } else { Ok(KeepOutcome::HasNewer) }
        })
        .await
    }

    /// Keeps what an owner has recorded `now` as the newest edition of the greeting `id`; without a sound, the greeting is removed. To
    /// remove what is removed already changes nothing.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    ///
    /// A dropped call keeps it or not. The same call again keeps it as a newer edition.
    pub async fn record(&self, id: GreetingId, sound: Option<Audio>, now: DateTime<Utc>) -> Result<Edition, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            match (inner.edition(&id), &sound) {
                (Some(removed @ Edition { digest: None, .. }), None) => Ok(removed),
                (last, _) => {
                    let version = GreetingVersion::next(last.map(|last| last.version), now);
                    let greeting = Greeting::new(id, version, sound);
                    inner.write(&greeting).map(|()| greeting.edition())
                }
            }
        })
        .await
    }

    /// The newest edition of the greeting `id`, with its sound; `None` when none ever came.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Damaged`] once for a file that is not what was written: it is put aside, and the greeting counts as one that never
    /// came. [`GreetingFolderError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// It harms nothing.
    pub async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingFolderError> {
        let (inner, wanted) = (Arc::clone(&self.inner), id.clone());
        match self.work(move || inner.read(&wanted)).await? {
            Found::Greeting(greeting) => Ok(Some(greeting)),
            Found::Nothing => Ok(None),
            Found::Damaged => Err(GreetingFolderError::Damaged(id.clone())),
        }
    }

    /// Which edition of the greeting `id` is kept.
    pub fn edition(&self, id: &GreetingId) -> Option<Edition> {
        self.inner.edition(id)
    }

    /// Every edition that is kept, removed ones too.
    pub fn editions(&self) -> Vec<(GreetingId, Edition)> {
        self.inner.kept.lock().iter().map(|(id, name)| (id.clone(), name.edition)).collect()
    }

    /// Which greetings of `mailbox` have a sound.
    pub fn recorded(&self, mailbox: &MailboxId) -> Greetings {
        let has = |kind: &GreetingKind| {
            self.edition(&GreetingId::new(mailbox.clone(), *kind)).is_some_and(|edition| edition.digest.is_some())
        };
        GreetingKind::ALL.into_iter().filter(has).collect()
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, GreetingFolderError> {
        let done = disk::blocking(work).await;
        done.map_err(|source| GreetingFolderError::Disk { folder: self.inner.folder.clone(), source })
    }
}

/// What a look at a greeting's file gives.
enum Found {
    Greeting(Greeting),
    Nothing,
    Damaged,
}

impl Inner {
    fn edition(&self, id: &GreetingId) -> Option<Edition> {
        self.name(id).map(|name| name.edition)
    }

    fn name(&self, id: &GreetingId) -> Option<FileName> {
        self.kept.lock().get(id).cloned()
    }

    /// Writes the newest edition of a greeting, and takes away the one before. Blocks.
    ///
    /// It has its name only when it is whole, and the one before goes only when that name is durable: a crash in between leaves both, of
    /// which the next start takes the newer.
    fn write(&self, greeting: &Greeting) -> io::Result<()> {
        let (disk, id) = (&*self.disk, greeting.id().clone());
        let media = greeting.sound().map(Audio::media);
        let name = FileName { id: id.clone(), edition: greeting.edition(), media };
        let path = self.folder.join(name.to_string());
        let new = self.folder.join(format!("{name}{NEW}"));
        remove(disk, &new)?;
        let file = disk.create(&new)?;
        let bytes = greeting.sound().map_or(REMOVED_TEXT, |sound| sound.bytes());
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync()).and_then(|()| disk.rename(&new, &path));
        if let Err(error) = written.and_then(|()| disk.sync_dir(&self.folder)) {
            // Nobody was told that it is kept. Should it be there at the next start all the same, it is the newest.
            for left in [new, path] {
                if let Err(error) = remove(disk, &left) {
                    tracing::debug!(%error, "a greeting that was not kept may come up at the next start");
                }
            }
            return Err(error);
        }
        let before = self.kept.lock().insert(id, name.clone());
        if let Some(before) = before.filter(|before| *before != name)
            && let Err(error) = remove(disk, &self.folder.join(before.to_string()))
        {
            tracing::warn!(%error, "an old edition of a greeting could not be removed; the next start does that");
        }
        Ok(())
    }

    /// Blocks.
    fn read(&self, id: &GreetingId) -> io::Result<Found> {
        loop {
            let Some(name) = self.name(id) else { return Ok(Found::Nothing) };
            let FileName { edition: Edition { version, digest }, media, .. } = name.clone();
            let (Some(digest), Some(media)) = (digest, media) else {
                return Ok(Found::Greeting(Greeting::new(id.clone(), version, None)));
            };
            match disk::read(&*self.disk, &self.folder.join(name.to_string())) {
                Ok(bytes) => {
                    let sound = Audio::new(media, bytes);
                    if sound.digest() == digest {
                        return Ok(Found::Greeting(Greeting::new(id.clone(), version, Some(sound))));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // A newer edition may have taken its place just now.
            if self.name(id).as_ref() == Some(&name) {
                return self.put_aside(&name).map(|()| Found::Damaged);
            }
        }
    }

    fn put_aside(&self, name: &FileName) -> io::Result<()> {
        let _alone = self.writing.lock();
        let path = self.folder.join(name.to_string());
        match self.disk.rename(&path, &self.folder.join(format!("{name}{DAMAGED}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut kept = self.kept.lock();
        if kept.get(&name.id) == Some(name) {
            kept.remove(&name.id);
        }
        Ok(())
    }
}

/// The newest of each greeting by the names in `folder`; older ones, and what was not written to its end, are removed. Blocks.
fn read_folder(disk: &dyn Disk, folder: &Path) -> io::Result<BTreeMap<GreetingId, FileName>> {
    disk::create_dirs(disk, folder)?;
    // A process that died may have given names that are not durable yet.
    disk.sync_dir(folder)?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent)?;
    }
    let mut kept: BTreeMap<GreetingId, FileName> = BTreeMap::new();
    let mut useless = Vec::new();
    for text in disk.list(folder)? {
        let Ok(name) = text.parse::<FileName>() else {
            useless.extend(text.ends_with(NEW).then_some(text));
            continue;
        };
        let newest = kept.entry(name.id.clone()).or_insert_with(|| name.clone());
        if *newest != name {
            let older = if newest.edition < name.edition { std::mem::replace(newest, name) } else { name };
            useless.push(older.to_string());
        }
    }
    for name in useless {
        remove(disk, &folder.join(name))?;
    }
    Ok(kept)
}

fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

const NEW: &str = ".new";
const DAMAGED: &str = ".damaged";
const REMOVED_TEXT: &[u8] = b"The owner of this mailbox removed the greeting.\n";
