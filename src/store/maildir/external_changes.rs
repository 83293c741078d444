//! [`ExternalChanges`]: waits for changes of mailboxes that other programs make.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, MutexGuard, OnceLock};

use tokio::time::sleep_until;

use super::context::StoreContext;
use super::poll_schedule::{PollResult, PollSchedule, PollStep};
use crate::disk::{self, ChangedFolders, Disk, WatchedFolder, Watcher};
use crate::lock::Lock;
use crate::message::MailboxId;
use crate::retry::now;

/// Waits for changes that other programs make in the mailboxes of one store.
#[derive(Debug, Default)]
pub(super) struct ExternalChanges {
    schedule: Lock<PollSchedule>,
    /// Set by the first poll; `None` in it where the disk cannot watch.
    watcher: OnceLock<Option<Box<dyn Watcher>>>,
    watcher_failed: OnceLock<()>,
}

impl ExternalChanges {
    /// See [`MessageStore::external_changes`](crate::store::MessageStore::external_changes).
    pub(super) async fn wait(self: &Arc<Self>, context: &Arc<StoreContext>) -> Vec<MailboxId> {
        loop {
            let due = {
                let mut schedule = self.schedule();
                if let Some(changed) = schedule.poll_changed() {
                    return changed;
                }
                schedule.poll_timeout().unwrap_or(now())
            };
            tokio::select! {
                changed = self.wait_for_watcher() => match changed {
                    Ok(changed) => self.schedule().handle_changed(&changed),
                    Err(error) => self.stop_watching(&error),
                },
                () = sleep_until(due.into()) => self.step(context).await,
            }
        }
    }

    /// Notes that the store has opened a mailbox: if it is removed before the next list, that is a change.
    pub(super) fn handle_opened(&self, mailbox: &MailboxId) {
        self.schedule().handle_opened(mailbox.clone());
    }

    /// Does a step of a poll round, on a thread that may block. It runs to its end also when the caller stops waiting.
    async fn step(self: &Arc<Self>, context: &Arc<StoreContext>) {
        let (this, context) = (Arc::clone(self), Arc::clone(context));
        let step = disk::blocking(move || this.take_step(&*context.disk, &context.root));
        if let Err(error) = step.await {
            tracing::warn!(%error, "changes by other programs cannot be seen; the store polls again");
        }
    }

    fn take_step(&self, disk: &dyn Disk, root: &Path) -> io::Result<()> {
        let watcher =
            self.watcher.get_or_init(|| disk.watch(root).ok()).as_deref().filter(|_| self.watcher_failed.get().is_none());
        let mail = root.join("mail");
        let mut unused = Vec::new();
        let step = self.schedule().poll_step(now());
        let ids = |names: Vec<String>| names.iter().filter_map(|name| MailboxId::from_file_name(name)).collect();
        match step {
            None => {}
            Some(PollStep::List) => {
                // Before the mailboxes are listed, so that no new one is missed.
                let folder = watcher.and_then(|watcher| watcher.watch_folder(&mail).ok());
                self.schedule().handle_mail(folder);
                let listed = ids(disk.list(&mail)?);
                unused.extend(self.schedule().handle_listed(listed));
            }
            Some(PollStep::ListAgain) => {
                let listed = ids(disk.list(&mail)?);
                unused.extend(self.schedule().handle_listed_again(listed));
            }
            Some(PollStep::Poll(mailboxes)) => {
                for mailbox in mailboxes {
                    let may_watch = self.schedule().may_watch(&mailbox);
                    let result = poll(disk, watcher.filter(|_| may_watch), &mail.join(mailbox.as_str()));
                    unused.extend(self.schedule().handle_polled(mailbox, result));
                }
            }
        }
        if let Some(watcher) = watcher {
            watcher.forget(&unused);
        }
        Ok(())
    }

    async fn wait_for_watcher(&self) -> io::Result<ChangedFolders> {
        match self.watcher.get() {
            Some(Some(watcher)) if self.watcher_failed.get().is_none() => watcher.changed().await,
            _ => std::future::pending().await,
        }
    }

    fn stop_watching(&self, error: &io::Error) {
        tracing::warn!(%error, "the disk no longer reports changes by other programs at once; the store polls for them");
        self.watcher_failed.get_or_init(|| ());
        self.schedule().handle_watcher_failed();
    }

    fn schedule(&self) -> MutexGuard<'_, PollSchedule> {
        self.schedule.lock()
    }
}

/// Polls the mailbox whose folder is at `path`, and has it watched from now on if that is possible.
fn poll(disk: &dyn Disk, watcher: Option<&dyn Watcher>, path: &Path) -> PollResult {
    let folders = ["new", "cur"].map(|folder| path.join(folder));
    let Some(watcher) = watcher else { return modified(disk, &folders) };
    if let Some(numbers) = watch_both(watcher, &folders) {
        return PollResult::Watched(numbers);
    }
    let Ok(parent) = watcher.watch_folder(path) else { return modified(disk, &folders) };
    // The folders may have been created just before their parent was watched.
    match watch_both(watcher, &folders) {
        Some(numbers) => {
            watcher.forget(&[parent]);
            PollResult::Watched(numbers)
        }
        None => PollResult::ParentWatched(parent),
    }
}

/// Watches both folders, or none.
fn watch_both(watcher: &dyn Watcher, [new, cur]: &[PathBuf; 2]) -> Option<[WatchedFolder; 2]> {
    let new = watcher.watch_folder(new).ok()?;
    let Ok(cur) = watcher.watch_folder(cur) else {
        watcher.forget(&[new]);
        return None;
    };
    Some([new, cur])
}

fn modified(disk: &dyn Disk, folders: &[PathBuf; 2]) -> PollResult {
    PollResult::Modified(folders.each_ref().map(|folder| disk.folder_changed(folder).ok()))
}
