//! Long sounds, in an object store: which sounds go there, and the deletion of those that no message refers to any more.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt as _;
use futures::stream;
use voicemail::message::{ContentDigest, MessageId};
use voicemail::store::StoreError;

use crate::DatabaseError;
use crate::columns::column;
use crate::connect::Pool;
use crate::sounds::{SoundName, SoundStore, Sweep};

/// Decides which sounds go into the object store, and has its store.
#[derive(Debug)]
pub(super) struct LongSounds {
    store: Option<SoundStore>,
    inline_limit: u64,
    /// The sweep under way, between two steps of housekeeping.
    sweep: Mutex<Option<Sweep>>,
}

impl LongSounds {
    pub(super) fn new(store: Option<SoundStore>, inline_limit: u64) -> Self {
        Self { store, inline_limit, sweep: Mutex::default() }
    }

    /// The object store, if a sound of `size` bytes goes there.
    pub(super) fn for_sound_of(&self, size: u64) -> Option<&SoundStore> {
        self.store.as_ref().filter(|_| size > self.inline_limit)
    }

    /// Reads the sound of the message `id`; `None` if the object store does not have it.
    pub(super) async fn read(
        &self,
        id: MessageId,
        name: &str,
        size: u64,
        digest: ContentDigest,
    ) -> Result<Option<bytes::Bytes>, StoreError> {
        let store = self
            .store
            .as_ref()
            .ok_or_else(|| StoreError::Unavailable("the sound is in an object store, and this node was given none".into()))?;
        let name: SoundName = name.parse().map_err(|error| StoreError::Damaged { id, source: Box::new(error) })?;
        match store.read(&name, size, digest).await {
            Ok(sound) => Ok(Some(sound)),
            Err(crate::sounds::SoundError::Missing(_)) => Ok(None),
            Err(error) => Err(error.into_store_error(id)),
        }
    }

    /// A step of housekeeping: deletes objects whose messages were deleted, and looks for objects that never got a message.
    pub(super) async fn housekeep(&self, pool: &Pool) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        delete_gone(store, pool).await?;
        // Taken out while it works: a call that is dropped begins its day anew.
        let swept = self.sweep.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut sweep = match swept {
            Some(sweep) => sweep,
            None => store.sweep(swept_to(pool).await?),
        };
        let done = sweep_some(&mut sweep, pool).await;
        *self.sweep.lock().unwrap_or_else(PoisonError::into_inner) = Some(sweep);
        done
    }
}

/// Deletes objects an hour after the last of their messages: no reading takes that long.
async fn delete_gone(store: &SoundStore, pool: &Pool) -> Result<(), StoreError> {
    pool.query(FORGET_SHARED, &[&DELETED_A_STEP]).await?;
    let rows = pool.query(GONE, &[&DELETED_A_STEP]).await?;
    let names: Vec<&str> = rows.iter().map(|row| column(row, 0)).collect::<Result<_, DatabaseError>>()?;
    let delete = |text: &str| {
        let (store, text) = (store.clone(), text.to_owned());
        async move {
            match text.parse::<SoundName>() {
                Ok(name) => store.delete(&name).await.map(|()| text),
                // A name that is none has no object.
                Err(_) => Ok(text),
            }
        }
    };
    let answers: Vec<_> = stream::iter(names.into_iter().map(delete)).buffer_unordered(DELETED_AT_ONCE).collect().await;
    let mut deleted = Vec::new();
    let mut failed = None;
    for answer in answers {
        match answer {
            Ok(name) => deleted.push(name),
            Err(error) => failed = Some(error),
        }
    }
    if !deleted.is_empty() {
        pool.query(FORGET_GONE, &[&deleted]).await?;
    }
    failed.map_or(Ok(()), |error| Err(StoreError::Unavailable(error.into())))
}

async fn sweep_some(sweep: &mut Sweep, pool: &Pool) -> Result<(), StoreError> {
    let failed = |error: crate::sounds::SoundError| StoreError::Unavailable(error.into());
    let clock = pool.query_one("SELECT now()", &[]).await?;
    let now: DateTime<Utc> = column(&clock, 0)?;
    let before = sweep.swept();
    if let Some(candidates) = sweep.candidates(now).await.map_err(failed)? {
        let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
        let rows = pool.query(REFERENCED, &[&names]).await?;
        let mut referenced = HashSet::new();
        for row in &rows {
            referenced.extend(column::<&str>(row, 0)?.parse::<SoundName>());
        }
        let deleted = sweep.delete_others(&referenced).await.map_err(failed)?;
        if deleted > 0 {
            tracing::info!(deleted, "deleted sounds that no message refers to");
        }
    }
    match sweep.swept() {
        Some(swept) if before != Some(swept) => Ok(pool.query(SWEPT, &[&swept]).await.map(drop)?),
        _ => Ok(()),
    }
}

async fn swept_to(pool: &Pool) -> Result<Option<NaiveDate>, StoreError> {
    let rows = pool.query("SELECT swept FROM voicemail.sound_sweep", &[]).await?;
    Ok(rows.first().map(|row| column(row, 0)).transpose()?)
}

/// An object that no message has any more gets none again, because a copy is made of a message that is there.
const GONE: &str = "SELECT sound_at FROM voicemail.sound_gone g WHERE at < now() - interval '1 hour' \
    AND NOT EXISTS (SELECT FROM voicemail.message m WHERE m.sound_at = g.sound_at) ORDER BY at LIMIT $1";
/// Forgets objects that other messages have still: each is noted again with the next of them that is deleted, and this waits for none that is noted just now.
const FORGET_SHARED: &str = "DELETE FROM voicemail.sound_gone WHERE sound_at IN (\
    SELECT sound_at FROM voicemail.sound_gone g WHERE at < now() - interval '1 hour' \
        AND EXISTS (SELECT FROM voicemail.message m WHERE m.sound_at = g.sound_at) ORDER BY sound_at LIMIT $1 FOR UPDATE SKIP LOCKED)";
const FORGET_GONE: &str = "DELETE FROM voicemail.sound_gone WHERE sound_at = ANY($1)";
/// Also the sounds of deleted messages: they have their own hour, and a sweep leaves them to it.
const REFERENCED: &str = "SELECT sound_at FROM voicemail.message WHERE sound_at = ANY($1) \
    UNION ALL SELECT sound_at FROM voicemail.sound_gone WHERE sound_at = ANY($1)";
const SWEPT: &str = "INSERT INTO voicemail.sound_sweep (swept) VALUES ($1) \
    ON CONFLICT (single) DO UPDATE SET swept = greatest(sound_sweep.swept, excluded.swept)";
const DELETED_A_STEP: i64 = 200;
const DELETED_AT_ONCE: usize = 8;
