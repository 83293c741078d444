//! [`TlsMemory`]: remembers which peers have spoken TLS, also before the last restart.

use std::collections::BTreeSet;
use std::io;
#[cfg(feature = "fs")]
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

#[cfg(feature = "fs")]
use crate::disk::{self, Disk};
use crate::lock::Lock;

/// Remembers which peers have spoken TLS, so that the loss of TLS is noticed; clones share the memory.
///
/// If a peer offered TLS yesterday and does not today, it is misconfigured, or an attacker on the path suppresses TLS. A
/// [`SmtpForwarder`](super::SmtpForwarder) under [`Security::PlainTextIfNoTls`](super::Security::PlainTextIfNoTls) uses plain text with
/// peers that never had TLS, but not with those that are remembered here. Their messages wait, and each attempt reports an
/// [`Event::TlsWithheld`](crate::event::Event::TlsWithheld), until TLS is back, an operator [removes](Self::forget) the peer, or the
/// policy is [`Security::PlainTextEvenAfterTls`](super::Security::PlainTextEvenAfterTls).
///
/// The file, `tls-peers.txt`, has one peer per line. It is read each time it is needed, so an operator may also remove a line from it
/// while the node runs. If the file cannot be read, every peer counts as remembered.
#[derive(Debug, Clone)]
pub struct TlsMemory {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    peers: Lock<BTreeSet<String>>,
    #[cfg(feature = "fs")]
    file: Option<File>,
}

#[cfg(feature = "fs")]
#[derive(Debug)]
struct File {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Held while the file is read and rewritten, only by threads that may block.
    changing: Lock<()>,
}

impl TlsMemory {
    /// Makes a memory that lasts as long as this value and its clones.
    pub fn in_memory() -> Self {
        Self {
            inner: Arc::new(Inner {
                peers: Lock::default(),
                #[cfg(feature = "fs")]
                file: None,
            }),
        }
    }

    /// Makes a memory in a file in `folder` of `disk`; folder and file are created with the first peer.
    #[cfg(feature = "fs")]
    pub fn in_folder(disk: impl Disk, folder: impl Into<PathBuf>) -> Self {
        let file = File { disk: Arc::new(disk), folder: folder.into(), changing: Lock::default() };
        Self { inner: Arc::new(Inner { peers: Lock::default(), file: Some(file) }) }
    }

    /// Returns every peer that has spoken TLS, as it was given to the forwarder's builder: `host:port`.
    ///
    /// # Errors
    ///
    /// The error of the disk.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing, so a dropped call has no effect.
    #[cfg_attr(not(feature = "fs"), expect(clippy::unused_async, reason = "with a disk, it waits for it"))]
    pub async fn peers(&self) -> io::Result<Vec<String>> {
        #[cfg(feature = "fs")]
        if self.inner.file.is_some() {
            let inner = Arc::clone(&self.inner);
            let peers = disk::blocking(move || inner.file.as_ref().map_or(Ok(BTreeSet::new()), File::read)).await?;
            self.lock().clone_from(&peers);
        }
        Ok(self.lock().iter().cloned().collect())
    }

    /// Removes `peer`, so that plain text may be used with it again if its policy allows that. Returns whether it was remembered.
    ///
    /// # Errors
    ///
    /// The error of the disk; nothing has changed then.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has removed the peer or not; the same call again settles it.
    pub async fn forget(&self, peer: &str) -> io::Result<bool> {
        let name = peer.to_owned();
        let was_there = self.change(move |peers| peers.remove(&name)).await?;
        Ok(self.lock().remove(peer) | was_there)
    }

    /// Whether `peer` has ever spoken TLS; true if that cannot be read.
    pub(super) async fn has(&self, peer: &str) -> bool {
        match self.peers().await {
            Ok(peers) => peers.iter().any(|known| known == peer),
            Err(error) => {
                tracing::warn!(%error, "the list of peers that have spoken TLS cannot be read");
                true
            }
        }
    }

    /// Remembers that `peer` has spoken TLS. If it cannot be written to the disk, it is remembered until the next restart.
    pub(super) async fn remember(&self, peer: &str) {
        if self.lock().contains(peer) {
            return;
        }
        let name = peer.to_owned();
        if let Err(error) = self.change(move |peers| peers.insert(name)).await {
            tracing::warn!(%error, "a peer that has spoken TLS cannot be added to the list on disk");
        }
        self.lock().insert(peer.to_owned());
    }

    /// Applies `change` to the peers in the file, if there is one; writes it only if `change` returns that there was a change.
    #[cfg(feature = "fs")]
    async fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool + Send + 'static) -> io::Result<bool> {
        if self.inner.file.is_none() {
            return Ok(false);
        }
        let inner = Arc::clone(&self.inner);
        disk::blocking(move || inner.file.as_ref().map_or(Ok(false), |file| file.change(change))).await
    }

    #[cfg(not(feature = "fs"))]
    #[expect(clippy::unused_async, reason = "with a disk, it waits for it")]
    async fn change(&self, _: impl FnOnce(&mut BTreeSet<String>) -> bool + Send + 'static) -> io::Result<bool> {
        Ok(false)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.inner.peers.lock()
    }
}

#[cfg(feature = "fs")]
impl File {
    fn read(&self) -> io::Result<BTreeSet<String>> {
        match disk::read(&*self.disk, &self.folder.join(FILE)) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                let lines = text.lines().map(str::trim);
                Ok(lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>) -> bool) -> io::Result<bool> {
        let _alone = self.changing.lock();
        let mut peers = self.read()?;
        let changed = change(&mut peers);
        if changed {
            self.write(&peers)?;
        }
        Ok(changed)
    }

    fn write(&self, peers: &BTreeSet<String>) -> io::Result<()> {
        disk::create_dirs(&*self.disk, &self.folder)?;
        disk::sync_name(&*self.disk, &self.folder)?;
        let (path, new) = (self.folder.join(FILE), self.folder.join(NEW_FILE));
        if let Err(error) = self.disk.remove(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let text: String = peers.iter().fold(HEADING.to_owned(), |text, peer| text + peer + "\n");
        let file = self.disk.create(&new)?;
        file.write_all_at(text.as_bytes(), 0)?;
        file.sync()?;
        self.disk.rename(&new, &path)?;
        self.disk.sync_dir(&self.folder)
    }
}

#[cfg(feature = "fs")]
const FILE: &str = "tls-peers.txt";
#[cfg(feature = "fs")]
const NEW_FILE: &str = "tls-peers.new";
#[cfg(feature = "fs")]
const HEADING: &str =
    "# Peers that have spoken TLS. Nothing is sent to them without TLS any more; remove a line to allow it again.\n";

#[cfg(all(test, feature = "node"))]
mod tests {
    use super::*;
    use crate::disk::{FaultyDisk, InjectedFault, PowerCutDisk, Unsynced};

    fn on(disk: &PowerCutDisk) -> TlsMemory {
        TlsMemory::in_folder(disk.clone(), "spool/tls")
    }

    #[tokio::test]
    async fn a_peer_is_remembered_across_a_power_cut_until_it_is_cleared() {
        let disk = PowerCutDisk::new();
        on(&disk).remember("central.example:25").await;
        disk.power_cut(Unsynced::Forgotten);
        let memory = on(&disk);
        assert!(memory.has("central.example:25").await && !memory.has("backup.example:25").await);
        memory.remember("backup.example:25").await;
        assert!(memory.forget("central.example:25").await.unwrap() && !memory.forget("central.example:25").await.unwrap());
        disk.power_cut(Unsynced::Forgotten);
        assert_eq!(on(&disk).peers().await.unwrap(), ["backup.example:25"]);
    }

    #[tokio::test]
    async fn a_power_cut_after_any_step_leaves_old_or_new_content() {
        for operations in 0.. {
            let disk = PowerCutDisk::new();
            on(&disk).remember("old.example:25").await;
            disk.power_off_after(operations);
            on(&disk).remember("new.example:25").await;
            let was_off = disk.power_cut(Unsynced::Forgotten);
            let peers = on(&disk).peers().await.unwrap();
            assert!(peers == ["old.example:25"] || peers == ["new.example:25", "old.example:25"], "{operations}: {peers:?}");
            if !was_off {
                assert_eq!(peers.len(), 2);
                break;
            }
        }
    }

    #[tokio::test]
    async fn an_operator_removes_a_line_while_the_node_runs() {
        let disk = PowerCutDisk::new();
        let memory = on(&disk);
        memory.remember("central.example:25").await;
        disk.remove("spool/tls/tls-peers.txt".as_ref()).unwrap();
        assert!(!memory.has("central.example:25").await);
        memory.remember("central.example:25").await;
        assert!(memory.has("central.example:25").await, "and it is added again when TLS comes back");
    }

    #[tokio::test]
    async fn a_memory_that_cannot_be_read_has_every_peer() {
        let disk = PowerCutDisk::new();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.fail(InjectedFault::after(0, io::ErrorKind::PermissionDenied).lasting());
        assert!(TlsMemory::in_folder(faulty, "spool").has("central.example:25").await);
        let memory = on(&disk);
        memory.remember("central.example:25").await;
        disk.open("spool/tls/tls-peers.txt".as_ref()).unwrap().write_all_at(b"\xff", 0).unwrap();
        assert!(memory.has("backup.example:25").await);
    }
}
