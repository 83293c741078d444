//! [`Outside`]: what other programs do to the mailboxes of one tree.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::time::sleep_until;

use super::ground::Ground;
use super::rounds::{Look, Rounds, Step};
use crate::disk::{self, Bell, Disk, Rung, WatchedFolder};
use crate::message::MailboxId;

/// What other programs do to the mailboxes of one tree, for somebody who waits for it.
#[derive(Debug, Default)]
pub(super) struct Outside {
    rounds: Mutex<Rounds>,
    /// Once somebody has waited; nothing in it where the disk has no bell.
    bell: OnceLock<Option<Box<dyn Bell>>>,
    deaf: OnceLock<()>,
}

impl Outside {
    /// See [`MessageStore::changed`](crate::store::MessageStore::changed).
    pub(super) async fn changed(self: &Arc<Self>, ground: &Arc<Ground>) -> Vec<MailboxId> {
        loop {
            let due = {
                let mut rounds = self.rounds();
                if let Some(changed) = rounds.poll_changed() {
                    return changed;
                }
                rounds.poll_timeout().unwrap_or(now())
            };
            tokio::select! {
                rung = self.rung() => match rung {
                    Ok(rung) => self.rounds().handle_rung(&rung),
                    Err(error) => self.grow_deaf(&error),
                },
                () = sleep_until(due.into()) => self.step(ground).await,
            }
        }
    }

    /// Takes a step of a round, where it may block. It goes to its end also when nobody waits any more.
    async fn step(self: &Arc<Self>, ground: &Arc<Ground>) {
        let (this, ground) = (Arc::clone(self), Arc::clone(ground));
        let step = disk::blocking(move || this.take_step(&*ground.disk, &ground.root));
        if let Err(error) = step.await {
            tracing::warn!(%error, "what other programs do to mailboxes cannot be seen; it is looked at again");
        }
    }

    fn take_step(&self, disk: &dyn Disk, root: &Path) -> io::Result<()> {
        let bell = self.bell.get_or_init(|| disk.bell(root).ok()).as_deref().filter(|_| self.deaf.get().is_none());
        let mail = root.join("mail");
        let mut silent = Vec::new();
        let step = self.rounds().poll_step(now());
        let ids = |names: Vec<String>| names.iter().filter_map(|name| name.parse().ok()).collect();
        match step {
            None => {}
            Some(Step::List) => {
                // Before they are listed, so that none comes in between.
                let rings = bell.and_then(|bell| bell.folder(&mail).ok());
                self.rounds().handle_mail(rings);
                let listed = ids(disk.list(&mail)?);
                silent.extend(self.rounds().handle_listed(listed));
            }
            Some(Step::ListAgain) => {
                let listed = ids(disk.list(&mail)?);
                silent.extend(self.rounds().handle_listed_again(listed));
            }
            Some(Step::Look(mailboxes)) => {
                for mailbox in mailboxes {
                    let may_ring = self.rounds().may_ring(&mailbox);
                    let look = look(disk, bell.filter(|_| may_ring), &mail.join(mailbox.as_str()));
                    silent.extend(self.rounds().handle_looked(mailbox, look));
                }
            }
        }
        if let Some(bell) = bell {
            bell.forget(&silent);
        }
        Ok(())
    }

    async fn rung(&self) -> io::Result<Rung> {
        match self.bell.get() {
            Some(Some(bell)) if self.deaf.get().is_none() => bell.rung().await,
            _ => std::future::pending().await,
        }
    }

    fn grow_deaf(&self, error: &io::Error) {
        tracing::warn!(%error, "the disk no longer tells at once what other programs do to mailboxes");
        self.deaf.get_or_init(|| ());
        self.rounds().handle_deaf();
    }

    fn rounds(&self) -> MutexGuard<'_, Rounds> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the mailbox whose folder is at `path`.
fn look(disk: &dyn Disk, bell: Option<&dyn Bell>, path: &Path) -> Look {
    let folders = ["new", "cur"].map(|folder| path.join(folder));
    let Some(bell) = bell else { return stand(disk, &folders) };
    if let Some(rings) = ring(bell, &folders) {
        return Look::Rings(rings);
    }
    let Ok(awaits) = bell.folder(path) else { return stand(disk, &folders) };
    // They may have come just before the disk rang for it.
    match ring(bell, &folders) {
        Some(rings) => {
            bell.forget(&[awaits]);
            Look::Rings(rings)
        }
        None => Look::Awaits(awaits),
    }
}

/// Has the disk ring for both folders, or for none.
fn ring(bell: &dyn Bell, [new, cur]: &[PathBuf; 2]) -> Option<[WatchedFolder; 2]> {
    let new = bell.folder(new).ok()?;
    let Ok(cur) = bell.folder(cur) else {
        bell.forget(&[new]);
        return None;
    };
    Some([new, cur])
}

fn stand(disk: &dyn Disk, folders: &[PathBuf; 2]) -> Look {
    Look::Stands(folders.each_ref().map(|folder| disk.folder_changed(folder).ok()))
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
