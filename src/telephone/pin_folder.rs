//! [`PinFolder`]: PINs, and how many wrong ones there were, on disk.

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{DateTime, Utc};

use super::pin_page::PinRecord;
use super::{Attempts, PinError, PinHash, PinVerdict};
use crate::disk::{self, Disk, DiskFile};
use crate::message::{CallerNumber, ContentDigest, MailboxId};

/// Checks PINs as a [`MemoryPins`](super::MemoryPins) does, and keeps them and the wrong ones in a folder, so that a restart forgets nothing;
/// clones are the same folder.
///
/// ```text
/// 2041.pin       the hash of a mailbox's PIN, and how many wrong ones there were lately
/// DIGEST.caller  how many a telephone entered lately, under a digest of its number
/// lock           whoever counts has its lock: several programs may use the folder at once
/// NAME.new       being written
/// ```
///
/// - **Counted first.** A try is on stable storage before its verdict is told: pulling the plug gains nothing. That takes one flush
///   for the mailbox, one for the telephone if it told its number, and one for the folder; two tries never count at once. A right PIN takes
///   one or two more, and who is locked out none.
/// - **Closed when in doubt.** A file that cannot be read, or a disk that cannot be written, lets nobody in: [`PinVerdict::Unavailable`].
/// - **No default.** A mailbox without a file has no PIN, and opens to nobody. To take a PIN away, an operator removes its file.
///
/// Nothing is kept in memory, so that what another program has set holds at once. There is no PIN in any file but as a
/// [`PinHash`], and no caller's number.
///
/// ```
/// use std::sync::Arc;
/// use voicemail::disk::OsDisk;
/// use voicemail::message::MailboxId;
/// use voicemail::telephone::{PinFolder, PinHash, PinVerdict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let folder = root.path().join("pins");
/// let (mailbox, now): (MailboxId, _) = ("2041".parse()?, "2026-11-22T18:00:00Z".parse()?);
/// let pins = PinFolder::open(Arc::new(OsDisk), &folder).await?;
/// pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?)).await?;
/// for _ in 0..5 {
///     assert_eq!(pins.check(&mailbox, None, "0000", now).await, PinVerdict::Wrong);
/// }
/// let pins = PinFolder::open(Arc::new(OsDisk), &folder).await?; // after a restart
/// assert!(matches!(pins.check(&mailbox, None, "480913", now).await, PinVerdict::Locked(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PinFolder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// How many tries of telephones may be counted before the files of those that are forgiven are removed.
    until_swept: AtomicU32,
}

impl PinFolder {
    /// Opens `folder`, which is created if it is missing. It reads no PIN.
    ///
    /// # Errors
    ///
    /// [`PinError::Disk`].
    ///
    /// # Cancel safety
    ///
    /// A dropped call harms nothing.
    pub async fn open(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Result<Self, PinError> {
        let inner = Arc::new(Inner { disk, folder: folder.into(), until_swept: AtomicU32::new(0) });
        let opened = Self { inner };
        opened.work(|inner| inner.prepare().map_err(|source| inner.failed(source))).await?;
        Ok(opened)
    }

    /// The PIN of `mailbox` is now the one of `hash`, on stable storage. Whoever is locked out stays so.
    ///
    /// # Errors
    ///
    /// [`PinError::Damaged`] when the mailbox's file cannot be understood: nobody knows how many wrong PINs there were. Once an operator
    /// has removed it, a PIN can be set. [`PinError::Disk`]; the one before goes on to open, but for a disk that fails twice.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set it or not. The same call again settles it.
    pub async fn set(&self, mailbox: MailboxId, hash: PinHash) -> Result<(), PinError> {
        self.work(move |inner| inner.set(&mailbox, hash)).await
    }

    /// What `entered` is for `mailbox`, from a telephone with the number `caller`, if it told one. Takes some milliseconds.
    ///
    /// # Cancel safety
    ///
    /// A dropped call counts as a try, as long as the runtime is there to count it.
    pub async fn check(
        &self,
        mailbox: &MailboxId,
        caller: Option<&CallerNumber>,
        entered: &str,
        now: DateTime<Utc>,
    ) -> PinVerdict {
        let (mailbox, caller, entered) = (mailbox.clone(), caller.cloned(), entered.to_owned());
        let checked = self.work(move |inner| inner.check(&mailbox, caller.as_ref(), &entered, now)).await;
        checked.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "a PIN is not checked");
            PinVerdict::Unavailable
        })
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let inner = Arc::clone(&self.inner);
        let done = disk::blocking(move || Ok(work(&inner))).await;
        done.unwrap_or_else(|source| Err(self.inner.failed(source)))
    }
}

/// Everything here blocks.
impl Inner {
    fn prepare(&self) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        match self.disk.create(&self.folder.join(LOCK)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // A process that died may have given names that are not durable yet.
        if let Some(parent) = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.disk.sync_dir(parent)?;
        }
        self.disk.sync_dir(&self.folder)
    }

    fn set(&self, mailbox: &MailboxId, pin: PinHash) -> Result<(), PinError> {
        let _alone = self.alone()?;
        let name = pin_name(mailbox);
        let before: Option<PinRecord> = self.read(&name)?;
        let attempts = before.as_ref().map_or_else(Attempts::default, |page| page.attempts);
        let set = self.place(&[(&name, PinRecord { pin, attempts }.to_string())]);
        set.map_err(|source| {
            let back = match before {
                Some(before) => self.place(&[(&name, before.to_string())]),
                None => remove(&*self.disk, &self.path(&name)).and_then(|()| self.disk.sync_dir(&self.folder)),
            };
            if let Err(error) = back {
                tracing::warn!(%mailbox, %error, "the PIN of before may no longer open its mailbox");
            }
            self.failed(source)
        })
    }

    fn check(
        &self,
        mailbox: &MailboxId,
        caller: Option<&CallerNumber>,
        entered: &str,
        now: DateTime<Utc>,
    ) -> Result<PinVerdict, PinError> {
        let pin = match self.count(mailbox, caller, now)? {
            Ok(pin) => pin,
            Err(verdict) => return Ok(verdict),
        };
        if !pin.is_of(entered) {
            return Ok(PinVerdict::Wrong);
        }
        if let Err(error) = self.forgive(mailbox, caller) {
            tracing::warn!(%mailbox, error = &error as &dyn std::error::Error, "a right PIN goes on to count as a wrong one");
        }
        Ok(PinVerdict::Right)
    }

    /// Makes durable that a PIN is tried, before anybody knows whether it is wrong; or answers why it may not be tried.
    fn count(
        &self,
        mailbox: &MailboxId,
        caller: Option<&CallerNumber>,
        now: DateTime<Utc>,
    ) -> Result<Result<PinHash, PinVerdict>, PinError> {
        let _alone = self.alone()?;
        let (name, caller) = (pin_name(mailbox), caller.map(caller_name));
        let mut page: Option<PinRecord> = self.read(&name)?;
        let mut telephone: Option<Attempts> = match &caller {
            Some(caller) => Some(self.read(caller)?.unwrap_or_default()),
            None => None,
        };
        let before = (page.clone(), telephone);
        let counts = [page.as_mut().map(|page| &mut page.attempts), telephone.as_mut()];
        let locked = counts.into_iter().flatten().filter_map(|attempts| attempts.locked_for(now)).max();
        let tried = locked.is_none() && page.is_some();
        if tried {
            let counts = [page.as_mut().map(|page| &mut page.attempts), telephone.as_mut()];
            counts.into_iter().flatten().for_each(|attempts| attempts.handle_wrong(now));
        }
        // Also when the clock went back: the wait begins anew once, and not with each try.
        if before != (page.clone(), telephone) {
            let page = page.as_ref().map(|page| (name.as_str(), page.to_string()));
            let telephone = caller.as_deref().zip(telephone.map(|attempts| attempts.to_string()));
            let texts: Vec<_> = page.into_iter().chain(telephone).collect();
            self.place(&texts).map_err(|source| self.failed(source))?;
            if caller.is_some() {
                self.sweep_in_time(now);
            }
        }
        Ok(match (locked, page) {
            (Some(wait), _) => Err(PinVerdict::Locked(wait)),
            (None, None) => Err(PinVerdict::NoPin),
            (None, Some(page)) => Ok(page.pin),
        })
    }

    /// The try was right: the mailbox begins anew. A telephone that knows one PIN is no less suspect for what it tried elsewhere.
    ///
    /// If power is lost now, the try may go on to count.
    fn forgive(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>) -> Result<(), PinError> {
        let _alone = self.alone()?;
        let name = pin_name(mailbox);
        if let Some(page) = self.read::<PinRecord>(&name)? {
            let text = PinRecord { attempts: Attempts::default(), ..page }.to_string();
            self.replace(&name, &text).map_err(|source| self.failed(source))?;
        }
        let Some(caller) = caller.map(caller_name) else { return Ok(()) };
        let Some(mut attempts) = self.read::<Attempts>(&caller)? else { return Ok(()) };
        attempts.handle_right();
        let settled = if attempts == Attempts::default() {
            remove(&*self.disk, &self.path(&caller))
        } else {
            self.replace(&caller, &attempts.to_string())
        };
        settled.map_err(|source| self.failed(source))
    }

    /// From time to time, removes the files of telephones of which all is forgiven.
    fn sweep_in_time(&self, now: DateTime<Utc>) {
        // Only whoever has the lock comes here.
        let left = self.until_swept.load(Ordering::Relaxed);
        self.until_swept.store(left.checked_sub(1).unwrap_or(SWEPT_EVERY), Ordering::Relaxed);
        if left == 0
            && let Err(error) = self.sweep(now)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "files of telephones that are forgiven could not be removed"
            );
        }
    }

    fn sweep(&self, now: DateTime<Utc>) -> Result<(), PinError> {
        let names = self.disk.list(&self.folder).map_err(|source| self.failed(source))?;
        for name in names.iter().filter(|name| name.ends_with(CALLER)) {
            if self.read::<Attempts>(name)?.is_some_and(|attempts| attempts.is_forgiven(now)) {
                remove(&*self.disk, &self.path(name)).map_err(|source| self.failed(source))?;
            }
        }
        Ok(())
    }

    /// Waits until nobody else counts; others wait as long as the file is open.
    fn alone(&self) -> Result<Box<dyn DiskFile>, PinError> {
        let lock = self.disk.open(&self.folder.join(LOCK));
        lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|source| self.failed(source))
    }

    /// What the file `name` says; `None` if there is none.
    fn read<T: FromStr>(&self, name: &str) -> Result<Option<T>, PinError> {
        let file = match self.disk.open(&self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| self.failed(source))?,
        };
        let read = file.len().and_then(|len| file.read_at(0, usize::try_from(len).unwrap_or(MAX_LEN).min(MAX_LEN)));
        let text = String::from_utf8(read.map_err(|source| self.failed(source))?).ok();
        // Every file ends with a line's end, so that one which was cut off is not taken for a whole one.
        let read = text.and_then(|text| text.strip_suffix('\n')?.parse().ok());
        read.map(Some).ok_or_else(|| PinError::Damaged { file: self.path(name) })
    }

    /// Makes these files durable, each in one piece.
    fn place(&self, texts: &[(&str, String)]) -> io::Result<()> {
        texts.iter().try_for_each(|(name, text)| self.replace(name, text))?;
        self.disk.sync_dir(&self.folder)
    }

    /// Writes one file; a power cut may bring back what it said before.
    fn replace(&self, name: &str, text: &str) -> io::Result<()> {
        let new = self.folder.join(format!("{name}{NEW}"));
        remove(&*self.disk, &new)?;
        let file = self.disk.create(&new)?;
        file.write_all_at(format!("{text}\n").as_bytes(), 0)?;
        file.sync()?;
        self.disk.rename(&new, &self.path(name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn failed(&self, source: io::Error) -> PinError {
        PinError::Disk { folder: self.folder.clone(), source }
    }
}

fn pin_name(mailbox: &MailboxId) -> String {
    format!("{mailbox}.pin")
}

/// Neither a log nor `ls` tells who called.
fn caller_name(caller: &CallerNumber) -> String {
    format!("{}{CALLER}", ContentDigest::of(caller.as_str().as_bytes()))
}

fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

const LOCK: &str = "lock";
const CALLER: &str = ".caller";
const NEW: &str = ".new";
/// No file of ours is longer.
const MAX_LEN: usize = 1024;
const SWEPT_EVERY: u32 = 1000;
