//! [`GreetingFolder`]: the newest edition of each greeting, on disk.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::name::FileName;
use super::{
    Edition, Greeting, GreetingFolderError, GreetingId, GreetingKind, GreetingVersion, Greetings, KeepOutcome, has_ended,
};
use crate::disk::{self, Disk};
use crate::lock::Lock;
use crate::message::{Audio, MailboxId};

/// A folder with the newest edition of each greeting, in files that an operator can list and play. Clones share the folder.
///
/// ```text
/// 2041-normal-00001743296380000000-DIGEST.wav     the sound itself; the time is in microseconds
/// 2041-temporary-00001743296380000000-DIGEST.20250406T000000Z.wav   a greeting with an end, in UTC
/// 2041-temporary-00001743296380000000-removed.txt the greeting was removed then
/// NAME.new                                        being written; the next start removes it
/// NAME.damaged                                    a sound that does not match its digest
/// ```
///
/// - **Kept.** When [`put`](Self::put) and [`record`](Self::record) return `Ok`, the edition is on stable storage.
/// - **The newest.** An older edition never replaces a newer one, in whatever order they come.
/// - **Whole.** A sound is read back as it was written, or not at all: its digest is checked at each reading.
///
/// The list of greetings is in memory; only sounds are read from disk.
#[derive(Debug, Clone)]
pub struct GreetingFolder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The editions on stable storage.
    kept: Lock<BTreeMap<GreetingId, FileName>>,
    /// Held while an edition is written, and only by threads that may block.
    writing: Lock<()>,
}

impl GreetingFolder {
    /// Opens `folder`, which is created if it is missing. It reads the names of files, but no file.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call harms nothing.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, GreetingFolderError> {
        let (disk, folder): (Arc<dyn Disk>, PathBuf) = (Arc::new(disk), folder.into());
        let (here, path) = (Arc::clone(&disk), folder.clone());
        let read = disk::blocking(move || read_folder(&*here, &path)).await;
        let kept = read.map_err(|source| GreetingFolderError::Disk { folder: folder.clone(), source })?;
        Ok(Self { inner: Arc::new(Inner { disk, folder, kept: Lock::new(kept), writing: Lock::default() }) })
    }

    /// Keeps `greeting`, if it is newer than the edition that is kept.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Disk`]; in this case nothing has changed.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the greeting or not. Make the same call again to be sure.
    pub async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            let newer = inner.edition(greeting.id()).is_none_or(|kept| kept < greeting.edition());
            if newer { inner.write(&greeting).map(|()| KeepOutcome::Kept) } else { Ok(KeepOutcome::HasNewer) }
        })
        .await
    }

    /// Keeps the sound that an owner has recorded `now` as the newest edition of the greeting `id`. Without a sound, the greeting is removed;
    /// removing a removed greeting changes nothing.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    ///
    /// A dropped call has kept the sound or not. The same call again keeps it as a newer edition.
    pub async fn record(&self, id: GreetingId, sound: Option<Audio>, now: DateTime<Utc>) -> Result<Edition, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            match (inner.edition(&id), &sound) {
                (Some(removed @ Edition { digest: None, .. }), None) => Ok(removed),
                (last, _) => inner.write_next(|version| Greeting::new(id, version, sound), last, now),
            }
        })
        .await
    }

    /// Keeps the sound that an owner has recorded `now` as the newest edition of the greeting `id`, which ends at `until`.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    ///
    /// As [`record`](Self::record).
    pub async fn record_until(
        &self,
        id: GreetingId,
        sound: Audio,
        until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Edition, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            let last = inner.edition(&id);
            inner.write_next(|version| Greeting::new(id, version, Some(sound)).with_until(until), last, now)
        })
        .await
    }

    /// Removes the greeting `id` if it has ended at `now`; returns the edition of the removal, or `None` if it has not ended.
    ///
    /// # Errors
    ///
    /// As [`put`](Self::put).
    ///
    /// # Cancel safety
    ///
    /// As [`record`](Self::record).
    pub async fn remove_ended(&self, id: GreetingId, now: DateTime<Utc>) -> Result<Option<Edition>, GreetingFolderError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            match inner.name(&id) {
                Some(name) if has_ended(name.until, now) => {
                    inner.write_next(|version| Greeting::new(id, version, None), Some(name.edition), now).map(Some)
                }
                _ => Ok(None),
            }
        })
        .await
    }

    /// Returns each greeting that has an end, and that end.
    pub fn ends(&self) -> Vec<(GreetingId, DateTime<Utc>)> {
        self.inner.kept.lock().iter().filter_map(|(id, name)| Some((id.clone(), name.until?))).collect()
    }

    /// Returns the newest edition of the greeting `id` with its sound, or `None` if there never was one.
    ///
    /// # Errors
    ///
    /// [`GreetingFolderError::Damaged`] once for a damaged file: it is moved aside, and from then on the greeting counts as one that there never
    /// was. [`GreetingFolderError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect.
    pub async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingFolderError> {
        let (inner, wanted) = (Arc::clone(&self.inner), id.clone());
        match self.work(move || inner.read(&wanted)).await? {
            ReadResult::Greeting(greeting) => Ok(Some(greeting)),
            ReadResult::Nothing => Ok(None),
            ReadResult::Damaged => Err(GreetingFolderError::Damaged(id.clone())),
        }
    }

    /// Returns the edition of the greeting `id` that is kept.
    pub fn edition(&self, id: &GreetingId) -> Option<Edition> {
        self.inner.edition(id)
    }

    /// Returns every edition that is kept, removals too.
    pub fn editions(&self) -> Vec<(GreetingId, Edition)> {
        self.inner.kept.lock().iter().map(|(id, name)| (id.clone(), name.edition)).collect()
    }

    /// Returns which greetings of `mailbox` have a sound and have not ended at `now`.
    pub fn recorded(&self, mailbox: &MailboxId, now: DateTime<Utc>) -> Greetings {
        let has = |kind: &GreetingKind| {
            let name = self.inner.name(&GreetingId::new(mailbox.clone(), *kind));
            name.is_some_and(|name| name.edition.digest.is_some() && !has_ended(name.until, now))
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

/// The result of reading a greeting's file.
enum ReadResult {
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

    /// Writes the edition after `last`, which is made `now`. Blocks.
    fn write_next(
        &self,
        make: impl FnOnce(GreetingVersion) -> Greeting,
        last: Option<Edition>,
        now: DateTime<Utc>,
    ) -> io::Result<Edition> {
        let greeting = make(GreetingVersion::next(last.map(|last| last.version), now));
        self.write(&greeting).map(|()| greeting.edition())
    }

    /// Writes the newest edition of a greeting, and removes the one before. Blocks.
    ///
    /// The file gets its name when it is complete, and the edition before is removed when that name is durable. A crash in between leaves both,
    /// and the next start takes the newer one.
    fn write(&self, greeting: &Greeting) -> io::Result<()> {
        let (disk, id) = (&*self.disk, greeting.id().clone());
        let media = greeting.sound().map(Audio::media);
        let name = FileName { id: id.clone(), edition: greeting.edition(), until: greeting.until(), media };
        let path = self.folder.join(name.to_string());
        let new = self.folder.join(format!("{name}{NEW}"));
        remove(disk, &new)?;
        let file = disk.create(&new)?;
        let bytes = greeting.sound().map_or(REMOVED_TEXT, |sound| sound.bytes());
        let written = file.write_all_at(bytes, 0).and_then(|()| file.sync()).and_then(|()| disk.rename(&new, &path));
        if let Err(error) = written.and_then(|()| disk.sync_dir(&self.folder)) {
            // It was not reported as kept. If it is there at the next start all the same, it is the newest.
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
    fn read(&self, id: &GreetingId) -> io::Result<ReadResult> {
        loop {
            let Some(name) = self.name(id) else { return Ok(ReadResult::Nothing) };
            let FileName { edition: Edition { version, digest }, until, media, .. } = name.clone();
            let (Some(digest), Some(media)) = (digest, media) else {
                return Ok(ReadResult::Greeting(Greeting::new(id.clone(), version, None)));
            };
            match disk::read(&*self.disk, &self.folder.join(name.to_string())) {
                Ok(bytes) => {
                    let sound = Audio::new(media, bytes);
                    if sound.digest() == digest {
                        let greeting = Greeting::new(id.clone(), version, Some(sound));
                        return Ok(ReadResult::Greeting(Greeting { until, ..greeting }));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            // A newer edition may have replaced it just now.
            if self.name(id).as_ref() == Some(&name) {
                return self.put_aside(&name).map(|()| ReadResult::Damaged);
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

/// Returns the newest edition of each greeting by the names in `folder`. Older editions and incomplete files are removed. Blocks.
fn read_folder(disk: &dyn Disk, folder: &Path) -> io::Result<BTreeMap<GreetingId, FileName>> {
    disk::create_dirs(disk, folder)?;
    // A process that died may have left names that are not durable yet.
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
