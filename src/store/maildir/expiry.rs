//! Applies a [`Retention`] to the messages of one [`Mailbox`]. Everything here blocks.

use std::io;

use chrono::{DateTime, Utc};

use super::bad_entries::concerns_entry;
use super::context::StoreContext;
use super::index::{Index, LocatedMessage};
use super::mailbox::Mailbox;
use super::name::FileName;
use crate::directory::Retention;
use crate::message::{MessageId, Status, Urgency};
use crate::store::{Position, StoreError};

impl Mailbox {
    /// Applies the retention to up to `at_most` messages: new and old ones that are too old become removed, and those that were removed
    /// long enough ago are deleted for good. Answers how many messages it changed, and which of them were new.
    pub(super) fn retain(
        &self,
        context: &StoreContext,
        retention: Retention,
        at_most: usize,
    ) -> Result<(usize, Vec<MessageId>), StoreError> {
        let now = context.now();
        let outdated = |index: &Index| {
            let of = |status| {
                let end = retention.end_of(status, now)?;
                let sets = [Urgency::Urgent, Urgency::Normal].map(|urgency| index.by_status(status, urgency));
                let outdated = sets.into_iter().flat_map(move |set| set.iter().take_while(move |position| position.secs < end));
                Some(outdated.map(move |position| (position.id, status)))
            };
            [Status::New, Status::Old].into_iter().filter_map(of).flatten().take(at_most).collect::<Vec<_>>()
        };
        let (mut done, mut expired) = (0, Vec::new());
        for (id, status) in self.look(context, outdated)? {
            match self.mark_if(context, id, status, Status::Removed) {
                Ok(true) => done += 1,
                // Its owner was faster.
                Ok(false) => continue,
                Err(error) if done == 0 => return Err(error),
                // The caller learns what was done; the next step meets this message first.
                Err(_) => return Ok((done, expired)),
            }
            expired.extend((status == Status::New).then_some(id));
        }
        let Some(end) = retention.end_of(Status::Removed, now) else { return Ok((done, expired)) };
        let left = at_most - done;
        let outdated = |index: &Index| {
            let mut outdated = Vec::new();
            let sets = [Urgency::Urgent, Urgency::Normal].map(|urgency| index.by_status(Status::Removed, urgency));
            for Position { id, .. } in sets.into_iter().flatten().take(REMOVED_A_STEP) {
                if outdated.len() >= left {
                    break;
                }
                // A message that expired in this step can be retrieved until the next step.
                if !expired.contains(id)
                    && let Some(located) = index.find(*id)
                    && self.removed_at(context, &located)?.is_some_and(|secs| secs < end)
                {
                    outdated.push(located);
                }
            }
            Ok(outdated)
        };
        match self.delete(context, outdated) {
            Ok(deleted) => Ok((done + deleted, expired)),
            Err(error) if done == 0 => Err(error),
            Err(_) => Ok((done, expired)),
        }
    }

    /// When the message was removed, in seconds since 1970: its file got its present name then, or later. `None` if the file is gone.
    pub(super) fn removed_at(&self, context: &StoreContext, located: &LocatedMessage) -> io::Result<Option<i64>> {
        let changed = |file: &FileName| context.disk.open_to_read(&self.folders.path(file))?.changed();
        let changed = match self.folders.with_renames(&*context.disk, &located.file.name, changed) {
            Err(error) if concerns_entry(&error) => {
                context.bad.note(&self.folders.path(&located.file.name), &error);
                None
            }
            changed => changed?,
        };
        Ok(changed.map(|changed| DateTime::<Utc>::from(changed).timestamp()))
    }
}

/// How many removed messages of a mailbox a step of housekeeping looks at. The others come in turn when these are gone.
const REMOVED_A_STEP: usize = 100;
