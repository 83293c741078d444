//! [`GreetingFolder`]: the newest edition of each greeting, on disk.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::name::FileName;
use super::{Edition, Greeting, GreetingEntry, GreetingId, GreetingKind, GreetingStore, GreetingStoreError, KeepOutcome};
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
/// - **Kept.** When [`put`](GreetingStore::put) returns `Ok`, the edition is on stable storage.
/// - **The newest.** An older edition never replaces a newer one, in whatever order they come.
/// - **Whole.** A sound is read back as it was written, or not at all: its digest is checked at each reading. A damaged file is reported once.
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
    /// [`GreetingStoreError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call harms nothing.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, GreetingStoreError> {
        let (disk, folder): (Arc<dyn Disk>, PathBuf) = (Arc::new(disk), folder.into());
        let (here, path) = (Arc::clone(&disk), folder.clone());
        let read = disk::blocking(move || read_folder(&*here, &path)).await;
        let kept = read.map_err(|source| GreetingStoreError::Disk { folder: folder.clone(), source })?;
        Ok(Self { inner: Arc::new(Inner { disk, folder, kept: Lock::new(kept), writing: Lock::default() }) })
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, GreetingStoreError> {
        let done = disk::blocking(work).await;
        done.map_err(|source| GreetingStoreError::Disk { folder: self.inner.folder.clone(), source })
    }
}

#[async_trait]
impl GreetingStore for GreetingFolder {
    async fn put(&self, greeting: Greeting) -> Result<KeepOutcome, GreetingStoreError> {
        let inner = Arc::clone(&self.inner);
        self.work(move || {
            let _alone = inner.writing.lock();
            let newer = inner.name(greeting.id()).is_none_or(|kept| kept.edition < greeting.edition());
            if newer { inner.write(&greeting).map(|()| KeepOutcome::Kept) } else { Ok(KeepOutcome::HasNewer) }
        })
        .await
    }

    async fn read(&self, id: &GreetingId) -> Result<Option<Greeting>, GreetingStoreError> {
        let (inner, wanted) = (Arc::clone(&self.inner), id.clone());
        match self.work(move || inner.read(&wanted)).await? {
            ReadResult::Greeting(greeting) => Ok(Some(greeting)),
            ReadResult::Nothing => Ok(None),
            ReadResult::Damaged => Err(GreetingStoreError::Damaged(id.clone())),
        }
    }

    /// Reads no disk.
    async fn list(&self, mailbox: &MailboxId) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
        let kinds = GreetingKind::ALL.into_iter().map(|kind| GreetingId::new(mailbox.clone(), kind));
        Ok(kinds.filter_map(|id| self.inner.name(&id)).map(entry).collect())
    }

    /// Reads no disk.
    async fn list_all(&self) -> Result<Vec<GreetingEntry>, GreetingStoreError> {
        Ok(self.inner.kept.lock().values().cloned().map(entry).collect())
    }
}

fn entry(name: FileName) -> GreetingEntry {
    GreetingEntry { id: name.id, edition: name.edition, until: name.until }
}

/// The result of reading a greeting's file.
enum ReadResult {
    Greeting(Greeting),
    Nothing,
    Damaged,
}

impl Inner {
    fn name(&self, id: &GreetingId) -> Option<FileName> {
        self.kept.lock().get(id).cloned()
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
