//! [`copy_greetings`]: greetings on their way from one store to another.

use std::collections::BTreeMap;
use std::fmt;

use super::{Edition, GreetingId, GreetingStore, GreetingStoreError, KeepOutcome};

/// The numbers of greetings that [`copy_greetings`] has copied or left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CopiedGreetings {
    /// How many editions were copied.
    pub copied: u64,
    /// How many were in the target already, or newer ones.
    pub unchanged: u64,
    /// The greetings whose sounds are damaged in the source; all others were copied.
    pub damaged: Vec<GreetingId>,
}

impl fmt::Display for CopiedGreetings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} greetings copied, {} unchanged, {} damaged", self.copied, self.unchanged, self.damaged.len())
    }
}

/// Copies the newest edition of each greeting, removals too; the newest one of both stores is in the target then. The sound of an edition that is in the
/// target already is not read. One sound at a time is in memory.
///
/// # Errors
///
/// [`GreetingStoreError`] if one of the stores fails as a whole; the same call goes on.
///
/// # Cancel safety
///
/// A dropped call has copied some greetings, each of them whole. The same call again copies the rest.
pub async fn copy_greetings<S, T>(source: &S, target: &T) -> Result<CopiedGreetings, GreetingStoreError>
where
    S: GreetingStore + ?Sized,
    T: GreetingStore + ?Sized,
{
    let mut done = CopiedGreetings::default();
    let there: BTreeMap<GreetingId, Edition> =
        target.list_all().await?.into_iter().map(|entry| (entry.id, entry.edition)).collect();
    for entry in source.list_all().await? {
        if there.get(&entry.id).is_some_and(|edition| *edition >= entry.edition) {
            done.unchanged += 1;
            continue;
        }
        match source.read(&entry.id).await {
            Ok(Some(greeting)) => match target.put(greeting).await? {
                KeepOutcome::Kept => done.copied += 1,
                KeepOutcome::HasNewer => done.unchanged += 1,
            },
            // Somebody has found it damaged meanwhile.
            Ok(None) => {}
            Err(GreetingStoreError::Damaged(id)) => done.damaged.push(id),
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
