//! [`PinFolder`]: PINs and counts of wrong PINs, on disk.

mod copying;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{LockoutCounter, Pin, PinError, PinHash, PinStore, PinStoreError, PinUse, PinVerdict};
use crate::disk::{self, Disk, DiskFile};
use crate::message::{CallerNumber, ContentDigest, MailboxId};

/// PINs and lockouts in a folder, which survive a restart; they are checked as [`MemoryPins`](super::MemoryPins) does it. Clones
/// share the folder.
///
/// ```text
/// 2041.pin       the hash of a mailbox's PIN, and the count of recent wrong PINs
/// DIGEST.caller  the count of recent wrong PINs from a telephone, under a digest of its number
/// lock           locked while attempts are counted: several programs may use the folder at once
/// NAME.new       a file that is being written
/// ```
///
/// - **Counted first.** An attempt is on stable storage before its verdict is returned, so a power cut gains no attempts. This
///   takes one flush for the mailbox, one for the telephone if its number is known, and one for the folder; attempts are counted
///   one after the other. A right PIN takes one or two flushes more, and an attempt during a lockout takes none.
/// - **Closed when in doubt.** If a file cannot be read or the disk cannot be written, nobody gets in:
///   [`PinVerdict::Unavailable`].
/// - **No default.** A mailbox without a file has no PIN, so nobody gets in. To take a PIN away, an operator removes its file.
///
/// Nothing is cached in memory, so a PIN that another program has set is in force at once. The files hold PINs as a [`PinHash`]
/// only, and no caller's number.
///
/// ```
/// use voicemail::disk::OsDisk;
/// use voicemail::message::MailboxId;
/// use voicemail::telephone::{PinFolder, PinHash, PinVerdict};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let folder = root.path().join("pins");
/// let (mailbox, now): (MailboxId, _) = ("2041".parse()?, "2026-11-22T18:00:00Z".parse()?);
/// let pins = PinFolder::open(OsDisk, &folder).await?;
/// pins.set(mailbox.clone(), PinHash::new(&"480913".parse()?)).await?;
/// for _ in 0..5 {
///     assert_eq!(pins.check(&mailbox, None, "0000", now).await, PinVerdict::Wrong);
/// }
/// let pins = PinFolder::open(OsDisk, &folder).await?; // after a restart
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
    /// How many attempts may be counted before the files of forgiven telephones are removed again.
    until_cleanup: AtomicU32,
}

impl PinFolder {
    /// Opens `folder`, which is created if it is missing. No PIN is read yet.
    ///
    /// # Errors
    ///
    /// [`PinError::Disk`] if the folder cannot be created or made durable.
    ///
    /// # Cancel safety
    ///
    /// A dropped call may have created the folder, and has no other effect.
    pub async fn open(disk: impl Disk, folder: impl Into<PathBuf>) -> Result<Self, PinError> {
        let inner = Arc::new(Inner { disk: Arc::new(disk), folder: folder.into(), until_cleanup: AtomicU32::new(0) });
        let opened = Self { inner };
        opened.work(|inner| inner.prepare().map_err(|source| inner.failed(source))).await?;
        Ok(opened)
    }

    /// Sets the PIN of `mailbox` to the one of `hash`, on stable storage. A mailbox or telephone that is locked out stays so.
    ///
    /// # Errors
    ///
    /// [`PinError::Damaged`] when the mailbox's file cannot be understood, so the count of wrong PINs is not known; a PIN can be
    /// set once an operator has removed the file. [`PinError::Disk`] when the disk fails; the PIN of before stays in force,
    /// unless the disk fails twice.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has set the PIN or not. The same call again settles it.
    pub async fn set(&self, mailbox: MailboxId, hash: PinHash) -> Result<(), PinError> {
        self.work(move |inner| inner.set(&mailbox, PinUse::Usual, || hash)).await
    }

    /// Sets the PIN of `mailbox` to one that opens it for the first use only, until its owner has chosen another: [`PinVerdict::Initial`].
    /// A mailbox or telephone that is locked out stays so. A folder that an older version of this crate reads gets [`PinVerdict::Unavailable`] for such a mailbox.
    ///
    /// # Errors
    ///
    /// As [`set`](Self::set).
    ///
    /// # Cancel safety
    ///
    /// As [`set`](Self::set).
    pub async fn set_initial(&self, mailbox: MailboxId, hash: PinHash) -> Result<(), PinError> {
        self.work(move |inner| inner.set(&mailbox, PinUse::First, || hash)).await
    }

    /// Checks the PIN `entered` for `mailbox` by a telephone with the number `caller`, if its number is known. Takes some
    /// milliseconds.
    ///
    /// # Cancel safety
    ///
    /// A dropped call counts as an attempt, as long as the runtime still runs to count it.
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
            tracing::error!(error = &error as &dyn std::error::Error, "a PIN could not be checked");
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

#[async_trait]
impl PinStore for PinFolder {
    async fn check(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>, entered: &str, now: DateTime<Utc>) -> PinVerdict {
        self.check(mailbox, caller, entered, now).await
    }

    async fn set(&self, mailbox: &MailboxId, pin: &Pin) -> Result<(), PinStoreError> {
        let (mailbox, pin) = (mailbox.clone(), pin.clone());
        let set = self.work(move |inner| inner.set(&mailbox, PinUse::Usual, || PinHash::new(&pin))).await;
        set.map_err(PinStoreError::new)
    }
}

// All of these methods block.
impl Inner {
    fn prepare(&self) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        match self.disk.create(&self.folder.join(LOCK)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // A process that died may have created or renamed files in ways that are not durable yet.
        if let Some(parent) = self.folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.disk.sync_dir(parent)?;
        }
        self.disk.sync_dir(&self.folder)
    }

    fn set(&self, mailbox: &MailboxId, pin_use: PinUse, hash: impl FnOnce() -> PinHash) -> Result<(), PinError> {
        let pin = hash();
        let _locked = self.lock_folder()?;
        let name = pin_name(mailbox);
        let before: Option<PinRecord> = self.read(&name)?;
        let attempts = before.as_ref().map_or_else(LockoutCounter::default, |record| record.attempts);
        let set = self.write_durably(&[(&name, PinRecord { pin, pin_use, attempts }.to_string())]);
        set.map_err(|source| {
            let back = match before {
                Some(before) => self.write_durably(&[(&name, before.to_string())]),
                None => remove(&*self.disk, &self.path(&name)).and_then(|()| self.disk.sync_dir(&self.folder)),
            };
            if let Err(error) = back {
                tracing::warn!(%mailbox, %error, "the previous PIN could not be restored");
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
        let (pin, pin_use) = match self.count(mailbox, caller, now)? {
            Ok(pin) => pin,
            Err(verdict) => return Ok(verdict),
        };
        if !pin.is_of(entered) {
            return Ok(PinVerdict::Wrong);
        }
        if let Err(error) = self.forgive(mailbox, caller) {
            tracing::warn!(%mailbox, error = &error as &dyn std::error::Error, "a right PIN still counts as a wrong one");
        }
        Ok(pin_use.verdict())
    }

    /// Counts an attempt on stable storage before the PIN is checked, and returns the hash to check it with; or the verdict, if
    /// no PIN may be tried.
    fn count(
        &self,
        mailbox: &MailboxId,
        caller: Option<&CallerNumber>,
        now: DateTime<Utc>,
    ) -> Result<Result<(PinHash, PinUse), PinVerdict>, PinError> {
        let _locked = self.lock_folder()?;
        let (name, caller) = (pin_name(mailbox), caller.map(caller_name));
        let mut record: Option<PinRecord> = self.read(&name)?;
        let mut telephone: Option<LockoutCounter> = match &caller {
            Some(caller) => Some(self.read(caller)?.unwrap_or_default()),
            None => None,
        };
        let before = (record.clone(), telephone);
        let counts = [record.as_mut().map(|record| &mut record.attempts), telephone.as_mut()];
        let locked = counts.into_iter().flatten().filter_map(|attempts| attempts.locked_for(now)).max();
        let tried = locked.is_none() && record.is_some();
        if tried {
            let counts = [record.as_mut().map(|record| &mut record.attempts), telephone.as_mut()];
            counts.into_iter().flatten().for_each(|attempts| attempts.handle_wrong(now));
        }
        // Also when the clock went back: the wait begins again once, and not with each attempt.
        if before != (record.clone(), telephone) {
            let record = record.as_ref().map(|record| (name.as_str(), record.to_string()));
            let telephone = caller.as_deref().zip(telephone.map(|attempts| attempts.to_string()));
            let texts: Vec<_> = record.into_iter().chain(telephone).collect();
            self.write_durably(&texts).map_err(|source| self.failed(source))?;
            if caller.is_some() {
                self.clean_up_if_due(now);
            }
        }
        Ok(match (locked, record) {
            (Some(wait), _) => Err(PinVerdict::Locked(wait)),
            (None, None) => Err(PinVerdict::NoPin),
            (None, Some(record)) => Ok((record.pin, record.pin_use)),
        })
    }

    /// Clears the count of `mailbox` after a right PIN. A telephone that knows one PIN may still be guessing others, so of its
    /// count only this attempt is taken back.
    ///
    /// If power is lost now, the attempt may still count as wrong.
    fn forgive(&self, mailbox: &MailboxId, caller: Option<&CallerNumber>) -> Result<(), PinError> {
        let _locked = self.lock_folder()?;
        let name = pin_name(mailbox);
        if let Some(record) = self.read::<PinRecord>(&name)? {
            let text = PinRecord { attempts: LockoutCounter::default(), ..record }.to_string();
            self.replace(&name, &text).map_err(|source| self.failed(source))?;
        }
        let Some(caller) = caller.map(caller_name) else { return Ok(()) };
        let Some(mut attempts) = self.read::<LockoutCounter>(&caller)? else { return Ok(()) };
        attempts.handle_right();
        let settled = if attempts == LockoutCounter::default() {
            remove(&*self.disk, &self.path(&caller))
        } else {
            self.replace(&caller, &attempts.to_string())
        };
        settled.map_err(|source| self.failed(source))
    }

    /// Removes the files of telephones whose wrong PINs are all forgiven, once in a while.
    fn clean_up_if_due(&self, now: DateTime<Utc>) {
        // The caller holds the lock of the folder, so nothing changes between the load and the store.
        let left = self.until_cleanup.load(Ordering::Relaxed);
        self.until_cleanup.store(left.checked_sub(1).unwrap_or(ATTEMPTS_PER_CLEANUP), Ordering::Relaxed);
        if left == 0
            && let Err(error) = self.clean_up(now)
        {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the files of telephones without counted wrong PINs could not be removed"
            );
        }
    }

    fn clean_up(&self, now: DateTime<Utc>) -> Result<(), PinError> {
        let names = self.disk.list(&self.folder).map_err(|source| self.failed(source))?;
        for name in names.iter().filter(|name| name.ends_with(CALLER)) {
            if self.read::<LockoutCounter>(name)?.is_some_and(|attempts| attempts.is_forgiven(now)) {
                remove(&*self.disk, &self.path(name)).map_err(|source| self.failed(source))?;
            }
        }
        Ok(())
    }

    /// Waits for the lock of the folder, which is held until the returned file is dropped.
    fn lock_folder(&self) -> Result<Box<dyn DiskFile>, PinError> {
        let lock = self.disk.open(&self.folder.join(LOCK));
        lock.and_then(|lock| lock.lock().map(|()| lock)).map_err(|source| self.failed(source))
    }

    /// Reads and parses the file `name`; `None` if there is none.
    fn read<T: FromStr>(&self, name: &str) -> Result<Option<T>, PinError> {
        let file = match self.disk.open(&self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|source| self.failed(source))?,
        };
        let read = file.len().and_then(|len| file.read_at(0, usize::try_from(len).unwrap_or(MAX_LEN).min(MAX_LEN)));
        let text = String::from_utf8(read.map_err(|source| self.failed(source))?).ok();
        // Every file ends with a line feed, so that a truncated file is not taken for a complete one.
        let read = text.and_then(|text| text.strip_suffix('\n')?.parse().ok());
        read.map(Some).ok_or_else(|| PinError::Damaged { file: self.path(name) })
    }

    /// Writes these files, each as a whole, and makes them durable.
    fn write_durably(&self, texts: &[(&str, String)]) -> io::Result<()> {
        texts.iter().try_for_each(|(name, text)| self.replace(name, text))?;
        self.disk.sync_dir(&self.folder)
    }

    /// Writes one file as a whole; a power cut may bring back its previous content.
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

/// The content of a mailbox's file: the hash of its PIN, and the count of wrong PINs, a line each. The line of a PIN for the first use begins
/// with a mark.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PinRecord {
    pin: PinHash,
    pin_use: PinUse,
    attempts: LockoutCounter,
}

impl fmt::Display for PinRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.pin_use {
            PinUse::Usual => "",
            PinUse::First => INITIAL,
        };
        write!(f, "{mark}{}\n{}", self.pin, self.attempts)
    }
}

impl FromStr for PinRecord {
    type Err = InvalidPinRecord;

    fn from_str(text: &str) -> Result<Self, InvalidPinRecord> {
        let (pin, attempts) = text.split_once('\n').ok_or(InvalidPinRecord)?;
        let (pin, pin_use) = pin.strip_prefix(INITIAL).map_or((pin, PinUse::Usual), |pin| (pin, PinUse::First));
        let pin = pin.parse().map_err(|_| InvalidPinRecord)?;
        Ok(Self { pin, pin_use, attempts: attempts.parse().map_err(|_| InvalidPinRecord)? })
    }
}

/// A text that is no [`PinRecord`].
#[derive(Debug)]
struct InvalidPinRecord;

fn pin_name(mailbox: &MailboxId) -> String {
    format!("{mailbox}.pin")
}

/// A digest of the number, so that neither a log nor `ls` shows who called.
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
const INITIAL: &str = "initial ";
/// The limit of what is read of a file; the files here are shorter.
const MAX_LEN: usize = 1024;
const ATTEMPTS_PER_CLEANUP: u32 = 1000;
