//! [`Sweep`]: deletes the sounds that no message refers to.

use std::collections::HashSet;
use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore as _};

use super::limits::{REQUEST_LIMIT, within};
use super::sweep_rules::{candidate, last_due, next_day};
use super::{SoundError, SoundName, SoundStore};

/// A sweep through the sounds of past days, which deletes those that no message refers to: what a deposit leaves that was cut off between
/// the sound and its row.
///
/// It looks at each day once, oldest first, when all its sounds are older than 24 h. So it never sees a sound whose row may still come. Each step
/// lists up to 500 sounds. Several sweeps may run at once.
///
/// ```
/// # use std::collections::HashSet;
/// # use chrono::{DateTime, Utc};
/// # use voicemail_postgres::sounds::{SoundName, SoundError, SoundStore, Sweep};
/// # async fn those_with_a_row(names: &[SoundName]) -> Result<HashSet<SoundName>, SoundError> { Ok(HashSet::new()) }
/// # async fn housekeep(sweep: &mut Sweep, now: DateTime<Utc>) -> Result<(), SoundError> {
/// while let Some(candidates) = sweep.candidates(now).await? {
///     let referenced = those_with_a_row(candidates).await?; // ask the database
///     sweep.delete_others(&referenced).await?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct Sweep {
    sounds: SoundStore,
    swept: Option<NaiveDate>,
    listing: Option<Listing>,
    /// The day whose list came to its end, and whose last candidates may not be settled yet.
    listed: Option<NaiveDate>,
    /// The sounds that were listed and not settled yet.
    candidates: Vec<SoundName>,
}

/// The rest of a day's list.
struct Listing {
    day: NaiveDate,
    objects: BoxStream<'static, object_store::Result<ObjectMeta>>,
}

impl SoundStore {
    /// Returns a sweep of the days after `swept`, or of all days. A caller that keeps [`Sweep::swept`] spares itself the days of before, and one that
    /// does not sweeps them again.
    pub fn sweep(&self, swept: Option<NaiveDate>) -> Sweep {
        Sweep { sounds: self.clone(), swept, listing: None, listed: None, candidates: Vec::new() }
    }
}

impl Sweep {
    /// Returns up to 500 sounds that are to be deleted if no message refers to them; `None` if no day is due at the moment `now`. The same sounds
    /// are returned again until they are settled by [`delete_others`](Self::delete_others).
    ///
    /// # Errors
    ///
    /// [`SoundError::Failed`], [`SoundError::Refused`] and [`SoundError::TimedOut`] after 20 s for each 500 sounds may pass; the next call begins the
    /// day anew.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has no effect, except that the next one may begin the day anew.
    pub async fn candidates(&mut self, now: DateTime<Utc>) -> Result<Option<&[SoundName]>, SoundError> {
        while self.candidates.is_empty() {
            self.swept = self.listed.take().or(self.swept);
            // Taken out, so that a list that failed or was dropped half-way begins anew.
            let listing = match self.listing.take() {
                Some(listing) => listing,
                None => match self.next_listing(now).await? {
                    Some(listing) => listing,
                    None => return Ok(None),
                },
            };
            self.list(listing, now).await?;
        }
        Ok(Some(&self.candidates))
    }

    /// Deletes those of the last [`candidates`](Self::candidates) that are not in `referenced`; returns how many.
    ///
    /// # Errors
    ///
    /// [`SoundError::Failed`], [`SoundError::Refused`] and [`SoundError::TimedOut`] may pass. Then the candidates that are left remain.
    ///
    /// # Cancel safety
    ///
    /// A dropped call has deleted some of them; the others remain candidates.
    pub async fn delete_others(&mut self, referenced: &HashSet<SoundName>) -> Result<usize, SoundError> {
        let mut deleted = 0;
        while let Some(name) = self.candidates.last() {
            if !referenced.contains(name) {
                self.sounds.delete(name).await?;
                deleted += 1;
            }
            self.candidates.pop();
        }
        Ok(deleted)
    }

    /// Returns the last day that [`candidates`](Self::candidates) has found to be swept to its end; all days before it are swept, too.
    pub fn swept(&self) -> Option<NaiveDate> {
        self.swept
    }

    /// Begins to list the next day that is due. If there is none, all days that are due are swept.
    async fn next_listing(&mut self, now: DateTime<Utc>) -> Result<Option<Listing>, SoundError> {
        let last = last_due(now);
        if self.swept.is_some_and(|swept| swept >= last) {
            return Ok(None);
        }
        let objects = &self.sounds.objects;
        let top = within(REQUEST_LIMIT, async { Ok(objects.list_with_delimiter(None).await?) }).await?;
        let days = top.common_prefixes.iter().filter_map(|prefix| prefix.as_ref().parse().ok());
        let Some(day) = next_day(days, self.swept, now) else {
            self.swept = Some(last);
            return Ok(None);
        };
        Ok(Some(Listing { day, objects: objects.list(Some(&Path::from(day.to_string()))) }))
    }

    /// Takes the next objects from `listing`.
    async fn list(&mut self, mut listing: Listing, now: DateTime<Utc>) -> Result<(), SoundError> {
        let mut objects = Vec::new();
        let list = async {
            while objects.len() < STEP {
                let Some(object) = listing.objects.next().await.transpose()? else { return Ok(true) };
                objects.push(object);
            }
            Ok(false)
        };
        let is_end = within(REQUEST_LIMIT, list).await?;
        self.candidates = objects.iter().filter_map(|object| candidate(object, listing.day, now)).collect();
        if is_end {
            self.listed = Some(listing.day);
        } else {
            self.listing = Some(listing);
        }
        Ok(())
    }
}

impl fmt::Debug for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sweep(swept to {:?}, {} candidates)", self.swept, self.candidates.len())
    }
}

/// How many sounds are listed in a step.
const STEP: usize = 500;
