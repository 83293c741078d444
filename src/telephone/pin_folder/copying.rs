//! [`PinFolder`] as a [`CopyablePins`]: PINs and counts are listed and replaced, for a move to another store.

use async_trait::async_trait;

use super::{CALLER, Inner, PinFolder, PinRecord, pin_name, remove};
use crate::message::{ContentDigest, MailboxId};
use crate::pages::first_after;
use crate::telephone::{CopyPinsError, CopyablePins, LockoutCounter, PinError, StoredPin};

/// A page of PINs is read under the lock of the folder, so no attempt is half counted in it.
#[async_trait]
impl CopyablePins for PinFolder {
    async fn pins(&self, after: Option<&MailboxId>, limit: usize) -> Result<Vec<(MailboxId, StoredPin)>, CopyPinsError> {
        let after = after.cloned();
        self.copying(move |inner| {
            let _locked = inner.lock_folder()?;
            let id = |name: &String| MailboxId::from_file_name(name.strip_suffix(PIN)?);
            let mut pins = Vec::new();
            for mailbox in first_after(inner.names()?.iter().filter_map(id), after.as_ref(), limit) {
                // An operator may have removed its file by now.
                if let Some(PinRecord { pin, pin_use, attempts }) = inner.read(&pin_name(&mailbox))? {
                    pins.push((mailbox, StoredPin::new(pin, pin_use, attempts)));
                }
            }
            Ok(pins)
        })
        .await
    }

    async fn replace_pin(&self, mailbox: &MailboxId, pin: Option<&StoredPin>) -> Result<(), CopyPinsError> {
        let name = pin_name(mailbox);
        let pin = pin.cloned().map(|StoredPin { hash, pin_use, attempts }| PinRecord { pin: hash, pin_use, attempts });
        self.copying(move |inner| inner.put(&name, pin.map(|pin| pin.to_string()))).await
    }

    async fn telephones(
        &self,
        after: Option<ContentDigest>,
        limit: usize,
    ) -> Result<Vec<(ContentDigest, LockoutCounter)>, CopyPinsError> {
        self.copying(move |inner| {
            let _locked = inner.lock_folder()?;
            let digest = |name: &String| name.strip_suffix(CALLER)?.parse().ok();
            let mut counts = Vec::new();
            for telephone in first_after(inner.names()?.iter().filter_map(digest), after.as_ref(), limit) {
                counts.extend(inner.read(&file_name(telephone))?.map(|count| (telephone, count)));
            }
            Ok(counts)
        })
        .await
    }

    async fn replace_telephone(&self, telephone: ContentDigest, count: Option<LockoutCounter>) -> Result<(), CopyPinsError> {
        self.copying(move |inner| inner.put(&file_name(telephone), count.map(|count| count.to_string()))).await
    }
}

impl PinFolder {
    async fn copying<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PinError> + Send + 'static,
    ) -> Result<T, CopyPinsError> {
        self.work(work).await.map_err(CopyPinsError::new)
    }
}

impl Inner {
    fn names(&self) -> Result<Vec<String>, PinError> {
        self.disk.list(&self.folder).map_err(|source| self.failed(source))
    }

    /// Writes the file `name`, or removes it, durably.
    fn put(&self, name: &str, text: Option<String>) -> Result<(), PinError> {
        let _locked = self.lock_folder()?;
        let put = match text {
            Some(text) => self.write_durably(&[(name, text)]),
            None => remove(&*self.disk, &self.path(name)).and_then(|()| self.disk.sync_dir(&self.folder)),
        };
        put.map_err(|source| self.failed(source))
    }
}

fn file_name(telephone: ContentDigest) -> String {
    format!("{telephone}{CALLER}")
}

const PIN: &str = ".pin";
