//! [`TlsMemory`]: which peers have spoken TLS, also before the last restart.

use std::collections::BTreeSet;
use std::io;
#[cfg(feature = "fs")]
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard};

#[cfg(feature = "fs")]
use crate::disk::{self, Disk};
use crate::lock::Lock;

/// Remembers which peers have spoken TLS, so that one who suddenly does not is noticed; clones are the same memory.
///
/// A peer that offered TLS yesterday and does not today is misconfigured, or somebody stands between. A
/// [`SmtpForwarder`](super::SmtpForwarder) under [`Security::PlainTextIfNoTls`](super::Security::PlainTextIfNoTls) speaks plain text with
/// peers that never had TLS, and not with those that are remembered here: their messages wait, each try is an
/// [`Event::TlsWithheld`](crate::event::Event::TlsWithheld), until TLS is back, an operator [clears](Self::forget) the peer, or the
/// policy is [`Security::PlainTextEvenAfterTls`](super::Security::PlainTextEvenAfterTls).
///
/// The file, `tls-peers.txt`, has one peer a line. It is read whenever it matters, so an operator may also take a line out of it
/// while the node runs. A file that cannot be read counts as one that has every peer.
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
    /// Held while the file is read and written again; only by threads that may block.
    changing: Lock<()>,
}

impl TlsMemory {
    /// A memory that lasts as long as this value and its clones.
    pub fn in_memory() -> Self {
        Self {
            inner: Arc::new(Inner {
                peers: Lock::default(),
                #[cfg(feature = "fs")]
                file: None,
            }),
        }
    }

    /// A memory in the folder `folder` of `disk`; both are created when there is something to remember.
    #[cfg(feature = "fs")]
    pub fn in_folder(disk: Arc<dyn Disk>, folder: impl Into<PathBuf>) -> Self {
        let file = File { disk, folder: folder.into(), changing: Lock::default() };
        Self { inner: Arc::new(Inner { peers: Lock::default(), file: Some(file) }) }
    }

    /// Every peer that has spoken TLS, as the forwarder's builder was given it: `host:port`.
    ///
    /// # Errors
    ///
    /// What the disk said.
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

    /// Lets `peer` speak plain text again, if the policy for it does; answers whether it was remembered.
    ///
    /// # Errors
    ///
    /// What the disk said; the peer is then as it was.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has cleared the peer or not; the same call again settles it.
    pub async fn forget(&self, peer: &str) -> io::Result<bool> {
        let name = peer.to_owned();
        let was_there = self.change(move |peers| peers.remove(&name)).await?;
        Ok(self.lock().remove(peer) | was_there)
    }

    /// Whether `peer` has ever spoken TLS; if that cannot be known, it has.
    pub(super) async fn has(&self, peer: &str) -> bool {
        match self.peers().await {
            Ok(peers) => peers.iter().any(|known| known == peer),
            Err(error) => {
                tracing::warn!(%error, "which peers have spoken TLS before cannot be read");
                true
            }
        }
    }

    /// Takes down that `peer` has spoken TLS. What cannot be written down is known until the next restart.
    pub(super) async fn remember(&self, peer: &str) {
        if self.lock().contains(peer) {
            return;
        }
        let name = peer.to_owned();
        if let Err(error) = self.change(move |peers| peers.insert(name)).await {
            tracing::warn!(%error, "that a peer has spoken TLS cannot be written down");
        }
        self.lock().insert(peer.to_owned());
    }

    /// Changes what the file says, if there is one and `change` changes anything.
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
    "# Peers that have spoken TLS. Without it, nothing is sent to them any more; take a line out to allow it again.\n";

#[cfg(all(test, feature = "node"))]
mod tests {
    use super::*;
    use crate::disk::{FaultyDisk, InjectedFault, PowerCutDisk, Unsynced};

    fn on(disk: &PowerCutDisk) -> TlsMemory {
        TlsMemory::in_folder(Arc::new(disk.clone()), "spool/tls")
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
    async fn a_cut_after_any_step_leaves_what_was_or_what_shall_be() {
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
    async fn an_operator_takes_a_line_out_while_the_node_runs() {
        let disk = PowerCutDisk::new();
        let memory = on(&disk);
        memory.remember("central.example:25").await;
        disk.remove("spool/tls/tls-peers.txt".as_ref()).unwrap();
        assert!(!memory.has("central.example:25").await);
        memory.remember("central.example:25").await;
        assert!(memory.has("central.example:25").await, "and it is taken down again when TLS comes back");
    }

    #[tokio::test]
    async fn a_memory_that_cannot_be_read_has_every_peer() {
        let disk = PowerCutDisk::new();
        let faulty = FaultyDisk::new(Arc::new(disk.clone()));
        faulty.fail(InjectedFault::after(0, io::ErrorKind::PermissionDenied).lasting());
        assert!(TlsMemory::in_folder(Arc::new(faulty), "spool").has("central.example:25").await);
        let memory = on(&disk);
        memory.remember("central.example:25").await;
        disk.open("spool/tls/tls-peers.txt".as_ref()).unwrap().write_all_at(b"\xff", 0).unwrap();
        assert!(memory.has("backup.example:25").await);
    }
}
